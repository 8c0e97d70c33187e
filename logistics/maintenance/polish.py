"""Some days of a workshop planned anew together by CP-SAT, to the hour, while the others stay."""

from collections.abc import Collection, Mapping, Sequence

from ortools.sat.python import cp_model

from logistics.maintenance.hours import Hours, as_early_as_possible
from logistics.maintenance.hull import Key, Row
from logistics.maintenance.problem import Visit, WorkshopProblem
from logistics.maintenance.room import Room


def plan_anew(
    problem: WorkshopProblem,
    rooms: Mapping[int, Room],
    gain: Mapping[Key, int],
    rows: Sequence[Row],
    visits: Mapping[int, Visit],
    solver: cp_model.CpSolver,
) -> dict[int, Visit]:
    """The visits with those on the days of `rooms` replaced by others of these jobs and of those
    that come on no day. rows: what jobs and days must keep, of all days."""
    stay = {j: visit for j, visit in visits.items() if visit.day not in rooms}
    model = cp_model.CpModel()
    days = {
        day: Hours(model, problem, room, [j for j, on in gain if on == day and j not in stay])
        for day, room in rooms.items()
    }
    comes = {(j, day): var for day, hours in days.items() for j, var in hours.comes.items()}
    for j in sorted({j for j, _ in comes}):
        model.add_at_most_one(comes[j, day] for day in days if (j, day) in comes)
    taken = {(j, visit.day) for j, visit in stay.items()}
    for row in rows:
        mine = [weight * comes[key] for key, weight in row.weights.items() if key in comes]
        if mine:
            model.add(sum(mine) <= row.most - _weight(row, taken))
    model.maximize(sum(gain[key] * var for key, var in comes.items()))
    for day, hours in days.items():
        hours.hint({j: visit for j, visit in visits.items() if visit.day == day})
    solver.parameters.linearization_level = 2
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return dict(visits)
    for day, hours in days.items():
        found = {
            j: hours.visit(solver, j, day) for j in hours.comes if solver.value(hours.comes[j])
        }
        stay |= as_early_as_possible(problem, rooms[day], found)
    return stay


def _weight(row: Row, keys: Collection[Key]) -> int:
    return sum(weight for key, weight in row.weights.items() if key in keys)
