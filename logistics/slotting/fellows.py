"""Which SKUs are bought alike, by how often they were in one tour. Knows tours only."""

from dataclasses import dataclass

import numpy as np

from logistics.slotting.problem import Ints, Reals
from logistics.slotting.travel import Tours

_FEW = 10  # fellows of each SKU
_PRIOR_TOURS = 5.0  # of one SKU alone: two SKUs of one tour each are no fellows yet
_AT_ONCE = 256  # SKUs, so that memory does not grow with their square


@dataclass(frozen=True, slots=True, eq=False)
class Fellows:
    """Of every SKU the few most alike (n, k), and each one's weight (n, k), _FEW in all or 0."""

    sku: Ints
    weight: Reals

    def sums(self, rows: Reals) -> Reals:
        """What the fellows of each SKU have in all (n, a); rows (n, a)."""
        of_fellows: Reals = np.einsum("nk,nka->na", self.weight, rows[self.sku])
        return of_fellows


def fellows(tours: Tours, tour_weights: Reals, num_skus: int) -> Fellows:
    """By the cosine between SKUs' tours, each counted by its weight (t,)."""
    few = min(_FEW, num_skus)
    chosen = np.zeros((num_skus, few), dtype=np.int64)
    alike = np.zeros((num_skus, few))
    often = np.bincount(tours.sku, tour_weights[tours.tour], minlength=num_skus) + _PRIOR_TOURS
    for begin in range(0, num_skus if few else 0, _AT_ONCE):
        some = np.arange(begin, min(begin + _AT_ONCE, num_skus))
        cosine = _joint(tours, tour_weights, some, num_skus) / np.sqrt(often[some, None] * often)
        cosine[np.arange(some.size), some] = 0.0
        chosen[some] = np.argpartition(-cosine, few - 1, axis=1)[:, :few]
        alike[some] = np.take_along_axis(cosine, chosen[some], axis=1)
    total = alike.sum(axis=1, keepdims=True)
    return Fellows(
        chosen, _FEW * np.divide(alike, total, out=np.zeros_like(alike), where=total > 0)
    )


def _joint(tours: Tours, tour_weights: Reals, some: Ints, num_skus: int) -> Reals:
    """Weight (k, n) of the tours with lines of both, of some neighbouring SKUs (k,) and of all."""
    mine = np.flatnonzero((tours.sku >= some[0]) & (tours.sku <= some[-1]))
    tour = tours.tour[mine]
    lines = np.bincount(tours.tour, minlength=tour_weights.size)
    first_line = np.cumsum(lines) - lines
    # Every line of these SKUs beside every line of its tour.
    begins = np.cumsum(lines[tour]) - lines[tour]
    within = np.arange(int(lines[tour].sum())) - np.repeat(begins, lines[tour])
    tour, own = np.repeat(tour, lines[tour]), np.repeat(tours.sku[mine], lines[tour])
    pair = (own - some[0]) * num_skus + tours.sku[first_line[tour] + within]
    joint: Reals = np.bincount(pair, tour_weights[tour], some.size * num_skus).astype(np.float64)
    return joint.reshape(-1, num_skus)
