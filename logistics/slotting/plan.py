"""One warehouse's plan: expected walking → ideal layout → tonight's moves → every rule checked."""

from functools import partial

from logistics.config import SlottingConfig
from logistics.slotting.affinity import aisle_costs, gather_if_it_helps
from logistics.slotting.moves import Night, plan_moves
from logistics.slotting.problem import Demand, Ints, Warehouse
from logistics.slotting.solve import assign
from logistics.slotting.travel import Tours, Walking, expect, lay_out
from logistics.slotting.verify import Plan, verify


def plan_warehouse(
    warehouse: Warehouse, demand: Demand, tours: Tours, config: SlottingConfig
) -> tuple[Night, Ints, Walking]:
    """Tonight's moves and the ideal layout; raises AssertionError rather than break a rule."""
    max_moves = affordable(config)
    walking = expect(lay_out(warehouse), tours, float(demand.picks_per_day.sum()))
    ideal = assign(warehouse, demand, walking)
    layout = walking.layout
    gathered = gather_if_it_helps(warehouse, layout, tours, demand.picks_per_day, ideal)
    slopes = None
    if gathered is not None:
        ideal, slopes = gathered, partial(aisle_costs, layout, tours)
    least_m = config.min_saving_m_per_day
    night = plan_moves(warehouse, demand, walking, ideal, max_moves, least_m, slopes)
    plan = Plan(
        warehouse,
        demand,
        max_moves,
        night.moves,
        night.slot_of.tolist(),
        ideal.tolist(),
        night.unplaced,
    )
    violations = verify(plan)
    if violations:
        raise AssertionError(
            f"{len(violations)} violations in {warehouse.id}; first {violations[0]}"
        )
    return night, ideal, walking


def affordable(config: SlottingConfig) -> int:
    """Moves that both budgets allow."""
    if config.max_move_minutes is None:
        return config.max_moves
    return min(config.max_moves, int(config.max_move_minutes / config.minutes_per_move))
