"""The throughput benchmark at the size of a toy: its night, its bare loop and its steps agree."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from logistics import plan
from logistics.config import Config
from tests.settings import config

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
SETTINGS = ("world=national", "world.skus_per_dc=20", "world.dirty_share=0", "task=forecast")


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    sys.path.insert(0, str(SCRIPTS))  # for its processes too, which look its functions up by name
    return importlib.import_module("bench_throughput")


@pytest.mark.usefixtures("first")
def test_the_night_and_the_bare_loop_forecast_the_same(
    bench: ModuleType, company: Config, tmp_path: Path
) -> None:
    settings = (*SETTINGS, f"models={company.models}")  # of another company: none is trained here
    full, half = (config(tmp_path / name, *settings) for name in ("full", "half"))
    bench.make(full, 40)
    bench.link(Path(full.lake), Path(half.lake), 1)
    assert len(list(Path(half.lake, "sales").rglob("*.parquet"))) == 1
    assert bench.run_night(full).outcomes["forecast"].figures["series"] == 40
    for site in ("DC01", "DC02"):
        files = sorted(Path(full.lake, "sales", f"dc_id={site}").glob("*.parquet"))
        bench.bare_site(full, files, tmp_path / site)
        bare = pl.read_parquet(tmp_path / site / "days.parquet")
        night = plan.read_plan(full.plan, "forecasts", full.date, site)
        assert night is not None
        both = night.join(bare, on=["sku_id", "date"], validate="1:1")
        assert both.height == night.height
        off = (both["mean"] - both["mean_right"]).abs().sum()
        assert off < 1e-6 * both["mean"].sum()
    steps = bench.where_time_goes(full)
    assert {"door", "panel", "features and network", "Parquet and staging"} <= steps.keys()
