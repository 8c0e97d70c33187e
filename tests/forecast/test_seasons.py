"""A year ago: what a category's series show together, one alone hides in noise."""

from dataclasses import replace

import numpy as np

from logistics.forecast.groups import groups_of
from logistics.forecast.seasons import year_ago
from tests.forecast.made import panel_of, tables

DAYS = 500


def test_kin_show_the_season_that_noise_hides() -> None:
    rng = np.random.default_rng(0)
    series = panel_of(tables())
    n, h = len(series), series.horizon
    day = np.arange(DAYS + h)
    season = np.exp(0.5 * np.sin(2 * np.pi * day / 364))
    units = rng.poisson(0.5 * season[:DAYS], (n, DAYS)).astype(np.float32)
    units[0, : DAYS - 100] = np.nan  # a new series has no year behind it
    units[1, DAYS - 364 :] = 0
    left = np.where(np.arange(n) == 1, -364, series.left).astype(np.float32)  # sold no more since
    series = replace(
        series, units=units, in_stock=np.ones_like(units), age=np.full(n, DAYS), left=left
    )
    kin = groups_of(series)[0]
    found = year_ago(series, DAYS, kin)
    before = season[DAYS - 28 : DAYS].mean()
    around = np.array([season[DAYS + i - 14 : DAYS + i + 15].mean() for i in range(h - 15)])
    off = found[1:, : h - 15, :2] - np.log(around / before)[:, None]
    of_kin, own = np.sqrt(np.square(off[1:]).mean(axis=(0, 1)))
    assert of_kin < own / 2
    assert (found[0] == 0).all()
    unseen = replace(series, units=series.units[:, : DAYS - 364])
    assert (year_ago(unseen, DAYS - 364, kin) == 0).all()
