"""Parcels travel as rows, faults travel as values."""

import pyarrow as pa

from logistics.units import (
    Count,
    Parcel,
    StagedFile,
    Unit,
    add_counts,
    from_rows,
    map_rows,
    to_rows,
)

FULL = Parcel(
    Unit("dc", 1, 4),
    tables={"panel": pa.table({"a": [[1.0, 2.0], None]})},
    counts=(Count("sales", 3, 2, 1),),
    files=(StagedFile("rejects", "a/b.parquet", {"run_date": "2026-01-01"}, 10, 1),),
    figures={"served": 2.0},
    seconds={"read": 0.5},
)


def test_a_parcel_survives_the_way_through_rows() -> None:
    assert from_rows(to_rows([FULL, Parcel(Unit("x"))])) == [FULL, Parcel(Unit("x"))]


def test_a_fault_costs_its_own_unit() -> None:
    def step(parcel: Parcel) -> Parcel:
        if parcel.unit.site_id == "dc":
            raise ValueError("no such sensor")
        return parcel

    failed, fine = from_rows(map_rows("predict", step, to_rows([FULL, Parcel(Unit("x"))])))
    assert failed.failure is not None
    assert failed.failure.startswith("predict: ValueError: no such sensor")
    assert (failed.unit, failed.tables) == (FULL.unit, {})
    assert fine.failure is None
    assert set(fine.seconds) == {"predict"}


def test_counts_add_up_per_table() -> None:
    counts = [Count("b", 2, 1, 1), Count("a", 1, 1, 0), Count("b", 3, 3, 0)]
    assert add_counts(counts) == [Count("a", 1, 1, 0), Count("b", 5, 4, 1)]
