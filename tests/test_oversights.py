"""What a lake's writer has nearly named right is told; what is in no format we read is refused."""

from pathlib import Path

import polars as pl
import pytest

from logistics import lake, oversights
from logistics.storage import LakeError
from logistics.tables import ORDERS
from logistics.units import Run, Unit
from tests.settings import config

ROWS = pl.DataFrame({"order_id": ["O1"], "weight": [3.0], "Kind": ["delivery"], "prio": [1]})


def put(folder: Path, table: str, rows: pl.DataFrame = ROWS) -> Path:
    path = folder / table / "depot_id=D001" / "part.parquet"
    path.parent.mkdir(parents=True)
    rows.write_parquet(path)
    return path


def test_names_that_are_nearly_right_are_told_and_others_are_not(tmp_path: Path) -> None:
    put(tmp_path, "orders")
    put(tmp_path, "promotion")
    put(tmp_path, "Traffic")
    put(tmp_path, "invoices")
    said = " ".join(oversights.told(str(tmp_path)))
    for name, meant in (
        ("column Kind", "kind"),
        ("column weight", "weight_kg"),
        ("column prio", "priority"),
        ("table promotion", "promotions"),
        ("table Traffic", "traffic"),
    ):
        assert f"{name} is not read; did you mean {meant}?" in said
    assert said.count("did you mean") == 5


def test_a_table_in_another_format_is_refused_unless_it_is_there_twice(tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "orders.CSV")
    with pytest.raises(LakeError, match=r"orders\.CSV cannot be read: tables are Parquet"):
        list(oversights.told(str(tmp_path)))
    put(
        tmp_path, "orders", ROWS.rename({"weight": "weight_kg", "Kind": "kind", "prio": "priority"})
    )
    assert list(oversights.told(str(tmp_path))) == []


def test_a_site_whose_files_are_in_another_format_fails_and_is_not_passed_over(
    tmp_path: Path,
) -> None:
    run = Run("r", config(tmp_path))
    path = put(Path(run.config.lake), "orders")
    ROWS.write_csv(path.with_suffix(".csv"))
    path.unlink()
    assert lake.units(run.config.lake, ["orders"], 1) == [Unit("D001")]
    with pytest.raises(LakeError, match=r"part\.csv is not read"):
        lake.enter(run, Unit("D001"), [ORDERS.name], {})
