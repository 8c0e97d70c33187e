"""Small warehouses for the tests, drawn by hypothesis or given by a few numbers."""

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from logistics.slotting.problem import NONE, Demand, Relations, Warehouse
from logistics.slotting.travel import Tours

BAY_M, AISLE_M = 1.5, 5.0


def warehouse(aisles: int, bays: int, levels: int = 1, **columns: object) -> Warehouse:
    """A block of ambient slots that take anything; columns replace single arrays."""
    aisle, bay, level = (
        grid.ravel() for grid in np.meshgrid(*map(np.arange, (aisles, bays, levels)), indexing="ij")
    )
    num_slots = aisle.size
    arrays: dict = {
        "id": "w",
        "slot_ids": tuple(
            f"{a:02d}-{b:02d}-{v}" for a, b, v in zip(aisle, bay, level, strict=True)
        ),
        "aisle": aisle,
        "x_m": aisle * AISLE_M,
        "y_m": (bay + 0.5) * BAY_M,
        "capacity_m3": np.full(num_slots, 1.0),
        "capacity_kg": np.full(num_slots, 500.0),
        "reach_m": np.zeros(num_slots),
        "lift_kg": np.full(num_slots, np.inf),
        "storage_class": np.zeros(num_slots, dtype=np.int64),
        "holds": np.full(num_slots, NONE),
        "locked": np.zeros(num_slots, dtype=bool),
    }
    return Warehouse(**(arrays | columns))


def demand(picks_per_day: list[float], face: list[int], **columns: object) -> Demand:
    """SKUs without size; columns replace single arrays."""
    num_skus = len(picks_per_day)
    arrays: dict = {
        "sku_ids": tuple(f"s{i:02d}" for i in range(num_skus)),
        "face": np.array(face, dtype=np.int64),
        "picks_per_day": np.array(picks_per_day, dtype=np.float64),
        "units_per_day": np.array(picks_per_day, dtype=np.float64),
        "forecast": np.zeros(num_skus, dtype=bool),
        "storage_class": np.zeros(num_skus, dtype=np.int64),
        "unit_m3": np.zeros(num_skus),
        "unit_kg": np.zeros(num_skus),
        "stock_m3": np.zeros(num_skus),
        "stock_kg": np.zeros(num_skus),
    }
    return Demand(**(arrays | columns))


def one_tour(*lines: int) -> Tours:
    """Tours of so many lines each, of SKU 0."""
    tour = np.repeat(np.arange(len(lines)), lines)
    return Tours(tour, np.zeros(tour.size, dtype=np.int64))


@st.composite
def companies(draw: st.DrawFn, max_new: int = 4, max_slots: int = 30) -> tuple[Warehouse, Demand]:
    """A warehouse with SKUs in some slots, some of them wrongly, frozen slots and new SKUs."""
    aisles, bays = draw(st.integers(1, 5)), draw(st.integers(1, 6))
    num_slots = min(aisles * bays, max_slots)
    num_held = draw(st.integers(0, num_slots))
    num_skus = num_held + draw(st.integers(0, max_new))

    def drawn(values: st.SearchStrategy, size: int) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=size, max_size=size)))

    faces = draw(st.permutations(range(num_slots)))[:num_held]
    holds = np.full(aisles * bays, NONE)
    holds[list(faces)] = np.arange(num_held)
    slots = warehouse(
        aisles,
        bays,
        capacity_m3=drawn(st.sampled_from([0.5, 1.0, 2.0]), aisles * bays).astype(float),
        capacity_kg=drawn(st.sampled_from([100.0, 300.0]), aisles * bays).astype(float),
        reach_m=drawn(st.sampled_from([0.0, 0.0, 2.0]), aisles * bays).astype(float),
        lift_kg=drawn(st.sampled_from([60.0, 500.0, 500.0]), aisles * bays).astype(float),
        storage_class=drawn(st.sampled_from([0, 0, 0, 1]), aisles * bays).astype(np.int64),
        holds=holds,
        locked=drawn(st.sampled_from([False] * 7 + [True]), aisles * bays).astype(bool),
        aisle_picks=draw(st.sampled_from([np.inf, np.inf, 40.0, 10.0])),
    )
    unit_m3 = drawn(st.sampled_from([0.0, 0.4, 0.8, 1.5]), num_skus).astype(float)
    unit_kg = drawn(st.sampled_from([0.0, 50.0, 200.0]), num_skus).astype(float)
    units = drawn(st.sampled_from([1.0, 2.0]), num_skus).astype(float)
    skus = demand(
        (drawn(st.integers(0, 200), num_skus).astype(float) / 10).tolist(),
        [*faces, *[NONE] * (num_skus - num_held)],
        storage_class=drawn(st.sampled_from([0, 0, 0, 1]), num_skus).astype(np.int64),
        unit_m3=unit_m3,
        unit_kg=unit_kg,
        stock_m3=unit_m3 * units,
        stock_kg=unit_kg * units,
        relations=draw(st.none() | relations(num_skus)) if num_skus else None,
    )
    return slots, skus


@st.composite
def relations(draw: st.DrawFn, num_skus: int) -> Relations:
    """Up to two families, and three groups of which some must be kept apart."""
    some = st.lists(st.integers(-1, 1), min_size=num_skus, max_size=num_skus)
    groups = st.lists(st.integers(-1, 2), min_size=num_skus, max_size=num_skus)
    pairs = draw(st.sampled_from([((0, 1),), ((0, 1), (1, 2)), ((0, 1), (1, 2), (0, 2))]))
    return Relations(np.array(draw(some)), np.array(draw(groups)), apart(3, *pairs))


def apart(num_groups: int, *pairs: tuple[int, int]) -> np.ndarray:
    matrix = np.zeros((num_groups + 1, num_groups + 1), dtype=bool)
    for one, other in pairs:
        matrix[one, other] = matrix[other, one] = True
    return matrix


def in_order(company: tuple[Warehouse, Demand]) -> tuple[Warehouse, Demand]:
    """The company with room for everything everywhere, so that no SKU lies where it may not."""
    slots, skus = company
    every = np.ones(slots.locked.size)
    roomy = replace(slots, capacity_m3=9 * every, capacity_kg=999 * every, lift_kg=999 * every)
    one_class = np.zeros(len(skus.sku_ids), dtype=np.int64)
    return (
        replace(roomy, storage_class=np.zeros(every.size, dtype=np.int64)),
        replace(skus, storage_class=one_class, relations=None),
    )
