"""What nets tell of assets that they have not seen, and what calibrates all of them by it. Knows
Torch; nothing of training.

Net i has seen all assets but those of fold i % FOLDS.
"""

import numpy as np
from torch import Tensor

from logistics.maintenance.backtest import FOLDS
from logistics.maintenance.calibration import HORIZON_DAYS, Stretch, calibrate, month_loss
from logistics.maintenance.features import Reals, Whole
from logistics.maintenance.model import shares_by, single_thread, survival
from logistics.maintenance.network import Nets, between, some_of
from logistics.maintenance.survival import EDGES_DAYS, LIFE_CAP_DAYS, shares_to_cover
from logistics.maintenance.windows import Outcomes

MEMBERS = 2  # nets per fold
# Of the way from the line. Nets stop where lives are told best, and where failures are few their
# chances are worse than the line's by then: on eight made companies (40 to 47, learnt from 12, 16
# and 17) PR-AUC was .363 within 7 days and .584 within 30, as far as known it is .403 and .630.
SHARES_OF_THE_WAY = (1.0, 0.75, 0.5, 0.25, 0.0)


def as_far_as_known(
    line: Nets, nets: Nets, x: Tensor, fold_of: Whole, known: Outcomes, which: Whole
) -> tuple[Nets, Reals, Reals, Stretch]:
    """The nets as far from the line as makes the held-out chances of a month likeliest; what
    `held_out` tells of them, and the stretch that calibrates it. which (n,): the component that
    failed; −1: of none, or of one not known."""
    best, least = None, np.inf
    for share in SHARES_OF_THE_WAY:
        drawn = between(line, nets, share)
        hazard, shares = held_out(drawn, x, fold_of)
        with single_thread():
            stretch = calibrate(hazard, shares, known)
        loss = month_loss(hazard, shares, stretch, known, which)
        if best is None or loss < least:
            best, least = (drawn, hazard, shares, stretch), loss
    assert best is not None, "there are shares to try"
    return best


def masses(
    nets: Nets, hazard: Reals, x: Tensor, fold_of: Whole, known: Outcomes
) -> tuple[float, ...]:
    """By band of expected life, what an interval must hold if the mean of all nets tells it.

    Each life is held out of MEMBERS nets only, whose mean errs more than that of all. What a mean's
    error has above its least falls with one over their number, and with it what must be held: it
    is measured of one net and of MEMBERS. On training units of C-MAPSS left out of all (four
    parts), intervals measured on MEMBERS held .853 and .833, these .832 and .799.
    """
    told = known.days, known.failed, LIFE_CAP_DAYS
    alone = [some_of(nets, range(i * FOLDS, (i + 1) * FOLDS)) for i in range(MEMBERS)]
    by_one = np.mean([shares_to_cover(held_out(n, x, fold_of)[0], *told) for n in alone], axis=0)
    by_some = np.array(shares_to_cover(hazard, *told))
    part = (1 / MEMBERS - 1 / (FOLDS * MEMBERS)) / (1 - 1 / MEMBERS)
    return tuple(np.clip(by_some - part * (by_one - by_some), 0.0, 1.0).tolist())


def of_fold(nets: Nets, fold: int) -> Nets:
    return some_of(nets, range(fold, len(nets.ways), FOLDS))


def held_out(nets: Nets, x: Tensor, fold_of: Whole) -> tuple[Reals, Reals]:
    """Cumulative hazard (n, edges) of every row under the net that has not seen its asset, and the
    components' shares (n, c) in the failures of HORIZON_DAYS."""
    hazard = np.empty((len(x), len(EDGES_DAYS)))
    shares = np.empty((len(x), nets.usual_odds.shape[1]))
    for fold in range(FOLDS):
        mine = np.flatnonzero(fold_of == fold)
        alive, failed = survival(of_fold(nets, fold), x[mine])
        hazard[mine] = -np.log(np.maximum(alive, 1e-37))
        shares[mine] = shares_by(failed, HORIZON_DAYS)
    return hazard, shares
