"""What a log shows of a night while it works."""

from dataclasses import replace
from pathlib import Path

import pytest

from logistics import report
from tests import nights
from tests.settings import config


def test_a_log_has_the_begin_and_end_of_a_step_and_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter((0.0, 5.0, 29.0, 31.0, 45.0, 50.0))
    monkeypatch.setattr(report.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(report, "_err", report.Console(stderr=True, force_terminal=False))
    with report.progress() as tell:
        tell("routes", 0, 5)
        for done in range(1, 6):
            tell("routes", done, 5)
    assert capsys.readouterr().err.splitlines() == [
        "routes: 0 of 5",
        "routes: 3 of 5",
        "routes: 5 of 5",
    ]


def test_depots_without_orders_are_told_as_such(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def told(failures: dict[str, str], **figures: float) -> str:
        outcome = replace(nights.ROUTES, failures=failures, figures=figures)
        report.summary(nights.night(config(tmp_path), outcome))
        return capsys.readouterr().out

    assert "3 depots: no orders this day" in told({}, orders=0, idle_depots=3)
    assert "3 depots: nothing planned" in told({"delft": "no vehicles"})
    some = told({}, orders=9, served=8, routes=2, idle_depots=2)
    assert "3 depots (2 idle): 8 of 9 orders served on 2 routes" in some
