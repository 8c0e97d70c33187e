"""A panel of days as a panel of weeks, for who plans by the week. Panel in, Panel out.

Weeks begin on the run date's weekday, so that the first one to come begins tonight.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.panel import FOREVER, Array, Panel

WEEK = 7
MIN_KNOWN = 4  # days of a week, or it is not known


def horizon_days(days: int) -> int:
    """The whole weeks that a horizon needs, in days."""
    return -(-days // WEEK) * WEEK


def weekly(panel: Panel) -> Panel:
    """The same series by the week; days before the first whole week are dropped.

    Units of a week are its known days' mean times seven; hours, covariates and signals the mean of
    its days. A signal is known as many weeks ahead as are known whole. Raises ValueError when the
    horizon is not of whole weeks.
    """
    if panel.horizon % WEEK:
        raise ValueError(f"a horizon of {panel.horizon} days is not one of whole weeks")
    skip = panel.num_periods % WEEK
    ended = panel.left >= FOREVER
    return replace(
        panel,
        period_days=panel.period_days * WEEK,
        horizon=panel.horizon // WEEK,
        units=_mean(panel.units[:, skip:], 1, MIN_KNOWN) * WEEK,
        in_stock=_mean(panel.in_stock[:, skip:], 1),
        covariates=_mean(panel.covariates[:, skip:], 1),
        signals=_mean(panel.signals[:, skip:], 1),
        lead=tuple(lead // WEEK for lead in panel.lead),
        age=np.ceil(panel.age / WEEK).astype(np.float32),
        left=np.where(ended, FOREVER, np.ceil(panel.left / WEEK)).astype(np.float32),
    )


def _mean(values: Array, axis: int, least: int = 1) -> Array:
    """Of each week along the axis; NaN where fewer than `least` of its days are known."""
    shape: list[int] = list(values.shape)
    shape[axis : axis + 1] = [shape[axis] // WEEK, WEEK]
    weeks = values.reshape(shape)
    known: NDArray[np.int64] = (~np.isnan(weeks)).sum(axis=axis + 1)
    sums = np.nansum(weeks, axis=axis + 1)
    found = np.where(known >= least, sums / np.maximum(known, 1), np.nan)
    return np.asarray(found, np.float32)
