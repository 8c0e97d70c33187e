"""Which days a site's sales did not come, so that nothing is known of them. Days in, days out.

A day without a row is one without a sale while the site's other days have rows. A stretch without
any row of any SKU is a feed that stood still, if it is longer than the pauses this feed is used to.
At the end one day is enough, if it is of a weekday that always came: its sales may be late.
However long: a site that is no more must be said to be (`closed`), it cannot be told from silence.
"""

import numpy as np
from numpy.typing import NDArray

from logistics.freshness import PAUSE_DAYS

USUAL = 0.99  # of the pauses between a feed's days: one that comes seldom has long ones
LONGER = 2  # times the usual pause
WEEKS, MOSTLY = 8, 0.5  # that a weekday always came; the days that come, in a feed by the day
YEAR_DAYS, AROUND_DAYS = 364, 7  # closed at about this time last year or the next: a holiday


def missing(days: NDArray[np.int64], t: int) -> NDArray[np.bool_]:
    """Which of the last t days before the run date are unseen (t,).

    days: of every row, counted from the run date, so below 0; those before the last t do not count.
    """
    came = np.zeros(t, np.bool_)
    came[days[days >= -t] + t] = True
    at = np.concatenate([[-1], np.flatnonzero(came), [t]])
    pauses = np.diff(at) - 1
    usual = float(np.quantile(pauses, USUAL, method="lower"))  # never the longest one
    long = pauses > max(PAUSE_DAYS, LONGER * usual)
    silent = (np.repeat(long, np.diff(at))[:t] & ~came) | _late(came)
    near = np.convolve(silent, np.ones(2 * AROUND_DAYS + 1), "same") > 0
    yearly = np.zeros(t, np.bool_)
    yearly[YEAR_DAYS:] |= near[:-YEAR_DAYS]
    yearly[:-YEAR_DAYS] |= near[YEAR_DAYS:]
    return silent & ~yearly


def _late(came: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The days after the last that came whose weekday came every week (t,)."""
    late = np.zeros_like(came)
    after = len(came) - int(came[::-1].argmax())
    before = came[max(after - 7 * WEEKS, 0) : after]
    if len(before) == 7 * WEEKS and before.mean() > MOSTLY:
        always: NDArray[np.bool_] = np.logical_and.reduce(before.reshape(WEEKS, 7))
        late[after:] = always[np.arange(len(came) - after) % 7]
    return late
