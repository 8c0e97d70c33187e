"""Champion and challenger on the last origins. Knows panels and two forecasters; trains nothing.

A model cannot be judged on days it was trained on, and a good model is trained on all there are. So
every model has a twin, the same recipe trained up to its last held-out days only, and the twins are
judged in the models' place. The challenger's twin knows nothing of the days that are held out
tonight; the champion's twin ended earlier still. How much older it is, the champion is too, so a
newer model gains by its freshness what it would gain in use, and no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from logistics.forecast.origins import errors, scores
from logistics.forecast.panel import Panel
from logistics.forecast.quantiles import Predict

ORIGINS = 3
MIN_JUDGED = 7  # periods after an origin, or it says nothing


@dataclass(frozen=True, slots=True)
class Trial:
    """WQL of both twins over the same days of the same series."""

    champion_wql: float
    challenger_wql: float

    @property
    def won(self) -> bool:
        """By the challenger: a draw leaves things as they are."""
        return self.challenger_wql < self.champion_wql


def trial(
    champion: Predict, challenger: Predict, panels: Sequence[Panel], back: Sequence[int]
) -> Trial:
    """Both twins at the same origins, so many periods ago."""
    champion_wql, challenger_wql = (wql(twin, panels, back) for twin in (champion, challenger))
    return Trial(champion_wql, challenger_wql)


def wql(predict: Predict, panels: Sequence[Panel], back: Sequence[int]) -> float:
    """Weighted quantile loss over all origins; NaN where nothing was sold."""
    rows = [
        errors(predict, panel, b, [None] * len(panel))
        for panel in panels
        for b in back
        if panel.num_periods > b
    ]
    sums = pl.concat(rows)
    return float(scores(sums)["wql"][0]) if sums.height else float("nan")


def last_origins(unseen: int) -> list[int]:
    """Up to ORIGINS equally spaced origins within the periods that neither twin has seen."""
    back = {unseen * i // ORIGINS for i in range(1, ORIGINS + 1)}
    return sorted((b for b in back if b >= MIN_JUDGED), reverse=True)


def unseen_periods(panel: Panel, held_out: int, trained_to: date, twin_held_out: int) -> int:
    """The last periods of the panel that neither the challenger's nor the champion's twin saw.

    trained_to: the champion's first unseen day; its twin ended twin_held_out periods earlier.
    """
    since = (panel.run_date - trained_to).days // panel.period_days
    return min(held_out, since + twin_held_out)
