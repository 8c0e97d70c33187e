"""Whether a feed has stopped: a night plans on without the days that did not come, and a plan of no
demand looks like any other. Told by figures, which add up over units. Knows dates alone.
"""

from collections.abc import Iterator, Mapping
from datetime import date

PAUSE_DAYS = 3  # that come without rows at a site that is well: a long weekend
_ENDS = "ends:"


def ended(table: str, newest: date | None, run_date: date) -> dict[str, float]:
    """The figure of a unit whose table has nothing of the last days before run_date; else none.

    newest: the last day before it that the table has; None: it has none at all.
    """
    if newest is not None and (run_date - newest).days - 1 <= PAUSE_DAYS:
        return {}
    return {f"{_ENDS}{table}:{newest or ''}": 1.0}


def told(figures: Mapping[str, float], run_date: date) -> Iterator[str]:
    """A line for each day on which a table ends."""
    for name, units in figures.items():
        if name.startswith(_ENDS):
            table, _, day = name.removeprefix(_ENDS).partition(":")
            where = f"in {units:,.0f} unit{'' if units == 1 else 's'}"
            if not day:
                yield f"{table}: nothing before {run_date}, {where}"
            else:
                days = (run_date - date.fromisoformat(day)).days
                yield f"{table}: nothing after {day}, {days:,} days before, {where}"
