"""Which sensor tells of which component, and one line for them all. Knows Torch and arrays.

A small fleet has a handful of failures of each component: too few for a net to find the sensor that
shows its wear. What few failures do tell is collected first, as a link from sensors to components;
then all components share the coefficients on the sensor they are linked to, and on their history.
Axes: n rows, s sensors, f features of a sensor, c components, t pieces of the time ahead.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from logistics.maintenance.features import SENSOR_FEATURES, Flags, Reals, Small, Whole
from logistics.maintenance.survival import LIFE_CAP_DAYS
from logistics.maintenance.windows import HISTORY_FEATURES, Outcomes, SensorWindows

PIECES_DAYS = np.array([0, 3, 7, 14, 22, 30, 45, 70, LIFE_CAP_DAYS])
SIGNED = SENSOR_FEATURES.index("deviation")  # features before it turn with the sensor's direction
LEVEL, NEWEST = SENSOR_FEATURES.index("average_6"), SENSOR_FEATURES.index("average_2")
COMMON = LEVEL, SENSOR_FEATURES.index("average_40")
NEAR_DAYS = 14  # before a failure its sensor shows it
RENEWED_DAYS = (2, 9)  # after a replacement the newest average is the new part's
KINDS_OF_EVIDENCE = 3
NO_LINK = 2.0  # log odds that none tells anything
MIN_DEVIATION = 0.3  # of a scaled level: below it a sensor is hardly heard
RIDGE = 0.2  # per failure; with .03 a history of two days told less than none
MOST_ROWS = 20_000
STEPS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """log rate = bias + x · level + tempo · (drift_bias + x · drift), on the fleet's own.

    level, drift (inputs, c); bias, drift_bias (c,).
    """

    level: Reals
    bias: Reals
    drift: Reals
    drift_bias: Reals


def tempo(days: Reals) -> Reals:
    """How late a time ahead is: about −1 for the next days, 2 for LIFE_CAP_DAYS."""
    return np.asarray((np.log1p(np.minimum(days, LIFE_CAP_DAYS)) - 2.5) / 1.2)


def fit_line(
    windows: SensorWindows, known: Outcomes, x: Small, features: int, usual: Reals
) -> Line:
    """The line that makes the known lives likeliest, drawn towards the fleet's rates.

    x (n, inputs): `features` of each sensor, then each component's history, then the rest;
    usual (n, c): log odds of the components by kind alone.
    """
    sensors, components = len(windows.sensors), len(windows.components)
    signals = x[:, : sensors * features].reshape(len(x), sensors, features)
    found = evidence(windows, known, signals)
    own = _own_inputs(link(found), common_to_all(found), x.shape[1], features)
    rows = np.arange(len(x))
    if len(x) > MOST_ROWS:
        rows = np.random.default_rng(0).choice(len(x), MOST_ROWS, replace=False)
    seen = np.einsum("ni,cgi->ncg", x[rows], own, optimize=True)
    shared, drift, bias, drift_bias = _likeliest(seen, usual[rows], known.take(rows), windows)
    return Line(
        level=np.einsum("g,cgi->ic", shared, own),
        bias=bias,
        drift=np.einsum("g,cgi->ic", drift, own),
        drift_bias=np.full(components, drift_bias),
    )


def link(found: Reals) -> Reals:
    """(c, s) each sensor's chance to be the one that tells of the component, with its direction.

    found (c, s) is standard normal where a sensor tells nothing; one of the sensors or none does.
    """
    found = specific(found)
    odds = found**2 / 2
    most = np.maximum(odds.max(axis=1, keepdims=True, initial=0.0), NO_LINK)
    share = np.exp(odds - most)
    return np.asarray(
        np.sign(found) * share / (share.sum(1, keepdims=True) + np.exp(NO_LINK - most))
    )


def common_to_all(found: Reals) -> Reals:
    """(s,) each sensor's chance to be the one that tells of all components, as a count of errors
    does; none where there is but one, which is told by its own.

    On the companies named below, with PRIOR_FAILURES of train.py, it raised the line's PR-AUC for
    7 days from .38 to .41, for 30 days by nothing.
    """
    if len(found) < 2:
        return np.zeros(found.shape[1])
    return np.asarray(link(found.sum(axis=0, keepdims=True) / len(found) ** 0.5)[0])


def specific(found: Reals) -> Reals:
    """(c, s) what a sensor has to do with a component beyond what it has to do with all.

    A count of errors, or the load, goes with every component and tells of none; where a component
    had a failure or two, such a sensor was taken for its own. On eight made companies (seeds 12 to
    19, judged on others) the line's PR-AUC for 7 days rose from .321 to .340; true links: .343.
    """
    common = (found.sum(axis=0) - found) / max(len(found), 1)
    same_way = np.maximum(np.sign(found) * common, 0.0)
    return np.asarray(np.sign(found) * np.maximum(np.abs(found) - same_way, 0.0))


def evidence(windows: SensorWindows, known: Outcomes, signals: Small) -> Reals:
    """(c, s) how much a sensor's level has to do with a component, as a normal deviate.

    Three kinds of it: high before a failure, low with a new part, and going with reported errors.
    signals (n, s, f) scaled.
    """
    heard = np.isfinite(windows.signals[:, :, 0])
    level, newest = (np.where(heard, signals[:, :, i], 0.0) for i in (LEVEL, NEWEST))
    assets = np.unique(windows.asset_ids, return_inverse=True)[1]
    found = np.zeros((len(windows.components), len(windows.sensors)))
    near = known.failed & (known.days < NEAR_DAYS)
    for c, component in enumerate(windows.components):
        failing = near & (known.component == component)
        since = np.expm1(windows.history[:, c, 0])
        renewed = (since >= RENEWED_DAYS[0]) & (since < RENEWED_DAYS[1])
        reported = windows.history[:, c, HISTORY_FEATURES.index("log_errors_30")]
        # Kinds that do not have it have neither errors nor wear of it to compare.
        named = (known.component == component) | (reported > 0)
        mine = np.isin(windows.kinds, windows.kinds[named])
        found[c] = _together(level[failing], assets[failing])
        found[c] -= _together(newest[renewed], assets[renewed])
        found[c] += _correlation(level[mine], reported[mine], len(np.unique(assets[mine])))
    return np.asarray(found / KINDS_OF_EVIDENCE**0.5)


def _together(level: Reals, assets: NDArray[np.intp]) -> Reals:
    """(s,) the mean over assets as a normal deviate: an asset's windows are one observation."""
    _, of_row, count = np.unique(assets, return_inverse=True, return_counts=True)
    weight = 1 / count[of_row]
    return np.asarray(weight @ level / max(len(count), 1) ** 0.5)


def _correlation(level: Reals, errors: Small, num_assets: int) -> Reals:
    if not len(level):
        return np.zeros(level.shape[1], dtype=np.float64)
    marks = (errors.astype(np.float64) - errors.mean()) / max(float(errors.std()), 1e-6)
    deviation = np.maximum(level.std(axis=0), MIN_DEVIATION)
    together = marks @ (level - level.mean(axis=0)) / len(level)
    return np.asarray(together / deviation * num_assets**0.5)


def _own_inputs(joined: Reals, common: Reals, inputs: int, features: int) -> Small:
    """(c, g, inputs) that picks from all inputs those of a component: its sensor's, its
    history, and the levels of what all have in common (s,)."""
    components, sensors = joined.shape
    history = len(HISTORY_FEATURES)
    own = np.zeros((components, features + history + len(COMMON), inputs), np.float32)
    for c in range(components):
        for feature in range(features):
            linked = joined[c] if feature < SIGNED else np.abs(joined[c])
            own[c, feature, feature : sensors * features : features] = linked
        start = sensors * features + c * history
        own[c, features : features + history, start : start + history] = np.eye(history)
    for g, feature in enumerate(COMMON, start=features + history):
        own[:, g, feature : sensors * features : features] = common
    return own


def _likeliest(
    seen: Reals, usual: Reals, known: Outcomes, windows: SensorWindows
) -> tuple[Reals, Reals, Reals, float]:
    """Shared coefficients (g,), those of tempo (g,), each component's own rate (c,), and of tempo.

    Piecewise exponential competing risks with a ridge; the problem is convex.
    """
    told = lives(known, windows.components, PIECES_DAYS)
    lived, failing = told.lived, np.flatnonzero(told.which >= 0)
    ends = np.bincount(told.end[failing], minlength=lived.shape[1])
    base = torch.tensor(np.log(np.maximum(ends, 0.5) / np.maximum(lived.sum(0), 1.0)))
    pace = torch.tensor(tempo((PIECES_DAYS[:-1] + PIECES_DAYS[1:]) / 2))
    inputs, offset = (torch.from_numpy(np.asarray(a, np.float64)) for a in (seen, usual))
    exposed, g = torch.from_numpy(lived)[:, None, :], seen.shape[2]
    at = tuple(torch.from_numpy(a[failing]) for a in (np.arange(len(seen)), told.which, told.end))
    theta = torch.zeros(2 * g + 1 + seen.shape[1], dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([theta], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        level = offset + inputs @ theta[:g] + theta[2 * g + 1 :]
        drift = inputs @ theta[g : 2 * g] + theta[2 * g]
        log_rates = (base + level[..., None] + drift[..., None] * pace).clamp(-20.0, 3.0)
        loss: torch.Tensor = (log_rates.exp() * exposed).sum() - log_rates[at].sum()
        loss = loss / max(len(failing), 1) + RIDGE * theta.square().sum()
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    found = theta.detach().numpy()
    return found[:g], found[g : 2 * g], found[2 * g + 1 :], float(found[2 * g])


@dataclass(frozen=True, slots=True, eq=False)
class Lives:
    """lived (n, t): days lived in each stretch of the time ahead; days (n,) in all, LIFE_CAP_DAYS
    at most: wear does not show earlier. failed (n,), in the stretch end (n,), of the component
    which (n,); −1: of none, or of one not known."""

    lived: Reals
    days: Reals
    failed: Flags
    end: Whole
    which: Whole


def lives(known: Outcomes, components: tuple[str, ...], edges_days: Reals | Whole) -> Lives:
    """What became of the windows, by stretches between these days."""
    days = np.minimum(known.days, LIFE_CAP_DAYS)
    widths = np.diff(edges_days)
    lived = np.clip(days[:, None] - edges_days[:-1], 0, widths).astype(np.float64)
    end = np.minimum(np.searchsorted(edges_days, days, side="right") - 1, len(widths) - 1)
    failed = known.failed & (known.days < LIFE_CAP_DAYS)
    position = {component: i for i, component in enumerate(components)}
    which = np.array([position.get(c, -1) for c in known.component.tolist()], dtype=np.int64)
    return Lives(lived, days, failed, end, np.where(failed, which, -1))
