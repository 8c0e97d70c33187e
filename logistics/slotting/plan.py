"""One warehouse's plan: expected walking → ideal layout → tonight's moves → every rule checked."""

import numpy as np

from logistics.config import SlottingConfig
from logistics.slotting import velocity
from logistics.slotting.affinity import gather_if_it_helps
from logistics.slotting.congestion import spread
from logistics.slotting.effect import Prospect, look_ahead
from logistics.slotting.faces import FaceRules, open_faces
from logistics.slotting.moves import Night, plan_moves
from logistics.slotting.payback import paying
from logistics.slotting.problem import NONE, Demand, Ints, Warehouse
from logistics.slotting.solve import assign
from logistics.slotting.travel import Tours, Walking, expect, lay_out
from logistics.slotting.verify import Plan, verify
from logistics.slotting.zones import zoned


def plan_warehouse(
    warehouse: Warehouse, demand: Demand, tours: Tours, config: SlottingConfig
) -> tuple[Night, Ints, Prospect]:
    """Tonight's moves, the ideal layout and what is to come; raises AssertionError rather than
    break a rule."""
    max_moves = affordable(config)
    lately = tours.lately(config.history_days)
    walking = expect(lay_out(warehouse), lately, float(demand.picks_per_day.sum()))
    if demand.relations is not None:
        demand = zoned(warehouse, demand, walking, assign(warehouse, demand, walking))
    ideal = assign(warehouse, demand, walking)
    added_m, least_m = None, least_saving_m(config)
    gathered = gather_if_it_helps(warehouse, demand, walking.layout, tours, ideal)
    if gathered is not None:
        together, added_m = gathered
        ideal = spread(warehouse, demand, walking, together)
    coming = velocity.of_newcomers(tours, config.days_to_next_moves)
    ahead = _with_newcomers(warehouse, demand, walking, lately, coming)
    night = plan_moves(warehouse, demand, ahead, ideal, max_moves, least_m, added_m)
    prospect, rules = look_ahead(warehouse, demand, walking, tours), face_rules(config)
    night = paying(prospect, night, least_m)
    night = open_faces(prospect, night, rules, max_moves, least_m)
    plan = Plan(
        warehouse,
        demand,
        max_moves,
        night.moves,
        night.slot_of.tolist(),
        ideal.tolist(),
        night.unplaced,
        rules,
    )
    violations = verify(plan)
    if violations:
        raise AssertionError(
            f"{len(violations)} violations in {warehouse.id}; first {violations[0]}"
        )
    return night, ideal, prospect


def _with_newcomers(
    warehouse: Warehouse, demand: Demand, walking: Walking, lately: Tours, coming: float
) -> Walking:
    """The walking with the picks of SKUs that come before moves can be made again."""
    num_empty = len(warehouse.slot_ids) - int(np.count_nonzero(demand.face != NONE))
    total = walking.picks_per_day + coming
    return expect(walking.layout, lately, total, coming / max(num_empty, 1))


def face_rules(config: SlottingConfig) -> FaceRules:
    """Faces, with the labour of replenishing in metres of walking."""
    replenishing_m = config.minutes_per_replenishment * 60 * config.walking_m_per_s
    return FaceRules(config.max_faces, replenishing_m)


def least_saving_m(config: SlottingConfig) -> float:
    """Metres a day that a move must save to earn back its labour in time."""
    move_m = config.minutes_per_move * 60 * config.walking_m_per_s
    return move_m / config.max_payback_days


def affordable(config: SlottingConfig) -> int:
    """Moves that both budgets allow."""
    if config.max_move_minutes is None:
        return config.max_moves
    return min(config.max_moves, int(config.max_move_minutes / config.minutes_per_move))
