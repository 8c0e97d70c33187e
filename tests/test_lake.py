"""Reading by site and bucket, rejects, and tables that readers see whole or not at all."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, write_deltalake

from logistics import lake, plan
from logistics.forecast import training
from logistics.outputs import MOVES
from logistics.schema import TableError
from logistics.storage import LakeError
from logistics.units import Run, Unit
from tests.settings import config

DAY = date(2026, 3, 2)
SALES = pl.DataFrame(
    {
        "dc_id": ["A", "A", "A", "B b", None],
        "sku_id": ["x", "y", "z", "x", "x"],
        "date": [date(2026, 1, 1)] * 5,
        "units": [1.0, 2.0, -3.0, 4.0, 5.0],
    }
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run("r1", config(tmp_path))


def write_hive(folder: Path) -> None:
    for (site,), rows in SALES.group_by("dc_id"):
        name = lake.UNKNOWN if site is None else str(site).replace(" ", "%20")
        (folder / f"dc_id={name}").mkdir(parents=True)
        rows.drop("dc_id").write_parquet(folder / f"dc_id={name}" / "part-0.parquet")


def write_flat(folder: Path) -> None:
    folder.mkdir(parents=True)
    SALES.write_parquet(folder / "all.parquet")


def write_delta(folder: Path) -> None:
    write_deltalake(folder, SALES.to_arrow(), partition_by=["dc_id"])


def write_delta_flat(folder: Path) -> None:
    write_deltalake(folder, SALES.to_arrow())


@pytest.mark.parametrize("write", [write_hive, write_flat, write_delta, write_delta_flat])
def test_every_layout_gives_the_same_rows_and_loses_none(run: Run, write) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
    write(Path(run.config.lake) / "sales")
    units = lake.units(run.config.lake, ["sales"], 16)
    assert [unit.site_id for unit in units] == sorted(["A", "B b", lake.UNKNOWN])
    entries = {unit.site_id: lake.enter(run, unit, ["sales"], {}) for unit in units}
    good = pl.concat(entry.tables["sales"] for entry in entries.values())
    assert sorted(good["units"]) == [1.0, 2.0, 4.0]
    assert sum(entry.counts[0].rows_in for entry in entries.values()) == SALES.height
    plan.commit(run, "rejects", [f for e in entries.values() for f in e.files], only=["sales"])
    rejects = plan.read_plan(run.config.plan, "rejects", DAY)
    assert rejects is not None
    assert rejects.select("site_id", "column", "rule").rows() == [
        ("A", "units", "below 0"),
        (lake.UNKNOWN, "dc_id", "missing"),
    ]


def test_buckets_share_a_site_without_overlap(run: Run) -> None:
    write_hive(Path(run.config.lake) / "sales")
    parts = [lake.enter(run, Unit("A", b, 3), ["sales"], {}).counts[0].rows_in for b in range(3)]
    assert sum(parts) == 3


def test_columns_that_differ_between_files_are_read_by_the_contract(run: Run) -> None:
    folder = Path(run.config.lake) / "sales" / "dc_id=A"
    folder.mkdir(parents=True)
    day = [date(2026, 1, 1)]
    pl.DataFrame({"sku_id": [1], "date": day, "units": [1]}).write_parquet(folder / "a.parquet")
    pl.DataFrame({"sku_id": ["x"], "date": ["2026-01-02"], "units": ["many"], "more": [1]}
                 ).write_parquet(folder / "b.parquet")  # fmt: skip
    entry = lake.enter(run, Unit("A"), ["sales"], {})
    assert entry.tables["sales"].select("sku_id", "units").rows() == [("1", 1.0)]
    assert entry.counts[0].rows_rejected == 1


def test_a_corrupt_file_is_named(run: Run) -> None:
    folder = Path(run.config.lake) / "sales" / "dc_id=A"
    folder.mkdir(parents=True)
    (folder / "part-0.parquet").write_bytes(b"PAR1 this is not Parquet")
    with pytest.raises(LakeError, match=r"sales: .*part-0\.parquet cannot be read"):
        lake.enter(run, Unit("A"), ["sales"], {})


def test_a_site_without_a_good_row_of_what_it_is_planned_from_fails(tmp_path: Path) -> None:
    run = Run("r", config(tmp_path))
    sales = {"sku_id": ["S1", "S2"], "date": ["2026-03-01"] * 2}
    days = [f"2026-03-{day:02d}" for day in range(1, 21)]
    misread = {"name": ["rain"] * 20, "date": days, "value": ["3,5"] * 20}
    for site, units, signals in (("DC1", "3,5", 0), ("DC2", "3.5", 19), ("DC3", "3.5", 20)):
        for table, rows in (("sales", {**sales, "units": [units] * 2}), ("signals", misread)):
            folder = Path(run.config.lake, table, f"dc_id={site}")
            folder.mkdir(parents=True)
            found = pl.DataFrame(rows)
            (found.head(signals) if table == "signals" else found).write_parquet(
                folder / "a.parquet"
            )
    with pytest.raises(TableError, match=r"sales: all 2 rows are bad.*not a number, it was 3,5"):
        lake.enter(run, Unit("DC1"), ["sales", "signals"], {})
    # Whoever begins with such a lake has no model yet: the training is what fails.
    why = lake.peek(run, Unit("DC1"), ["sales", "signals"], {})
    with pytest.raises(ValueError, match=r"no DC can be read.*not a number, it was 3,5"):
        training._usable([why])  # type: ignore[list-item]
    # So few of another table may all be bad by chance.
    counts = lake.enter(run, Unit("DC2"), ["sales", "signals"], {}).counts
    assert [(count.table, count.rows_out) for count in counts] == [("sales", 2), ("signals", 0)]
    with pytest.raises(TableError, match="signals: all 20 rows are bad"):
        lake.enter(run, Unit("DC3"), ["sales", "signals"], {})


def test_an_absent_table_is_empty_with_its_columns(run: Run) -> None:
    entry = lake.enter(run, Unit("A"), ["signals"], {})
    assert entry.tables["signals"].columns == ["dc_id", "date", "name", "value"]


def test_an_absent_lake_is_named(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no such folder"):
        lake.tables(str(tmp_path / "nowhere"))


def moves(*savings: float) -> pl.DataFrame:
    rows = [
        {"move": i + 1, "sku_id": "sku", "to_slot": f"slot{i}", "saving_m_per_day": saving}
        for i, saving in enumerate(savings)
    ]
    return pl.DataFrame(rows, schema=pl.Schema(MOVES.columns))


def savings(run: Run, day: date = DAY) -> list[float]:
    rows = plan.read_plan(run.config.plan, "moves", day)
    return [] if rows is None else rows["saving_m_per_day"].to_list()


def test_staged_rows_are_unseen_until_committed_and_then_replace_the_night(run: Run) -> None:
    first = plan.publish(run, Unit("W1"), {"moves": moves(1, 2)})
    assert savings(run) == []
    plan.commit(run, "moves", first)
    assert savings(run) == [1, 2]
    again = Run("r2", run.config)
    plan.commit(again, "moves", plan.publish(again, Unit("W 2/ü"), {"moves": moves(3)}))
    assert savings(run) == [3]
    old = DeltaTable(f"{run.config.plan}/moves", version=1).to_pyarrow_table()
    assert old.num_rows == 2, "yesterday's version stays readable"


def test_another_night_is_left_alone(run: Run, tmp_path: Path) -> None:
    plan.commit(run, "moves", plan.publish(run, Unit("W1"), {"moves": moves(1)}))
    next_night = Run("r2", config(tmp_path, "date=2026-03-03"))
    plan.commit(next_night, "moves", plan.publish(next_night, Unit("W1"), {"moves": moves(2)}))
    assert (savings(run), savings(run, date(2026, 3, 3))) == ([1], [2])


def test_the_files_of_nights_before_hold_the_rows_of_each_site(run: Run, tmp_path: Path) -> None:
    where, table = run.config.plan, "moves"
    for day, saving in ((2, 1.0), (3, 2.0), (4, 3.0)):
        night = Run("r", config(tmp_path, f"date=2026-03-0{day}"))
        files = [plan.publish(night, Unit(s), {table: moves(saving)}) for s in ("W 1/ü", "W2")]
        plan.commit(night, table, [file for staged in files for file in staged])
    found = plan.files_between(where, table, DAY, date(2026, 3, 4))
    assert found.keys() == {"W 1/ü", "W2"}
    rows = plan.read_files(where, table, found["W 1/ü"])
    expected = plan.read_nights(where, table, DAY, date(2026, 3, 4), "W 1/ü")
    assert expected is not None
    assert rows.equals(expected.select(rows.columns))
    assert plan.files_between(where, table, DAY, DAY) == {}


def test_a_table_of_the_wrong_shape_is_never_staged(run: Run) -> None:
    with pytest.raises(TypeError, match="moves: columns are"):
        plan.publish(run, Unit("W1"), {"moves": moves(1).drop("sku_id")})
