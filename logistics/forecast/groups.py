"""What a series' kin say of it: sums over its site, its SKU at all sites, its categories, all.

Sums of many series show a trend or a weekday's share that one alone hides in noise (the lead of the
M5 competition's winner came from there). Arrays in, arrays out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from logistics.forecast.panel import Array, Panel


@dataclass(frozen=True, slots=True)
class Group:
    """of (n,): the group of each series, from 0; order and starts: the series sorted by group."""

    of: NDArray[np.int64]
    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    def sums(self, values: Array) -> Array:
        """Sums over the series of each group: (n, …) → (groups, …)."""
        if len(self.starts) == 1:
            return np.asarray(values.sum(axis=0, keepdims=True))
        if len(self.starts) == len(self.of):
            return np.asarray(values[self.order])
        return np.asarray(np.add.reduceat(values[self.order], self.starts, axis=0))


def groups_of(panel: Panel) -> list[Group]:
    """All series, the site's, the SKU's and those of each code, in this order."""
    everything = np.zeros(len(panel), np.int64)
    sku = np.unique(np.array(panel.sku_ids, dtype=object).astype(str), return_inverse=True)[1]
    columns = [everything, panel.site, sku, *(column for column in panel.codes.T)]
    return [_group(column) for column in columns]


def _group(column: NDArray[np.int64]) -> Group:
    found, of = np.unique(column, return_inverse=True)
    order = np.argsort(of, kind="stable")
    return Group(of, order, np.searchsorted(of[order], np.arange(len(found))))


def trends(sums: Array, hours: Array, spans: tuple[int, ...]) -> Array:
    """Log of the mean over each span against that over the last one (groups, spans - 1).

    sums and hours (groups, t): units sold, and how many series were in stock.
    """
    means = [
        (sums[:, -span:].sum(axis=1) + 1e-3) / (hours[:, -span:].sum(axis=1) + 1e-3)
        for span in spans
    ]
    ratios = [np.log(np.clip(mean / np.maximum(means[-1], 1e-6), 0.1, 10)) for mean in means[:-1]]
    return np.stack(ratios, axis=1).astype(np.float32)


def by_phase(values: Array) -> Array:
    """Sums of each phase of the week (n, 7): p has the columns p, p + 7, … counted back from the
    last one, which is of phase 6."""
    weeks = values.shape[1] // 7
    phases = np.tile(np.eye(7, dtype=np.float32), (weeks, 1))
    return np.asarray(values[:, values.shape[1] - 7 * weeks :] @ phases)


def weekly(by_day: Array, seen: Array, prior_periods: float) -> Array:
    """Each phase of the week against all (groups, 7), shrunk to 1 by so many ordinary days.

    by_day and seen (groups, 7): units sold, and how many series were in stock.
    """
    level = by_day.sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1e-6)
    share = (by_day + prior_periods * level) / (seen + prior_periods)
    return np.asarray(np.where(level > 0, share / np.maximum(level, 1e-9), 1), np.float32)
