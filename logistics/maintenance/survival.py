"""Survival curves as arrays: chances and lives read off cumulative hazards. Knows NumPy only.

A curve is the cumulative hazard (n, edges) at EDGES_DAYS, 0 at the first and never falling, linear
in between: the rate of failure is constant within each stretch of the time ahead.
"""

import numpy as np
from numpy.typing import NDArray

from logistics.maintenance.features import Flags, Reals, Whole

# Day by day to a month, with edges at 7 and 30; beyond a year a life is "a year or more".
_TO_A_YEAR = (36, 43, 51, 60, 70, 81, 93, 106, 125, 145, 170, 200, 240, 300, 365)
EDGES_DAYS = np.array([*range(31), *_TO_A_YEAR], dtype=np.float64)
WIDTHS_DAYS = np.diff(EDGES_DAYS)
LAST_DAY = float(EDGES_DAYS[-1])
LIFE_CAP_DAYS = 125.0  # wear does not show earlier, so that means and errors count lives up to it
LEVELS = (0.1, 0.5, 0.9)
# Cumulative hazards at which 10, 50 and 90 % have failed, if the curve is right.
EXPONENTIAL_LEVELS = (0.10536051565782628, 0.6931471805599453, 2.302585092994046)


def bumps(count: int) -> Reals:
    """(count, stretches): Gaussians over log time, each as wide as the next one is far."""
    time = np.log1p((EDGES_DAYS[:-1] + EDGES_DAYS[1:]) / 2)
    centres = np.linspace(time[0], time[-1], count)
    away = (time[None, :] - centres[:, None]) / (centres[1] - centres[0])
    return np.asarray(np.exp(-0.5 * away**2))


def hazard_on(hazard: Reals, days: Reals | Whole) -> Reals:
    """Cumulative hazard (n,) of each row after its own number of days (n,)."""
    days = np.minimum(days, LAST_DAY)
    after = np.clip(np.searchsorted(EDGES_DAYS, days), 1, len(WIDTHS_DAYS))
    part = (days - EDGES_DAYS[after - 1]) / WIDTHS_DAYS[after - 1]
    low, high = _pick(hazard, after - 1), _pick(hazard, after)
    return np.asarray(low + part * (high - low))


def p_fail(hazard: Reals, days: float) -> Reals:
    """Chance (n,) to fail within `days`."""
    return np.asarray(-np.expm1(-hazard_on(hazard, np.full(len(hazard), days))))


def life_at(hazard: Reals, level: float | Reals) -> Reals:
    """The day (n,) on which the cumulative hazard reaches a level, or each row's own (n,); at most
    LAST_DAY."""
    column = np.asarray(level)[..., None]
    after = np.clip((hazard < column).sum(axis=1), 1, len(WIDTHS_DAYS))
    low, high = _pick(hazard, after - 1), _pick(hazard, after)
    part = np.clip((level - low) / np.maximum(high - low, 1e-12), 0, 1)
    return np.asarray(EDGES_DAYS[after - 1] + part * WIDTHS_DAYS[after - 1])


def expected_life(hazard: Reals, cap_days: float) -> Reals:
    """Mean remaining life (n,) in days; a life beyond the cap counts as the cap."""
    widths = np.clip(cap_days - EDGES_DAYS[:-1], 0, WIDTHS_DAYS)
    steps = np.diff(hazard, axis=1) * (widths / WIDTHS_DAYS)
    alive = np.exp(-hazard[:, :-1])  # as each stretch begins
    # ∫ exp(−step · t) over a stretch, and its limit where hardly anything fails.
    lived = np.where(steps > 1e-9, -np.expm1(-steps) / np.maximum(steps, 1e-9), 1.0)
    return np.asarray((alive * lived * widths).sum(axis=1))


def shortest(hazard: Reals, mass: Reals, cap_days: float) -> tuple[Reals, Reals]:
    """Low and high (n,) of the shortest interval with a share `mass` (n,) of each row's lives.

    Lives count up to the cap, so that a row whose asset most likely outlives it is cut on one side.
    """
    found = np.zeros(len(hazard)), np.full(len(hazard), np.inf)
    for share in np.linspace(0.0, 1.0, NUM_CUTS):
        below = share * (1 - mass)
        low, high = (
            np.minimum(life_at(hazard, -np.log1p(-np.minimum(part, 1 - 1e-9))), cap_days)
            for part in (below, below + mass)
        )
        better = high - low < found[1] - found[0]
        found = np.where(better, low, found[0]), np.where(better, high, found[1])
    return found


NUM_CUTS = 9  # places tried for the interval's lower end


def stretched(hazard: Reals, stretch: tuple[float, float]) -> Reals:
    """exp(stretch[0]) · hazard ** stretch[1]: a recalibrated curve, still never falling."""
    return np.asarray(np.exp(stretch[0]) * hazard ** stretch[1])


def by_cause(shares: Reals, power: float) -> Reals:
    """(n,) what `stretched` has to be times if the power is that of each cause's own hazard, of
    which shares (n, c) tell, and not of their sum."""
    return np.asarray((shares**power).sum(axis=1))


def unstretched(hazard: Reals, stretch: tuple[float, float]) -> Reals:
    """What `stretched` makes these of."""
    return np.asarray((hazard / np.exp(stretch[0])) ** (1 / stretch[1]))


def residual_levels(hazard: Reals, days: Whole, failed: Flags) -> tuple[float, float, float]:
    """Cumulative hazards by which 10, 50 and 90 % of held-out lives had ended.

    Conformal calibration with censored units: the hazard that a unit has passed through at its end
    is a unit exponential if the curves are right; its Kaplan–Meier curve tells what it is in truth.
    Where censoring hides a level the exponential's own is used. Source: Cox & Snell 1968.
    """
    passed = hazard_on(hazard, days + failed * 0.5)
    order = np.argsort(passed, kind="stable")
    at_risk = len(order) - np.arange(len(order))
    alive = np.cumprod(1 - failed[order] / at_risk)
    levels = [0.0]
    for level, usual in zip(LEVELS, EXPONENTIAL_LEVELS, strict=True):
        ended = np.flatnonzero(alive <= 1 - level)
        seen = ended.size > 0 and at_risk[ended[0]] >= MIN_AT_RISK
        levels.append(max(float(passed[order[ended[0]]]) if seen else usual, levels[-1]))
    return levels[1], levels[2], levels[3]


def shares_to_cover(
    hazard: Reals, days: Whole, failed: Flags, cap_days: float
) -> tuple[float, ...]:
    """The `mass` of each band of expected life with which COVERAGE of held-out lives lie inside.

    Conformal by bands (Vovk et al. 2003), so that the share holds for young and old assets alike.
    Lives that were cut short say nothing, and those that end long after the cap are covered
    whatever is said; COVERAGE itself where there are too few others.
    """
    band_of = bands(hazard, cap_days)
    known = failed & (days < cap_days + MORE_DAYS)
    life, found = np.minimum(days, cap_days), []
    for band in range(len(BAND_EDGES_DAYS) + 1):
        rows = np.flatnonzero(known & (band_of == band))
        if len(rows) < MIN_AT_RISK:
            found.append(COVERAGE)
            continue
        low, high = 0.0, 1.0
        for _ in range(BISECTIONS):
            mass = (low + high) / 2
            ends = shortest(hazard[rows], np.full(len(rows), mass), cap_days)
            covered = np.mean((ends[0] <= life[rows]) & (life[rows] <= ends[1]))
            low, high = (mass, high) if covered < COVERAGE else (low, mass)
        found.append((low + high) / 2)
    return tuple(found)


def bands(hazard: Reals, cap_days: float) -> NDArray[np.intp]:
    """(n,) the band of each row's expected life."""
    return np.searchsorted(BAND_EDGES_DAYS, expected_life(hazard, cap_days))


COVERAGE = 0.8
MORE_DAYS = 25
BAND_EDGES_DAYS = (20.0, 50.0, 80.0, 110.0)
BISECTIONS = 10
MIN_AT_RISK = 50  # below it the end of a Kaplan–Meier curve is the tale of a few units


def _pick(values: Reals, column: NDArray[np.intp]) -> Reals:
    return np.asarray(np.take_along_axis(values, column[:, None], axis=1)[:, 0])
