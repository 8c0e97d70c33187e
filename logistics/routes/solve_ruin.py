"""A static problem searched by compiled ruin and recreate, annealed (see `ruin`).

Thousands of steps lie between two looks at the clock; how hot they are is how much of the budget
is spent.
"""

import time
from collections.abc import Iterator

import numpy as np

from logistics.routes import ruin
from logistics.routes.problem import Budget, TimeWindow
from logistics.routes.solve_ruin_model import Model, supports
from logistics.routes.static import NOTHING, Fleet, Found, Job, StaticProblem, Stop, left_out

# Mean legs, vehicles' fixed costs among them, that a step may cost more than the last, at first and
# at last. So hot that a vehicle comes and goes: six made depots of 175 to 225 stops at 4 or 5 s of
# one core, in % of what legs without fixed costs give from 1 to 0.005: from 2 -0.2, from 4 -1.9,
# from 2 to 0.05 -2.0. Of from 4 to 0.1: to 0.03 0.8, from 8 (which is 6 with fixed costs) -0.8.
_HOT, _COLD = 4.0, 0.1
_STEPS = 150  # of one iteration, which takes about as long as one of PyVRP's
_LOOK_S = 0.05  # from one look at the clock to the next
_FEW = 50  # steps before the pace is known


def solve(job: Job) -> Found:
    """The best tours found; `NOTHING` where none are feasible, or it is not supported."""
    began, problem = time.perf_counter(), job.problem
    if not problem.stops or not problem.fleets or not supports(problem):
        return NOTHING
    model = Model(problem, job.seed)
    if job.start is not None:
        model.load(job.start.tours)
    # Each of these steps puts in ten stops that were left out, or all that are near.
    ruin.search(model.tables, model.state, len(problem.stops), 1.0, 1.0)
    leg = model.mean_leg()
    first, last = job.cooling
    for steps, *shares in _pieces(job.budget, began):
        cooled = (first + (last - first) * share for share in shares)
        hot, cold = (leg * _HOT * (_COLD / _HOT) ** part for part in cooled)
        ruin.search(model.tables, model.state, steps, hot, cold)
    found = model.found()
    if any(problem.stops[stop].penalty is None for stop in left_out(problem, found.tours)):
        return NOTHING
    return found


def prepare() -> None:
    """Afterwards a search begins at once: compiling takes half a minute the first time, loading it
    half a second in every new process."""
    way = np.zeros((2, 2), dtype=np.int64)
    stop = Stop(1, (TimeWindow(0, 0),), (0,), (0,))
    problem = StaticProblem(1, (stop,), (Fleet(1, (0,), 0, 0),), (way,), (way,))
    solve(Job("ruin", problem, Budget(iterations=1), 0))


def _pieces(budget: Budget, began: float) -> Iterator[tuple[int, float, float]]:
    """(steps, share spent before, share spent after them) until the budget is spent."""
    if budget.iterations is not None:
        for number in range(budget.iterations):
            yield _STEPS, number / budget.iterations, (number + 1) / budget.iterations
        return
    assert budget.seconds is not None
    steps, now_s = _FEW, time.perf_counter() - began
    while now_s < budget.seconds:
        until_s = min(now_s + _LOOK_S, budget.seconds)
        yield steps, now_s / budget.seconds, until_s / budget.seconds
        before_s, now_s = now_s, time.perf_counter() - began
        pace = steps / max(now_s - before_s, 1e-9)
        steps = max(int(pace * min(_LOOK_S, budget.seconds - now_s)), 1)
