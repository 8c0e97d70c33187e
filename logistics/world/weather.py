"""The days of the made company, and its signals: weather and holidays.

Knows what is true and what is told beforehand; knows nothing of storage or Ray.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from logistics.config import WorldConfig

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
FUTURE_DAYS = 90  # planned promotions and prices, and weather forecasts, reach this far
SKILL_DAYS = 6.0  # a forecast's trust falls to 1/e after so many days: it fades into the climate
MEAN_RAIN_MM = 1.3
HOLIDAYS = ((1, 1), (4, 5), (5, 1), (10, 3), (12, 25), (12, 26))


@dataclass(frozen=True, slots=True)
class Calendar:
    """num_history days of made history from `first`, then the planned future, to num_days."""

    first: date
    num_history: int
    num_days: int

    @classmethod
    def of(cls, config: WorldConfig) -> "Calendar":
        first = config.date - timedelta(days=config.history_days)
        return cls(first, config.history_days, config.history_days + FUTURE_DAYS)

    def dates(self, days: Ints | None = None) -> NDArray[np.datetime64]:
        """The dates of some days, or of all; polars reads them as Date."""
        days = np.arange(self.num_days) if days is None else days
        return np.asarray(np.datetime64(self.first, "D") + days.astype("timedelta64[D]"))

    def of_year(self) -> Array:
        dates = self.dates()
        return np.asarray((dates - dates.astype("datetime64[Y]")).astype(np.float64) + 1)

    def weekday(self) -> Ints:
        return np.asarray((np.arange(self.num_days) + self.first.weekday()) % 7)

    def lead(self) -> Ints:
        """Days ahead of the last day of history, 0 within it."""
        return np.maximum(np.arange(self.num_days) - self.num_history + 1, 0)


def climate(of_year: Array) -> Array:
    """Usual temperature of a day of the year, in °C."""
    return np.asarray(11 + 9 * np.sin(2 * np.pi * (of_year - 110) / 365.25))


def holidays(days: Calendar) -> NDArray[np.bool_]:
    return np.array([(d.month, d.day) in HOLIDAYS for d in days.dates().tolist()])


def weather(config: WorldConfig, seed: int, dc: int) -> dict[str, Array]:
    """True temperature (°C) and rain (mm) of every day, history and future."""
    rng = np.random.default_rng([seed, 4, dc])
    days = Calendar.of(config)
    spells = _autoregressive(rng, days.num_days, 0.8, 2.5)
    wet = rng.random(days.num_days) < 0.33
    return {
        "temperature": climate(days.of_year()) + rng.normal() + spells,
        "rain": np.where(wet, rng.gamma(0.8, 5.0, days.num_days), 0.0),
    }


def signals(config: WorldConfig, seed: int, dc: int) -> pl.DataFrame:
    """Weather as measured before the date and as forecast from it on; holidays, exact."""
    rng = np.random.default_rng([seed, 5, dc])
    days = Calendar.of(config)
    truth, lead = weather(config, seed, dc), days.lead()
    trust = np.exp(-lead / SKILL_DAYS)
    # Even a forecast that knows nothing more than the climate is issued with a number's noise.
    shaky = np.where(lead > 0, rng.normal(0, 1.0, days.num_days), 0.0)
    blurred = np.where(lead > 0, rng.lognormal(0, 0.4, days.num_days), 1.0)
    temperature = trust * truth["temperature"] + (1 - trust) * climate(days.of_year()) + shaky
    rain = (trust * truth["rain"] + (1 - trust) * MEAN_RAIN_MM) * blurred
    told = {"temperature": temperature, "rain": rain, "holiday": holidays(days).astype(float)}
    return pl.concat(
        pl.DataFrame({"date": days.dates(), "value": value.round(1)}).select(
            "date", pl.lit(name).alias("name"), "value"
        )
        for name, value in told.items()
    )


def _autoregressive(rng: np.random.Generator, n: int, keep: float, scale: float) -> Array:
    noise = rng.normal(0, scale * np.sqrt(1 - keep**2), n)
    noise[0] = rng.normal(0, scale)
    # A sum of fading shocks, cut where they have faded to nothing.
    fading = keep ** np.arange(min(n, 100))
    return np.asarray(np.convolve(noise, fading)[:n])
