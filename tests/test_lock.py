"""One run of a night at a time, and no lock outlives its holder."""

import json
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from logistics import lock
from logistics.lock import Holder, LockLostError, hold
from logistics.storage import LakeError


def write(plan: Path, name: str, holder: Holder) -> None:
    (plan / "_locks").mkdir(exist_ok=True)
    (plan / "_locks" / f"{name}.json").write_text(json.dumps(asdict(holder)))


def test_a_held_lock_is_refused_with_its_holder_and_free_afterwards(tmp_path: Path) -> None:
    with hold(str(tmp_path), "2026-03-02", "one"):
        with pytest.raises(
            LakeError, match=r"2026-03-02 is being run .* by process .* \(run one\)"
        ):
            hold(str(tmp_path), "2026-03-02", "two").__enter__()
        with pytest.raises(LakeError, match="run one"):
            hold(str(tmp_path), "tidy", "three", against="*").__enter__()
        with hold(str(tmp_path), "2026-03-03", "four"):
            pass
    with hold(str(tmp_path), "2026-03-02", "two"):
        pass


def test_the_lock_of_a_killed_process_is_taken_over_at_once(tmp_path: Path) -> None:
    script = (
        "import sys, time; from logistics.lock import hold\n"
        "with hold(sys.argv[1], 'night', 'killed'):\n    print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LakeError, match="run killed"):
        hold(str(tmp_path), "night", "mine").__enter__()
    process.kill()
    time.sleep(0.2)  # a zombie until waited for: dead all the same
    with hold(str(tmp_path), "night", "mine") as held:
        held.check()
    process.wait()


def test_another_machine_holds_its_lock_until_it_falls_silent(tmp_path: Path) -> None:
    now = time.time()
    there = Holder("theirs", f"not-{socket.gethostname()}", 1, now, now, now)
    write(tmp_path, "night", there)
    with pytest.raises(LakeError, match="run theirs"):
        hold(str(tmp_path), "night", "mine").__enter__()
    write(tmp_path, "night", replace(there, heard=now - lock.EXPIRES_S - 1))
    with hold(str(tmp_path), "night", "mine") as held:
        held.check()
        write(tmp_path, "night", there)
        with pytest.raises(LockLostError, match="taken this night over"):
            held.check()
