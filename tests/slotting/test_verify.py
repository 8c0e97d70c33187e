"""Each rule finds its own offence, and only that."""

from dataclasses import replace

import numpy as np
import pytest

from logistics.slotting.faces import FaceRules
from logistics.slotting.floor import Move
from logistics.slotting.problem import NONE, Relations
from logistics.slotting.verify import RULES, Plan, verify
from tests.slotting import made

WAREHOUSE = made.warehouse(
    2,
    2,
    holds=np.array([0, 1, NONE, NONE]),
    locked=np.array([False, True, False, False]),
    capacity_m3=np.array([1.0, 1.0, 0.5, 1.0]),
    capacity_kg=np.array([9.0, 9.0, 9.0, 5.0]),
    lift_kg=np.array([99.0, 99.0, 7.0, 99.0]),
)
DEMAND = made.demand([5.0, 4.0, 3.0], [0, 1, NONE])
GOOD = Plan(
    WAREHOUSE,
    DEMAND,
    1,
    (Move(0, 0, 2, 1.0),),
    after=[2, 1, NONE],
    ideal=[2, 1, 0],
    unplaced={2: "-"},
    faces=FaceRules(2, 10.0),
)
SIZED = replace(
    GOOD, demand=replace(DEMAND, unit_m3=np.full(3, 0.1), unit_kg=np.full(3, 1.0)), ideal=[0, 1, 2]
)


def kin(*family: int) -> Relations:
    return Relations(np.array(family), np.full(3, NONE), made.apart(0))


def foes(*group: int) -> Relations:
    return Relations(np.full(3, NONE), np.array(group), made.apart(2, (0, 1)))


CHILLED = np.array([1, 0, 0])
OFFENCES = {
    "wrong_class": replace(GOOD, demand=replace(DEMAND, storage_class=CHILLED)),
    "too_large": replace(GOOD, demand=replace(DEMAND, unit_m3=np.array([0.6, 0, 0]))),
    "too_heavy": replace(
        GOOD,
        demand=replace(DEMAND, unit_kg=np.array([9.5, 0, 0])),
        warehouse=replace(WAREHOUSE, lift_kg=np.full(4, 99.0)),
    ),
    "too_high": replace(GOOD, demand=replace(DEMAND, unit_kg=np.array([8.0, 0, 0]))),
    "locked_slots": replace(GOOD, ideal=[2, 3, 0]),
    "impossible_moves": replace(GOOD, moves=(Move(0, 3, 2, 1.0),)),
    "not_what_the_moves_lead_to": replace(GOOD, after=[3, 1, NONE]),
    "too_many_moves": replace(GOOD, max_moves=0),
    "shared_slots": replace(GOOD, ideal=[2, 1, 2]),
    "scattered_families": replace(GOOD, demand=replace(DEMAND, relations=kin(0, NONE, 0))),
    "too_near": replace(GOOD, ideal=[2, 1, 3], demand=replace(DEMAND, relations=foes(0, NONE, 1))),
    "faces_astray": replace(
        SIZED, moves=(Move(0, NONE, 2, 0.0, opens_face=True),), after=[0, 1, NONE]
    ),
    "faces_oversold": replace(
        SIZED,
        moves=(Move(0, NONE, 2, 5.0, opens_face=True),),
        after=[0, 1, NONE],
        warehouse=replace(WAREHOUSE, aisle=np.zeros(4, dtype=int)),
    ),
    "crowded_aisles": replace(GOOD, warehouse=replace(WAREHOUSE, aisle_picks=4.5)),
    "unaccounted": replace(GOOD, unplaced={}),
}


def test_a_good_plan_has_no_violation() -> None:
    assert verify(GOOD) == []


@pytest.mark.parametrize("rule", OFFENCES)
def test_each_offence_breaks_its_own_rule_only(rule: str) -> None:
    assert {violation.rule for violation in verify(OFFENCES[rule])} == {rule}


def test_every_rule_has_an_offence() -> None:
    assert {rule.__name__ for rule in RULES} == set(OFFENCES)


def test_a_move_onto_an_occupied_slot_is_impossible() -> None:
    moves = (Move(2, NONE, 0, 0.0),)
    plan = replace(GOOD, moves=moves, after=[0, 1, 0], unplaced={})
    assert "impossible_moves" in {violation.rule for violation in verify(plan)}
