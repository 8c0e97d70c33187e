"""A static problem solved by the engine that suits it."""

from logistics.routes import solve_pyvrp, solve_ruin
from logistics.routes.solve_ruin_model import supports
from logistics.routes.static import Found, Job, StaticProblem


def solve(job: Job) -> Found:
    """The best tours found by ruin and recreate where there is a choice of vehicles or of stops, by
    PyVRP's local search elsewhere."""
    return solve_ruin.solve(job) if _has_choice(job.problem) else solve_pyvrp.solve(job)


def _has_choice(problem: StaticProblem) -> bool:
    return len(problem.fleets) > 1 and supports(problem)
