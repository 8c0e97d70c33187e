"""A Panel: what is known of many series on the night, as arrays. Knows nothing of tables or models.

The night makes one from its tables (`inputs`), a benchmark from a data set's files; features,
models and back-tests see nothing else.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
FOREVER = 9999  # periods
CACHED = 256  # series, what is made of which for a moment stays in the cache
NUM_CODES = 256  # names of categories and the like are numbers below it; others are folded


@dataclass(frozen=True, slots=True)
class Panel:
    """n series of g sites over t past and h future periods; the first future one is run_date's.

    period_days: 1, or 7 for weeks. Row i is SKU sku_ids[i] at site site_ids[site[i]].
    units (n, t): NaN where not known, as before a series' first sale or while no sales came in.
    in_stock (n, t): share of opening hours; below 1 units show less than the demand.
    covariates (n, t + h, k): prices, discounts and the like, NaN where not known, named
      covariate_names. known_ahead (n, k): the future values will be known on every such night;
      else future values, if there are any, were seen afterwards and must not be used ahead.
    signals (g, t + h, s): of sites, NaN where not known, named signal_names. lead (s,): how many
      periods beyond run_date each is known; 0: only afterwards, as it happens.
    codes (n, c): names of a category, a department and the like as numbers from 1; 0 unknown.
    attributes (n, a): static numbers, NaN where not known, named attribute_names.
    age (n,): periods since launch. left (n,): periods until end of life, FOREVER without one.
    """

    run_date: date
    period_days: int
    horizon: int
    site_ids: tuple[str, ...]
    sku_ids: tuple[str, ...]
    site: NDArray[np.int64]
    units: Array
    in_stock: Array
    covariates: Array
    covariate_names: tuple[str, ...]
    known_ahead: NDArray[np.bool_]
    signals: Array
    signal_names: tuple[str, ...]
    lead: tuple[int, ...]
    codes: NDArray[np.int64]
    code_names: tuple[str, ...]
    attributes: Array
    attribute_names: tuple[str, ...]
    age: Array
    left: Array

    def __len__(self) -> int:
        return len(self.sku_ids)

    @property
    def num_periods(self) -> int:
        return int(self.units.shape[1])

    @property
    def num_unseen(self) -> int:
        """The latest periods of which nothing is known of any series: a feed has stopped."""
        t, num = self.num_periods, 0
        while len(self) and num < t and np.isnan(self.units[:, t - 1 - num]).all():
            num += 1
        return num

    def take(self, rows: NDArray[np.int64]) -> "Panel":
        """The panel of some series; its sites stay all of them. Neighbours are not copied."""
        together = len(rows) > 0 and bool((np.diff(rows) == 1).all())
        wanted = slice(int(rows[0]), int(rows[-1]) + 1) if together else rows
        arrays = {name: getattr(self, name)[wanted] for name in OF_SERIES}
        if isinstance(wanted, slice):
            return replace(self, sku_ids=self.sku_ids[wanted], **arrays)
        return replace(self, sku_ids=tuple(self.sku_ids[i] for i in rows), **arrays)

    def rewind(self, periods: int) -> "Panel":
        """The panel as it was so many periods ago, but for covariates and signals as they came.

        What was not known ahead then is still in it; features do not look at it (see `known_ahead`
        and `lead`).
        """
        t, h = self.num_periods - periods, self.horizon
        return replace(
            self,
            run_date=self.run_date - timedelta(days=periods * self.period_days),
            units=self.units[:, :t],
            in_stock=self.in_stock[:, :t],
            covariates=self.covariates[:, : t + h],
            signals=self.signals[:, : t + h],
            age=self.age - periods,
            left=np.minimum(self.left + periods, FOREVER),
        )


OF_SERIES = ("site", "units", "in_stock", "covariates", "known_ahead", "codes", "attributes", "age",
             "left")  # fmt: skip


def few_at_a_time(num_series: int) -> list[slice]:
    """All series in parts of CACHED; of none one empty part."""
    return [slice(start, start + CACHED) for start in range(0, max(num_series, 1), CACHED)]
