"""The slotting benchmark: nobody but the oracle looks ahead, and its figures add up."""

import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import slotting_case as cases
import slotting_policies as policies
import slotting_slaprp

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
    settled = cases.settle(layout.slot_of, layout.empty, found.picked(found.start, found.days))
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
