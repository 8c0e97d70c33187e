"""PyVRP and OR-Tools as their documentation starts them, on the same problem: the peers.

PyVRP: `pyvrp.solve` with every default. OR-Tools: the default parameters with guided local search,
all vehicles of the file. Nothing of ours but the model of the problem goes in.
"""

from collections.abc import Callable

import pyvrp
from ortools.constraint_solver import pywrapcp, routing_enums_pb2
from pyvrp.stop import MaxRuntime

from logistics.routes import solve_ortools, solve_pyvrp_model
from logistics.routes.static import StaticProblem, Tour

Peer = Callable[[StaticProblem, float, int], list[Tour]]


def plain_pyvrp(problem: StaticProblem, seconds: float, seed: int) -> list[Tour]:
    model = solve_pyvrp_model.Model(problem)
    result = pyvrp.solve(model.data, MaxRuntime(seconds), seed, collect_stats=False)
    return list(model.tours(result.best))


def plain_ortools(problem: StaticProblem, seconds: float, seed: int) -> list[Tour]:
    del seed  # it takes none
    model = solve_ortools.Model(problem)
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    search = routing_enums_pb2.LocalSearchMetaheuristic
    parameters.local_search_metaheuristic = search.GUIDED_LOCAL_SEARCH
    parameters.time_limit.FromMilliseconds(round(seconds * 1000))
    found = model.routing.SolveWithParameters(parameters)
    return [] if found is None else list(model.tours(found))


PEERS: dict[str, Peer] = {"plain pyvrp": plain_pyvrp, "plain ortools": plain_ortools}
