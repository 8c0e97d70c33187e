"""The command line refuses what it cannot do: one clear line, exit code 2, no traceback, no Ray."""

import os
import signal
import sys
from pathlib import Path

import pytest
import ray

from logistics.cluster import ClusterError, start_ray
from logistics.run import main
from tests.settings import config


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return " ".join(said.split())


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("sede=3", "sede"),
        ("task=nigth", "nigth"),
        ("forecast.horizon_days=none", "forecast.horizon_days"),
        ("routes.engine=vroom", "routes.engine"),
        ("routes.circuity=0.5", "routes.circuity"),
        ("date=tomorrow", "date"),
        ("+slotting.magic=1", "slotting.magic"),
        ("seed=", "seed"),
        ("deterministic=perhaps", "deterministic"),
        ("task=nigth", "did you mean night?"),
        ("night", "task=night"),
        ("--quiet", "no such option"),
        ("~seed", "not key=value"),
        ("date=20260302", "2026-03-02"),
        ("closed=D001", "[D001]"),
        ("slotting.keep_apart=[[a,a]]", "slotting: keep_apart names pairs of two different groups"),
        ("order=O1", "task=explain"),
        ("from=2026-03-02", "task=backfill"),
        ("workload=forecast", "task=train"),
    ],
)
def test_a_wrong_override_is_named(
    capsys: pytest.CaptureFixture[str], override: str, named: str
) -> None:
    assert named in refused(capsys, override)


def test_a_missing_lake_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = refused(capsys, f"lake={tmp_path}/none", "date=2026-01-01")
    assert f"lake={tmp_path}/none" in said
    assert "no such folder" in said


def test_a_plan_is_not_the_lake(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = refused(capsys, f"lake={tmp_path}", f"plan={tmp_path}/", "date=2026-01-01")
    assert "is the lake itself" in said


def test_a_lake_that_is_not_there_leaves_nothing_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    refused(capsys, f"lake={tmp_path}/none", "date=2026-01-01")
    assert list(tmp_path.iterdir()) == []
    assert "no such plan" in refused(capsys, "task=tidy", f"plan={tmp_path}/none")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert "not a folder" in refused(capsys, f"lake={tmp_path}/file", "date=2026-01-01")


def test_s3_without_credentials_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/none")
    said = refused(capsys, "lake=s3://no-such/lake", "date=2026-01-01", f"plan={tmp_path}")
    assert "lake=s3://no-such/lake cannot be read" in said


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_out_of_reach_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match=rf"cluster\.address={address} cannot be joined"):
        start_ray(config(tmp_path, f"cluster.address={address}"))


def test_a_signal_waits_until_ray_has_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = []

    def init(*_: object, **__: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))  # as Ray does
        os.kill(os.getpid(), signal.SIGTERM)
        started.append(True)

    monkeypatch.setattr(ray, "init", init)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        start_ray(config(tmp_path))
    assert started
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_missing_table_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "sales").mkdir()
    said = refused(capsys, f"lake={tmp_path}", "date=2026-01-01", "task=routes")
    assert "orders" in said
    assert "or run task=forecast" in said


def test_a_lake_of_ones_own_needs_a_date(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert "date" in refused(capsys, f"lake={tmp_path}")


def test_training_needs_a_workload(capsys: pytest.CaptureFixture[str]) -> None:
    assert "workload" in refused(capsys, "task=train")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("task=rollback_model",), "workload=forecast"),
        (("task=rollback_model", "workload=forecast"), "no earlier champion"),
        (("task=backtest", "workload=maintenance"), "forecasts only"),
        (("forecast.holidays=XX",), "no country 'XX'"),
        (("forecast.holidays_of=[DC01:DE-QQ]",), "no region 'QQ'"),
        (("forecast.period=month",), "forecast.period"),
    ],
)
def test_what_planners_ask_for_wrongly_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], named: str
) -> None:
    assert named in refused(capsys, f"models={tmp_path}", *arguments)


def test_explaining_needs_a_thing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "order=" in refused(capsys, "task=explain")


def test_help_lists_every_task(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for task in ("night", "forecast", "routes", "maintenance", "slotting", "train", "explain"):
        assert f"  {task} " in said
