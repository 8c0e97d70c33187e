"""How long CP-SAT may look for something, and a solver that keeps to it."""

import time
from dataclasses import dataclass

from ortools.sat.python import cp_model


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds, or CP-SAT's deterministic time where a run must repeat to the letter."""

    seconds: float | None = None
    deterministic_time: float | None = None

    def part(self, share: float) -> "Budget":
        seconds, steps = self.seconds, self.deterministic_time
        return Budget(
            None if seconds is None else seconds * share, None if steps is None else steps * share
        )


class Clock:
    """What is left of a budget, in seconds since now or in CP-SAT's steps that were counted."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._began = time.perf_counter()
        self._steps = 0.0

    def count(self, solver: cp_model.CpSolver) -> None:
        self._steps += solver.response_proto.deterministic_time

    def left(self) -> Budget:
        seconds, steps = self._budget.seconds, self._budget.deterministic_time
        took = time.perf_counter() - self._began
        return Budget(
            None if seconds is None else max(seconds - took, 0.0),
            None if steps is None else max(steps - self._steps, 0.0),
        )

    def is_over(self) -> bool:
        left = self.left()
        return 0.0 in (left.seconds, left.deterministic_time)


def solver_of(budget: Budget, seed: int) -> cp_model.CpSolver:
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed % 2**31
    if budget.deterministic_time is not None:
        solver.parameters.max_deterministic_time = budget.deterministic_time
    if budget.seconds is not None:
        solver.parameters.max_time_in_seconds = budget.seconds
    return solver
