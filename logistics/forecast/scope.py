"""What the training data could show: the columns' order, centres and spreads, how far ahead.

Beyond it features hold still: nothing is extrapolated. Saved with the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from logistics.forecast.panel import Array, Panel

# Before it has been seen three times, its sine is a clock by which a network learns the few years
# by heart: trained on 30 weeks of juice sales, it forecast the next 13 weeks 42 % too high.
SEASONS_DAYS = 3 * 365
# A year ago tells of what comes once there are origins with one behind them, and their horizon. A
# week of it holds its promotions: of juice sales, 13 and 26 weeks before the end, WQL .382 and
# .410 with it from 400 days on, .320 and .414 without.
YEARLY_DAYS = {1: 450, 7: SEASONS_DAYS}


@dataclass(frozen=True, slots=True)
class Scope:
    """reach: the furthest period ahead that was seen.

    yearly: enough was seen for a year ago to tell of what comes; seasons: for the date alone to.

    centres and spreads: by covariate, by attribute.
    """

    period_days: int
    reach: int
    yearly: bool
    seasons: bool
    covariate_names: tuple[str, ...]
    ahead: tuple[bool, ...]  # whether any series knows the covariate ahead
    centres: tuple[float, ...]
    spreads: tuple[float, ...]
    signal_names: tuple[str, ...]
    code_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    attribute_centres: tuple[float, ...]
    attribute_spreads: tuple[float, ...]

    @property
    def ahead_names(self) -> tuple[str, ...]:
        pairs = zip(self.covariate_names, self.ahead, strict=True)
        return tuple(name for name, ahead in pairs if ahead)

    @property
    def centre(self) -> Array:
        return np.array(self.centres, np.float32)

    @property
    def spread(self) -> Array:
        return np.array(self.spreads, np.float32)

    @property
    def ahead_spread(self) -> Array:
        return self.spread[list(self.ahead)]

    def standard_attributes(self, panel: Panel) -> Array:
        """Attributes in spreads from their centres (n, a), 0 where unknown."""
        centre = np.array(self.attribute_centres, np.float32)
        values = (panel.attributes - centre) / np.array(self.attribute_spreads, np.float32)
        return np.clip(np.nan_to_num(values), -4, 4).astype(np.float32)


def scope_of(panels: Sequence[Panel], reach: int) -> Scope:
    """The scope of panels that have the same columns."""
    first = panels[0]
    known = [panel.covariates[:, : panel.num_periods] for panel in panels]
    covariates = np.concatenate([k.reshape(k.shape[0] * k.shape[1], k.shape[2]) for k in known])
    centres, spreads = _moments(covariates)
    attributes = np.concatenate([panel.attributes for panel in panels])
    attribute_centres, attribute_spreads = _moments(attributes)
    ahead = np.concatenate([panel.known_ahead for panel in panels]).any(axis=0)
    longest = max(panel.num_periods for panel in panels)
    before_days = (longest - reach) * first.period_days
    return Scope(
        period_days=first.period_days,
        reach=reach,
        yearly=before_days > YEARLY_DAYS[first.period_days],
        seasons=before_days > SEASONS_DAYS,
        covariate_names=first.covariate_names,
        ahead=tuple(bool(known) for known in np.atleast_1d(ahead)),
        centres=centres,
        spreads=spreads,
        signal_names=tuple(sorted({name for panel in panels for name in panel.signal_names})),
        code_names=first.code_names,
        attribute_names=first.attribute_names,
        attribute_centres=attribute_centres,
        attribute_spreads=attribute_spreads,
    )


def _moments(values: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each column's known values; 0 and 1 where there are none."""
    known = ~np.isnan(values)
    num = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, values, 0).sum(axis=0, dtype=np.float64) / num
    square = (np.where(known, values - mean, 0) ** 2).sum(axis=0, dtype=np.float64) / num
    spread = np.where(square > 1e-8, np.sqrt(square), 1.0)
    return tuple(mean.tolist()), tuple(spread.tolist())
