"""The real lake: every row of the files is in it, and the door turns only repeats away."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from logistics import lake
from logistics.config import Config
from logistics.tables import CONTRACTS
from logistics.units import Run
from tests.settings import config

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "import_real.py"


def run_import(data: Path, target: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(SCRIPT), "--data", str(data), "--lake", str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def real(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The config of a night on the imported lake."""
    folder = tmp_path_factory.mktemp("real")
    done = run_import(data_dir, folder / "lake")
    assert done.returncode == 0, done.stderr
    night = done.stdout.split("date=")[-1].strip()
    return config(folder, f"date={night}")


def test_the_door_turns_only_repeated_parcels_away(real: Config, data_dir: Path) -> None:
    run = Run("r", real)
    dims = [name for name, contract in CONTRACTS.items() if contract.site is None]
    company = lake.enter(run, lake.COMPANY, dims, {})
    entries = [company] + [
        lake.enter(run, unit, [table], company.tables)
        for table in lake.tables(real.lake)
        if CONTRACTS[table].site is not None
        for unit in lake.units(real.lake, [table], 1000)
    ]
    counts = [count for entry in entries for count in entry.counts]
    assert {c.table for c in counts if c.rows_in} == set(lake.tables(real.lake))
    # Some Rio parcels stand twice in the file, word for word.
    files = (data_dir / "routing" / "loggibud").glob("*.json")
    ids = [d["id"] for file in files for d in json.loads(file.read_text())["deliveries"]]
    rejected = {c.table: c.rows_rejected for c in counts if c.rows_rejected}
    assert rejected == ({"orders": len(ids) - len(set(ids))} if len(ids) > len(set(ids)) else {})


def test_every_row_of_the_files_is_in_the_lake(real: Config, data_dir: Path) -> None:
    def rows(table: str) -> int:
        return sum(pl.read_parquet(f).height for f in Path(real.lake, table).rglob("*.parquet"))

    def source(*parts: str) -> int:
        return pl.read_parquet(data_dir.joinpath(*parts)).height

    cmapss = ("maintenance", "cmapss", "FD001")
    assert rows("sales") == source("forecast", "online_retail", "sales.parquet")
    assert rows("order_lines") == source("slotting", "online_retail", "order_lines.parquet")
    assert rows("telemetry") == source(*cmapss, "train.parquet") + source(*cmapss, "test.parquet")


def test_telemetry_ends_the_day_before_the_night(real: Config) -> None:
    run = Run("r", real)
    assets = pl.read_parquet(f"{real.lake}/assets/part-0.parquet")
    for unit in lake.units(real.lake, ["telemetry"], 1000):
        seen = lake.enter(run, unit, ["telemetry"], {"assets": assets}).tables["telemetry"]
        last = seen["at"].max()
        assert last is not None
        assert last.date() < real.date  # type: ignore[union-attr]
    assert isinstance(real.date, date)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = run_import(tmp_path, tmp_path / "lake")
    assert done.returncode == 2
    assert "sales.parquet is missing" in done.stderr
    assert "Traceback" not in done.stderr
