"""How a depot's vehicles really drive: circuity and speed by the half hour, from past trips.

Medians throughout, so a lost signal or a stop on the way moves nothing.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.routes.travel import great_circle_m

SLOTS = 48
_ENOUGH = 30  # trips; with fewer the defaults are as good a guess
_NEAR_M = 200.0  # below, positions are too rough to tell a detour by


@dataclass(frozen=True, slots=True)
class Pace:
    """circuity: road metres per great-circle metre. speed_kmh: at factor 1; factors: per slot."""

    circuity: float
    speed_kmh: float
    factors: tuple[float, ...]


def fit(
    trips: pl.DataFrame, run_date: date, default: Pace, given: NDArray[np.float64] | None
) -> Pace:
    """The depot's pace on the run date's kind of day, from its trips before; else the default.

    given: factors of the traffic table (48,), which are kept: the trips then only tell the speed
    at factor 1. Without them each slot has its own.
    """
    past = trips.filter(pl.col("started_local").dt.date() < run_date)
    if past.height < _ENOUGH:
        return default
    straight_m = great_circle_m(*(past[c].to_numpy() for c in _PLACES))
    far = straight_m >= _NEAR_M
    circuity = default.circuity
    if far.sum() >= _ENOUGH:
        ratios = past["distance_m"].to_numpy()[far] / straight_m[far]
        circuity = max(float(np.median(ratios)), 1.0)
    alike = _alike(past, run_date)
    speeds = (alike["distance_m"] / alike["duration_s"]).to_numpy() * 3.6
    slots = (
        alike["started_local"].dt.hour() * 2 + alike["started_local"].dt.minute() // 30
    ).to_numpy()
    if given is not None:
        return Pace(circuity, float(np.median(speeds / given[slots])), tuple(given.tolist()))
    by_slot = _by_slot(speeds, slots)
    return Pace(circuity, float(by_slot.max()), tuple((by_slot / by_slot.max()).tolist()))


_PLACES = ("from_lat", "from_lon", "to_lat", "to_lon")


def _alike(past: pl.DataFrame, run_date: date) -> pl.DataFrame:
    """The trips of the same weekday, else of the same kind of day, else all."""
    weekday = pl.col("started_local").dt.weekday() - 1
    for days in (weekday == run_date.weekday(), (weekday >= 5) == (run_date.weekday() >= 5)):
        alike = past.filter(days)
        if alike.height >= _ENOUGH * 10:
            return alike
    return past


def _by_slot(speeds: NDArray[np.float64], slots: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median speed of each half hour, with as many half hours around as it takes for enough."""
    fitted = np.empty(SLOTS)
    away = np.abs(slots[None, :] - np.arange(SLOTS)[:, None])
    away = np.minimum(away, SLOTS - away)
    for slot in range(SLOTS):
        width = np.sort(away[slot])[min(_ENOUGH, len(speeds)) - 1]
        fitted[slot] = np.median(speeds[away[slot] <= width])
    return fitted
