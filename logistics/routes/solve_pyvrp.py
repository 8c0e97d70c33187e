"""A static problem solved by PyVRP's local search (Wouda et al. 2024), annealed.

Every step takes some neighbouring stops out, puts them back where they cost least and improves the
places changed; what comes out may be dearer, at first by more, at last hardly (Kirkpatrick et al.
1983). How far the cooling has come is how much of the budget is spent.
"""

import time
import warnings
from collections.abc import Callable
from itertools import count
from random import Random

import numpy as np
import pyvrp
from pyvrp import PenaltyManager, PenaltyParams
from pyvrp.exceptions import PenaltyBoundWarning
from pyvrp.search import (
    OPERATORS,
    LocalSearch,
    NeighbourhoodParams,
    PerturbationManager,
    PerturbationParams,
    compute_neighbours,
)

from logistics.routes.problem import Budget
from logistics.routes.solve_pyvrp_model import Model
from logistics.routes.static import NOTHING, Found, Job, StaticProblem

_UPDATES = 100  # steps; PyVRP's own 500 are for searches of minutes
# Mean legs that a step may cost more than the last, at first and at last. Made problems, one core,
# % above the best of these. Four of 220 to 320 stops at 8 s: late acceptance (PyVRP's) 0.56,
# without its exhaustive search of every best plan 0.26, cooling from 0.2 0.07; another seed: from
# 0.2 0.40, from 0.5 0.19. Four of 450 to 980 at 24 s: late acceptance 0.42, from 0.1 0.11, from 0.5
# 0.01. A second is enough: two at 1 s late acceptance 0.20, from 0.15 1.17, from 0.5 0.00.
_HOT, _COLD = 0.5, 0.01
# With windows every change costs more: first heat per stop, and at most. Made problems, % below
# 0.5: four of 200 to 500 stops, one and several depots, three seeds, 10 or 15 s, from 1.0 0.5, from
# 2.0 0.7; two of 100 and 130 at 2 s from 1.0 0.2 above. Without windows from 1.0 0.2 above.
_HOT_PER_STOP, _HOTTEST = 1 / 150, 2.0
# Stops taken out in one step, at most: two made problems, two seeds, 12 0.29, 20 0.06, 25 0.33.
_CHANGES = 20
_NEAREST = 25  # neighbours, where there is neither a window nor a choice of vehicles
_HOPELESS = 500  # steps per stop: a cooling is no longer, and one that found nothing the last
# So late costs as much at first as leaving out the dearest pickup of a pair: three made depots with
# pairs 1 to 6 % cheaper. Without pairs it was not settled (six better, two worse): left as it was.
_LATE_S = 1800
_DEAREST = 100_000.0  # PyVRP's own bound of a penalty, raised where costs are large


def solve(job: Job) -> Found:
    """The best tours found; `NOTHING` where no feasible ones were."""
    spent = _spent(job.budget)
    if not job.problem.stops or not job.problem.fleets:
        return NOTHING
    model = Model(job.problem)
    with warnings.catch_warnings():
        # It says that feasible plans are hard to find; what was found is judged either way.
        warnings.simplefilter("ignore", PenaltyBoundWarning)
        search = _Search(job, model)
        best, plan = None, search.first(job.start, model)
        # What is left over when all hope is gone may serve another depot.
        while plan is not best and spent() < 1:
            best, plan = plan, search.annealed(plan, spent)
    if not plan.is_feasible():
        return NOTHING
    return Found(tuple(sorted(model.tours(plan))), search.costs().cost(plan) - model.never_won)


def _spent(budget: Budget) -> Callable[[], float]:
    """The share of a budget that is spent; of iterations by how often it is asked."""
    if budget.iterations is not None:
        asked, most = count(), budget.iterations
        return lambda: next(asked) / most
    assert budget.seconds is not None
    began, seconds = time.perf_counter(), max(budget.seconds, 1e-9)
    return lambda: (time.perf_counter() - began) / seconds


class _Search:
    """PyVRP's local search for one job, with the penalties that it learns on the way."""

    def __init__(self, job: Job, model: Model) -> None:
        problem = job.problem
        self.num, self.cooling = len(problem.stops), job.cooling
        self.hot = _HOT
        if problem.timed:
            self.hot = min(max(_HOT_PER_STOP * self.num, _HOT), _HOTTEST)
        self.rng = pyvrp.RandomNumberGenerator(seed=job.seed % 2**31)
        self.luck = Random(job.seed)
        self.penalties = _penalties(problem)
        self.costs = self.penalties.cost_evaluator
        near, change = NeighbourhoodParams(), PerturbationParams(max_perturbations=_CHANGES)
        if len(problem.fleets) == 1 and not problem.timed:
            near = NeighbourhoodParams(num_neighbours=_NEAREST)
        self.local = LocalSearch(
            model.data,
            self.rng,
            compute_neighbours(model.data, near),
            PerturbationManager(change),
        )
        for operator in OPERATORS:
            if operator.supports(model.data):
                self.local.add_operator(operator(model.data))

    def first(self, start: Found | None, model: Model) -> pyvrp.Solution:
        if start is not None:
            return model.solution(start.tours)
        random = pyvrp.Solution.make_random(model.data, self.rng)
        return self.local(random, self.costs(), exhaustive=True)

    def annealed(self, plan: pyvrp.Solution, spent: Callable[[], float]) -> pyvrp.Solution:
        """The best of one cooling that begins with the plan; itself, where that was it."""
        best = current = plan
        hot, began = self.hot * _mean_leg(plan), spent()
        for step in range(length := _HOPELESS * self.num):
            if (now := spent()) >= 1:
                break
            costs = self.costs()
            candidate = self.local(current, costs)
            self.penalties.register(candidate)
            if costs.cost(candidate) < costs.cost(best):
                best = candidate
            part = max((now - began) / (1 - began), step / length)
            cooled = self.cooling[0] * (1 - part) + self.cooling[1] * part
            dearer = hot * (_COLD / self.hot) ** cooled * self.luck.expovariate(1.0)
            if costs.penalised_cost(candidate) < costs.penalised_cost(current) + dearer:
                current = candidate
        return best


def _mean_leg(plan: pyvrp.Solution) -> float:
    """What a leg of the plan costs in the mean, by distance and time."""
    legs = plan.num_clients() + 2 * plan.num_shipments() + plan.num_routes()
    return (plan.distance_cost() + plan.duration_cost()) / max(legs, 1)


def _penalties(problem: StaticProblem) -> PenaltyManager:
    """What breaking a rule by one unit costs at first: a load's worth costs ten mean arcs.

    PyVRP's own start, 50,000 for every problem, takes 40,000 iterations to come down to the size of
    a problem's costs, which is longer than most searches last.
    """
    fleet = problem.fleets[0]
    arc = float(problem.distance_m[fleet.profile].mean()) * max(fleet.cost_per_m, 1)
    loads = np.array([np.maximum(s.delivery, s.pickup) for s in problem.stops], dtype=float)
    dearest = max((s.penalty or 0 for s in problem.stops if s.goes_to is not None), default=0)
    rate = max(10.0 * max(fleet.cost_per_m, fleet.cost_per_s, 1), dearest / _LATE_S)
    first = [10 * arc / max(load, 1.0) for load in loads.mean(axis=0)]
    params = PenaltyParams(_UPDATES, max_penalty=max(_DEAREST, 10 * max(first)))
    return PenaltyManager((first, rate, rate), params)
