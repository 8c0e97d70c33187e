"""How good held-out survival curves are, beside a rule that anyone could use. Knows arrays only."""

import numpy as np

from logistics.maintenance import metrics
from logistics.maintenance.features import Reals, Whole
from logistics.maintenance.survival import EDGES_DAYS, expected_life, p_fail
from logistics.maintenance.windows import CONTEXT_FEATURES, Outcomes, SensorWindows

FOLDS = 6
# The rule's groups: days since the asset was last repaired, and the weight of the whole fleet.
AGE_EDGES_DAYS = (7.0, 21.0, 60.0)
PRIOR_DAYS = 200.0


def age_rule(windows: SensorWindows, kind_of: Whole, known: Outcomes, fold_of: Whole) -> Reals:
    """The rule to beat: the failure rate of the same kind of asset as long after its last repair.

    Held out by the same folds as the model. Cumulative hazard (n, edges).
    """
    since = np.expm1(windows.context[:, CONTEXT_FEATURES.index("log_days_since_replaced")])
    group = kind_of * (len(AGE_EDGES_DAYS) + 1) + np.searchsorted(AGE_EDGES_DAYS, since)
    rate = np.empty(len(windows))
    for fold in range(FOLDS):
        seen, mine = fold_of != fold, fold_of == fold
        overall = known.failed[seen].sum() / max(known.days[seen].sum(), 1)
        size = int(group.max()) + 1
        ends = np.bincount(group[seen], weights=known.failed[seen], minlength=size)
        days = np.bincount(group[seen], weights=known.days[seen], minlength=size)
        rate[mine] = ((ends + PRIOR_DAYS * overall) / (days + PRIOR_DAYS))[group[mine]]
    return np.asarray(rate[:, None] * EDGES_DAYS)


def scores(hazard: Reals, rule: Reals, known: Outcomes) -> dict[str, float]:
    """Scores of the curves and of the rule; only those that the data can tell.

    Only windows that could be followed to the horizon count, failed or not: of later ones just the
    failures would be known. Those that a service or silence ended earlier are left out.
    """
    found: dict[str, float] = {}
    for days in (7, 30):
        failed = known.failed & (known.days < days)
        judged = (known.followed >= days) & (failed | (known.days >= days))
        if not failed[judged].any():
            continue
        p, by_rule = (p_fail(curve[judged], float(days)) for curve in (hazard, rule))
        found[f"PR-AUC {days} d"] = metrics.pr_auc(failed[judged], p)
        found[f"by age {days} d"] = metrics.pr_auc(failed[judged], by_rule)
        found[f"ECE {days} d"] = metrics.ece(failed[judged], p)
        found[f"Brier {days} d"] = metrics.brier(failed[judged], p)
        if days == 30:
            life = np.minimum(known.days[judged], days).astype(np.float64)
            of_both = (expected_life(curve[judged], days) for curve in (hazard, rule))
            found["life RMSE 30 d"], found["by age"] = (metrics.rmse(life, e) for e in of_both)
    return found
