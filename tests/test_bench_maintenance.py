"""The benchmark of maintenance: the shape of its JSON, and what its figures rest on."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
SENSORS = 4
FIGURES = {"rmse", "rmse_uncapped", "nasa_score", "coverage80", "width80", "rmse_quarter_missing",
           "train_s", "windows_per_s"}  # fmt: skip


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    return importlib.import_module("bench_maintenance")


@pytest.fixture
def subset(tmp_path: Path) -> Path:
    """Units whose sensors rise with their age, under two regimes; the test's are cut halfway."""
    rng = np.random.default_rng(1)
    lives, parts = rng.integers(40, 90, 24), []
    for unit, life in enumerate(lives, start=1):
        cycle = np.arange(1, life + 1)
        regime = rng.integers(0, 2, life)
        wear = cycle[:, None] / life + 0.05 * rng.standard_normal((life, SENSORS))
        columns = {f"sensor_{i}": (wear[:, i] + 30 * regime) * (1 + regime) for i in range(SENSORS)}
        parts.append(
            pl.DataFrame({"unit": unit, "cycle": cycle, "setting_1": 5.0 * regime, **columns})
        )
    seen = [part.head(part.height // 2).with_columns(unit=pl.col("unit")) for part in parts]
    rul = pl.DataFrame({"unit": range(1, 25), "rul": lives - lives // 2})
    for name, table in (("train", pl.concat(parts)), ("test", pl.concat(seen)), ("rul", rul)):
        table.write_parquet(tmp_path / f"{name}.parquet")
    return tmp_path


def test_remaining_life_is_judged_on_every_unit(
    bench: ModuleType, subset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = subset / "figures.json"
    told = ["--data", str(subset), "--out", str(out), "--seeds", "1", "--peers", "none"]
    assert bench.main([*told, "maintenance.train_steps=60", "maintenance.hidden=8"]) == 0
    ours = json.loads(out.read_text())["models"]["ours"]
    assert ours.keys() == FIGURES
    half_lives = pl.read_parquet(subset / "rul.parquet")["rul"].std()
    assert ours["rmse"] < half_lives, "better than to say the same of every unit"
    assert bench.main(["--data", str(subset / "none"), "--out", str(out)]) == 2
    assert "bench_maintenance: " in capsys.readouterr().err


def test_a_quarter_of_each_units_sensors_is_gone(bench: ModuleType, subset: Path) -> None:
    case = importlib.import_module("maintenance_case").load(subset)
    assert case.test.assets.height == len(case.life_days) == 24
    blind = bench.without_sensors(case.test.telemetry, seed=3)
    assert blind.columns == case.test.telemetry.columns
    by_asset = blind.group_by("asset_id").agg(pl.selectors.starts_with("sensor").null_count() > 0)
    lost = by_asset.select(pl.sum_horizontal(pl.selectors.starts_with("sensor"))).to_series()
    assert (lost == 1).all()
    assert blind.select("asset_id", "at", "setting_1").equals(
        case.test.telemetry.select("asset_id", "at", "setting_1")
    )


def test_companies_are_judged_together(bench: ModuleType) -> None:
    fleet, rng = importlib.import_module("maintenance_fleet"), np.random.default_rng(2)

    def company(skill: float) -> dict[tuple[str, int], object]:
        failed = np.arange(90) < 3
        chance = np.clip(0.5 * skill * failed + rng.uniform(0, 0.5, 90), 0, 1)
        return {("belt", days): fleet.Told(failed, chance, 3) for days in fleet.HORIZONS}

    good, poor = ([company(skill) for _ in range(4)] for skill in (1.0, 0.3))
    assert fleet._pooled(good[:1], 7) == {}, "three assets tell too little of a component"
    assert fleet._scores(good)["components"]["belt 7 d"]["assets"] == 12
    above, low, high = fleet._above([good], [poor])["pr_auc_7d"]
    assert 0.0 < low <= above <= high
    assert fleet._above([good], [good])["pr_auc_30d"] == [0.0, 0.0, 0.0]
