"""One of the faults of scripts/bench_faults.py, which tries them all: real kills, many nodes."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "bench_faults.py"
TRIED = "driver killed then node removed"


def test_a_night_survives_what_nights_bring(tmp_path: Path) -> None:
    out = tmp_path / "faults.json"
    asked = [f"--faults={TRIED}", "--iterations=100", f"--out={out}"]
    bench = subprocess.run(
        [sys.executable, "-W", "ignore", SCRIPT, *asked],
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert bench.returncode == 0, bench.stdout + bench.stderr
    (result,) = json.loads(out.read_text())
    assert result["passed"], result
    assert result["different"] == []
    assert result["reused"] > 0
