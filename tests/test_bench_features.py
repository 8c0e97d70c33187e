"""The features the benchmark compares engines by: what its polars function makes, by hand."""

import importlib.util
import sys
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "bench_features.py"
Day = tuple[str, str, date]  # of one series


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_features", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_features_are_those_of_a_loop_over_days(bench: ModuleType, tmp_path: Path) -> None:
    bench.make(tmp_path, sites=2, skus=3, seed=5)
    sales = pl.read_parquet(tmp_path / "sales/**/*.parquet", hive_partitioning=True)
    sales = sales.filter(pl.col("date") < date(2024, 3, 1))
    overlapping = {"start": date(2024, 1, 10), "end": date(2024, 1, 20), "sku_id": "S-00001"}
    promotions = pl.DataFrame(
        [
            {**overlapping, "discount": 0.2},
            {**overlapping, "discount": 0.5, "start": date(2024, 1, 20)},
            {**overlapping, "discount": 0.1, "sku_id": "S-00002"},
        ]
    )
    shuffled = sales.sample(fraction=1, shuffle=True, seed=1)
    made = bench.features(shuffled.lazy(), promotions.lazy(), ("dc_id", "sku_id")).collect()
    assert made.height == sales.height
    wanted = by_hand(sales, promotions)
    for row in made.to_dicts():
        found = {name: row[name] for name in bench.COLUMNS}
        assert found == pytest.approx(wanted[row["dc_id"], row["sku_id"], row["date"]])


def test_a_checksum_that_differs_is_named(bench: ModuleType) -> None:
    sums = {"rows": 10.0, "lag_1": 1e9}
    assert bench.differences({"polars": sums, "spark": {**sums, "lag_1": 1e9 + 1e-3}}) == []
    assert bench.differences({"polars": sums, "spark": {"rows": 10.0}}) == [
        "spark: lag_1 is None, not 1000000000.0 as polars says"
    ]


def by_hand(sales: pl.DataFrame, promotions: pl.DataFrame) -> dict[Day, dict[str, float | None]]:
    """Series and day → its features, one row at a time."""
    units = {(r["dc_id"], r["sku_id"], r["date"]): r["units"] for r in sales.to_dicts()}
    return {day: of_day(day, units, promotions.to_dicts()) for day in units}


def of_day(
    day: Day, units: dict[Day, float], promotions: list[dict[str, Any]]
) -> dict[str, float | None]:
    dc_id, sku_id, today = day

    def sold(ago: int) -> float | None:
        return units.get((dc_id, sku_id, today - timedelta(days=ago)))

    def mean(days: int) -> float | None:
        past = [value for ago in range(1, days + 1) if (value := sold(ago)) is not None]
        return sum(past) / len(past) if past else None

    running = [p for p in promotions if p["sku_id"] == sku_id and p["start"] <= today <= p["end"]]
    return {
        **{f"lag_{n}": sold(n) for n in (1, 7, 28)},
        **{f"mean_{n}": mean(n) for n in (7, 28)},
        "discount": max((p["discount"] for p in running), default=0.0),
    }
