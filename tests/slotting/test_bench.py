"""The slotting benchmark: nobody but the oracle looks ahead, and its figures add up."""

import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logistics.slotting.travel import Tours

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import slotting_case as cases
import slotting_policies as policies
import slotting_slaprp
from slotting_insertions import Insertions
from slotting_shortest import shortest

FROM = date(2026, 3, 1)


def order_lines(seed: int, days: int, first: date, new: int) -> pl.DataFrame:
    """Orders of two families of SKUs, of 12 lines each, and as many SKUs that are new."""
    rng = np.random.default_rng(seed)
    num_orders, num_lines = days * 3, 12
    family = rng.integers(0, 2, num_orders)
    sku = family[:, None] * 40 + rng.geometric(0.08, (num_orders, num_lines)).clip(max=40)
    sku[:, 0] = np.where(np.arange(num_orders) < new, 900 + np.arange(num_orders), sku[:, 0])
    begins = datetime.combine(first, datetime.min.time())
    at = [begins + timedelta(hours=8 * (i // num_lines)) for i in range(num_orders * num_lines)]
    return pl.DataFrame(
        {
            "order_id": [f"{first}-{i // num_lines}" for i in range(num_orders * num_lines)],
            "sku": [f"{s:05d}" for s in sku.ravel()],
            "ts": at,
            "qty": 1,
        }
    )


def case(tmp_path: Path, later_seed: int) -> cases.Case:
    file = tmp_path / f"{later_seed}.parquet"
    past = order_lines(1, 150, FROM - timedelta(days=150), new=0)
    pl.concat([past, order_lines(later_seed, 10, FROM, new=3)]).write_parquet(file)
    return cases.read(str(file), FROM, seed=7)


def slots_by_name(found: cases.Case, layout: policies.Layout) -> dict[str, int]:
    known = cases.known(found, found.start)
    return {found.sku_ids[sku]: int(layout.slot_of[sku]) for sku in known}


@pytest.mark.parametrize("name", [n for n in policies.POLICIES if n != "oracle"])
def test_what_comes_later_changes_no_layout(tmp_path: Path, name: str) -> None:
    layouts = []
    for later_seed in (2, 3):
        found = case(tmp_path, later_seed)
        layouts.append(slots_by_name(found, policies.POLICIES[name](found, found.start)))
    assert layouts[0] == layouts[1]


def test_every_picked_sku_has_a_slot_and_newcomers_share_only_when_none_is_empty(
    tmp_path: Path,
) -> None:
    found = case(tmp_path, 2)
    layout = policies.abc(found, found.start)
    settled = cases.settle(
        found, layout.slot_of, layout.empty, found.picked(found.start, found.days)
    )
    picked = np.unique(found.picked(found.start, found.days))
    assert (settled[picked] >= 0).all()
    assert np.unique(settled[picked]).size == picked.size


def test_a_small_instance_is_solved_to_its_best(tmp_path: Path) -> None:
    lines = ["2 3", "1 2", "12", "4", "2 2 2 1", "1 2", "3 4", "1 2", "9", "12 5"]
    (tmp_path / "i.txt").write_text("\n".join(lines))
    instance = slotting_slaprp.read(tmp_path / "i.txt")
    assert instance.fixed.tolist().count(8) == 1
    report = slotting_slaprp.run(tmp_path, 0.3, seed=1, longer_s=0.3, seeds=[2])
    # The pair of two orders in the first bay (2 × 2 m), the other one in the second (4 m), the last
    # SKU in the third or beside the first (6 m).
    assert json.loads(json.dumps(report))["slaprp"]["i"]["metres"] == pytest.approx(14.0)
    assert report["slaprp"]["i"]["gap"] == pytest.approx(0.0)


def test_a_newcomer_comes_to_lie_near_skus_with_neighbouring_ids(tmp_path: Path) -> None:
    found = case(tmp_path, 2)
    slot_of, newcomer = np.arange(len(found.sku_ids)), len(found.sku_ids) // 2
    slot_of[newcomer] = -1
    far = len(found.warehouse.slot_ids) - 1
    settled = cases.settle(found, slot_of, np.array([far, newcomer]), np.array([newcomer]))
    assert np.array_equal(settled, np.arange(slot_of.size))


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=20, deadline=None)
def test_one_more_pick_walks_what_the_shortest_tour_with_it_walks(
    seed: int, num_aisles: int, num_bays: int
) -> None:
    layout = slotting_slaprp._layout(num_aisles, num_bays, 5.0, 1.0)
    depth_m = np.arange(1.0, num_bays + 1)
    places = np.arange(num_aisles * num_bays)
    picked = np.random.default_rng(seed).random((3, places.size)) < 0.3
    found = Insertions(layout, depth_m).metres(picked.reshape(3, num_aisles, num_bays))
    for row, picks in enumerate(picked):
        tours = [np.unique([*np.flatnonzero(picks), place]) for place in places]
        tour = np.repeat(places, [len(tour) for tour in tours])
        slots = np.concatenate(tours) * slotting_slaprp.SIDES
        walked = shortest(layout, Tours(tour, slots), np.arange(layout.aisle.size))
        assert np.allclose(found[row], walked)


def test_what_an_exchange_is_said_to_walk_is_walked(tmp_path: Path) -> None:
    orders = ["1 2 3", "3 4 5", "1 2 3", "2 6", "7 8 9 1"]
    sizes = " ".join(str(len(order.split())) for order in orders)
    lines = ["2 3", "1 2", "12", str(len(orders)), sizes, *orders, "9 2"]
    (tmp_path / "i.txt").write_text("\n".join(lines))
    search = slotting_slaprp._Search(slotting_slaprp.read(tmp_path / "i.txt"))
    rng, metres = np.random.default_rng(3), search.metres()
    for _ in range(60):
        metres += search.draw(int(rng.integers(search.skus)), 10.0, rng.random())
        assert metres == pytest.approx(search.metres())
