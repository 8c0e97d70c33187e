"""Public holidays as a signal, from the `holidays` library. Knows countries and dates; no models.

A place is a country's code, with a region's where holidays differ: DE, DE-BY, US-CA. A company that
sends its own signal `holiday` for a DC knows better, and nothing is added there.
"""

from collections.abc import Sequence
from datetime import date, timedelta

import holidays as library
import polars as pl

NAME = "holiday"
AROUND_DAYS = 7  # beyond the horizon, for features that look at the days after


def fault(place: str) -> str | None:
    """Why there is no such place; None when there is."""
    country, _, region = place.partition("-")
    known = library.list_supported_countries(include_aliases=True)
    if country not in known:
        return f"{place}: the holidays library knows no country {country!r}; use ISO codes, as DE"
    if region and region not in known[country]:
        regions = ", ".join(known[country]) or "none"
        return f"{place}: {country} has no region {region!r}; it has {regions}"
    return None


def with_holidays(
    signals: pl.DataFrame, dc_id: str, place: str | None, first: date, last: date
) -> pl.DataFrame:
    """The DC's signals with `holiday` (1 or 0) of every day from first to last, and a week around.

    Unchanged without a place, or where the signals have it already.
    """
    if place is None or NAME in signals["name"]:
        return signals
    country, _, region = place.partition("-")
    days = pl.date_range(
        first - timedelta(days=AROUND_DAYS), last + timedelta(days=AROUND_DAYS), eager=True
    )
    years = range(days[0].year, days[-1].year + 1)
    free = library.country_holidays(country, subdiv=region or None, years=years)
    added = pl.DataFrame(
        {
            "dc_id": [dc_id] * len(days),
            "date": days,
            "name": [NAME] * len(days),
            "value": [float(day in free) for day in days],
        },
        schema=dict(signals.schema),
    )
    return pl.concat([signals, added])


def place_of(dc_id: str, usual: str | None, own: Sequence[str]) -> str | None:
    """Where a DC is: its own place, told as DC:place, or the usual one."""
    return dict(pair.rpartition(":")[::2] for pair in own).get(dc_id, usual)
