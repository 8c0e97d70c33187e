"""What a log shows of a night while it works."""

import pytest

from logistics import report


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
