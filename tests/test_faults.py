"""One of the faults of scripts/bench_faults.py, which tries them all: real kills, many nodes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from logistics.config import Config
from tests.settings import SMALL

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "bench_faults.py"
TRIED = "driver killed then node removed"


@pytest.mark.usefixtures("first")
def test_a_night_survives_what_nights_bring(company: Config, tmp_path: Path) -> None:
    out = tmp_path / "faults.json"
    asked = [f"--faults={TRIED}", f"--planned={Path(company.plan).parent}", f"--out={out}", *SMALL]
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
