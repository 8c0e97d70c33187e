"""The risk model: features of an asset in, its survival curve out. Knows Torch; no tables' origin.

Probabilities by component, expected and remaining life are read off one curve, so that p7 ≤ p30 and
quantiles are ordered by construction. The model is a value: `loads(dumps(model))` predicts alike.
"""

import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from logistics.maintenance import impute
from logistics.maintenance.features import Reals, Small, Whole
from logistics.maintenance.network import HORIZONS_DAYS, NET_FEATURES, Nets
from logistics.maintenance.risk import Leads, Risk
from logistics.maintenance.scoring import MONTH, arrange, curves, forward, pulls
from logistics.maintenance.survival import (
    BAND_EDGES_DAYS,
    COVERAGE,
    EDGES_DAYS,
    EXPONENTIAL_LEVELS,
    by_cause,
    life_at,
    p_fail,
    stretched,
    unstretched,
)
from logistics.maintenance.windows import SensorWindows, select

FORMAT = 2  # of a saved model: raise it when a feature or layer changes its shape or its meaning
LEADING_SENSORS = 3
# Readings older than this count half as much with every further such period.
STALE_AFTER_DAYS, STALE_HALF_LIFE_DAYS = 3.0, 7.0
TAIL, NORMAL_TAIL = 0.05, 1.645  # share beyond, and how many deviations out that is
MOST_WIDTHS = 6.0  # a feature further from the usual counts as that far
CHUNK = 256  # rows at once: more do not fit the processor's cache


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Centre and width of every feature by kind (kinds + 1, f), the last row for new kinds; and
    how scaled features of different sensors go together (features, s, s)."""

    centre: Small
    width: Small
    together: Reals


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """What is known without looking at an asset: rates per day and components by kind.

    rate (kinds + 1,), component share (kinds + 1, components); the last row is the whole fleet.
    """

    rate: Reals
    share: Reals


@dataclass(frozen=True, slots=True, eq=False)
class RiskModel:
    """Nets, each trained without a part of the assets, and what calibrates their mean.

    stretch: each component's cumulative hazard H becomes exp(stretch[0]) · H ** stretch[1]. The
    power of their sum would raise a sound component's with that of the one about to fail: PR-AUC
    by component within 7 days was .39 instead of .40;
    residuals: the cumulative hazards at which 10, 50 and 90 % of held-out lives had ended;
    masses: by band of expected life, what an interval must hold to cover 80 % of held-out lives.
    nets is None where the fleet had too few failures to learn from: then `fleet` is the answer.
    """

    kinds: tuple[str, ...]
    sensors: tuple[str, ...]
    components: tuple[str, ...]
    scaling: Scaling
    fleet: Fleet
    nets: Nets | None
    stretch: tuple[float, float] = (0.0, 1.0)
    residuals: tuple[float, float, float] = EXPONENTIAL_LEVELS
    masses: tuple[float, ...] = (COVERAGE,) * (len(BAND_EDGES_DAYS) + 1)


def predict(model: RiskModel, windows: SensorWindows, device: str = "cpu") -> Risk:
    """The risk of every window. Silent assets come down to the base rate of their kind."""
    known = select(windows, model.sensors, model.components)
    kind_of = kind_indices(model.kinds, known)
    base = model.fleet.rate[kind_of][:, None] * EDGES_DAYS
    usual = model.fleet.share[kind_of]
    shares = {7: usual, 30: usual}
    leads = no_leads(len(known))
    hazard = curve = base
    if model.nets is not None and len(known):
        trust = _trust(known)[:, None]
        x = encode(model.scaling, kind_of, known)
        # No more than its kind's chance to fail is nothing to explain.
        at_base = np.exp(-unstretched(base[:, MONTH], model.stretch))
        usual_alive = np.where(trust[:, 0] > 0, at_base, -1.0)
        alive, failed, parts = _score(model.nets, x, usual_alive, len(known.sensors), device)
        own = -np.log(np.maximum(alive, 1e-37))
        # The stretch is that of the next month's chances; lives are told better without it.
        curve = trust * own + (1 - trust) * base
        power = model.stretch[1]
        calibrated = stretched(own, model.stretch) * by_cause(shares_by(failed, 30), power)[:, None]
        hazard = trust * calibrated + (1 - trust) * base
        for days, share in shares.items():
            told = shares_by(failed**power, days) * (usual > 0)
            shares[days] = trust * told + (1 - trust) * share
        leads = _leads(model, known, parts)
    p7, p30 = p_fail(hazard, 7.0), p_fail(hazard, 30.0)
    return Risk(
        p_fail_7d=p7,
        p_fail_30d=p30,
        rul_days=np.stack([life_at(hazard, level) for level in model.residuals], axis=1),
        curve=curve,
        masses=model.masses,
        components=model.components,
        by_component_7d=p7[:, None] * shares[7],
        by_component_30d=p30[:, None] * shares[30],
        component=_names(model.components, shares[30]),
        leads=leads,
    )


# --- features to numbers -------------------------------------------------------------------------


def kind_indices(kinds: tuple[str, ...], windows: SensorWindows) -> Whole:
    """(n,) position of each window's kind; len(kinds) for one never seen."""
    found = np.full(len(windows), len(kinds))
    for i, kind in enumerate(kinds):
        found[windows.kinds == kind] = i
    return found


def flat(windows: SensorWindows) -> Small:
    """(n, f) every feature of the nets in one row, sensors first, NaN where absent."""
    parts = (windows.signals[..., :NET_FEATURES], windows.history, windows.context)
    widths = (int(np.prod(part.shape[1:])) for part in parts)
    wide = [part.reshape(len(windows), width) for part, width in zip(parts, widths, strict=True)]
    return np.concatenate(wide, axis=1)


def fit_scaling(windows: SensorWindows, kinds: tuple[str, ...]) -> Scaling:
    """Medians by kind, and widths between far quantiles: single mad readings do not move them, and
    what the few worn assets show still counts."""
    features, kind_of = flat(windows), kind_indices(kinds, windows)
    everyone = _spread(features)
    rows = []
    for kind in range(len(kinds)):
        own = _spread(features[kind_of == kind])
        rows.append([np.where(np.isfinite(o), o, e) for o, e in zip(own, everyone, strict=True)])
    centre, width = (np.stack(part) for part in zip(*rows, everyone, strict=True))
    centre = np.where(np.isfinite(centre), centre, 0.0).astype(np.float32)
    width = np.where(np.isfinite(width), width, 1.0).astype(np.float32)
    scaled = _scaled(features, centre[kind_of], width[kind_of])
    return Scaling(centre, width, impute.moments(_by_sensor(scaled, windows)))


def _spread(features: Small) -> tuple[Small, Small]:
    """Centre and width (f,); NaN for features with no value here."""
    present = np.isfinite(features).any(axis=0)
    centre = np.full(features.shape[1], np.nan, dtype=np.float32)
    width = centre.copy()
    if present.any():
        low, mid, high = np.nanquantile(features[:, present], [TAIL, 0.5, 1 - TAIL], axis=0)
        deviation = np.nanstd(features[:, present], axis=0)
        between = (high - low) / (2 * NORMAL_TAIL)
        # Rare marks (errors, failures) have no width between; constants have none at all.
        usual = np.where(between > 1e-6, between, deviation)
        centre[present], width[present] = mid, np.where(usual > 1e-6, usual, 1.0)
    return centre, width


def _scaled(features: Small, centre: Small, width: Small) -> Small:
    """The features, which become scaled ones themselves: arrays as large are slow to come by."""
    features -= centre
    features /= width
    return np.clip(features, -MOST_WIDTHS, MOST_WIDTHS, out=features)


def _by_sensor(scaled: Small, windows: SensorWindows) -> Small:
    sensors = len(windows.sensors)
    return scaled[:, : sensors * NET_FEATURES].reshape(len(scaled), sensors, NET_FEATURES)


def encode(scaling: Scaling, kind_of: Whole, windows: SensorWindows) -> Tensor:
    """(n, inputs): scaled features, those of sensors not heard told by the others; the kind."""
    scaled = _scaled(flat(windows), scaling.centre[kind_of], scaling.width[kind_of])
    signals = _by_sensor(scaled, windows)
    complete = impute.complete(scaling.together, signals).reshape(len(scaled), -1)
    rest = np.nan_to_num(scaled[:, complete.shape[1] :])
    kind = np.eye(len(scaling.centre), dtype=np.float32)[kind_of]
    return torch.from_numpy(np.concatenate([complete, rest, kind], axis=1))


def _trust(windows: SensorWindows) -> Reals:
    """(n,) how much the nets are believed: less the longer an asset has been silent."""
    stale = np.maximum(windows.silent_days.astype(np.float64) - STALE_AFTER_DAYS, 0)
    unheard = ~np.isfinite(windows.signals[:, :, 0]).any(axis=1)
    return np.where(unheard, 0.0, 0.5 ** (stale / STALE_HALF_LIFE_DAYS))


# --- nets ----------------------------------------------------------------------------------------


@contextmanager
def single_thread() -> Iterator[None]:
    """Sums split over threads differ in the last digit; parallelism is between units anyway."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def survival(nets: Nets, x: Tensor) -> tuple[Reals, Reals]:
    """Survival (n, edges) and first failures (n, c, HORIZONS_DAYS), as `curves` has them."""
    scorer = arrange(nets)
    with torch.inference_mode(), single_thread():
        found = [curves(scorer, forward(scorer, part)) for part in torch.split(x, CHUNK)]
    alive, failed = zip(*found, strict=True)
    return _reals(alive), _reals(failed)


def _score(
    nets: Nets, x: Tensor, usual: Reals, sensors: int, device: str
) -> tuple[Reals, Reals, Reals]:
    """Survival (n, edges) and first failures (n, c, HORIZONS_DAYS), as `curves` has them; and each
    sensor's part (n, sensors) in the logarithm of the 30-day hazard, where survival of the month is
    below what is usual (n,), 0 elsewhere."""
    scorer, found = arrange(nets.to(device)), []
    with torch.inference_mode(), single_thread():
        chunks = (torch.split(whole, CHUNK) for whole in (x, torch.from_numpy(usual)))
        for part, least in zip(*chunks, strict=True):
            done = forward(scorer, part.to(device))
            alive, failed = curves(scorer, done)
            rows = (alive[:, MONTH] < least.to(device)).nonzero()[:, 0]
            parts = alive.new_zeros(len(part), sensors)
            if len(rows) and sensors:
                pulled = pulls(scorer, done, rows, sensors * NET_FEATURES)
                parts[rows] = pulled.view(-1, sensors, NET_FEATURES).sum(2)
            found.append((alive, failed, parts))
    columns = zip(*found, strict=True)
    return _reals(next(columns)), _reals(next(columns)), _reals(next(columns))


def _reals(parts: Iterable[Tensor]) -> Reals:
    return torch.cat([*parts]).double().cpu().numpy()


def shares_by(failed: Reals, days: int) -> Reals:
    """(n, components) the share of each in the failures within so many days."""
    by = failed[:, :, HORIZONS_DAYS.index(days)]
    return np.asarray(by / np.maximum(by.sum(axis=1, keepdims=True), 1e-30))


def _leads(model: RiskModel, windows: SensorWindows, parts: Reals) -> Leads:
    """The sensors that raise the 30-day hazard most above its kind's usual, by their parts."""
    found = no_leads(len(windows))
    rows = np.flatnonzero((parts > 0).any(axis=1))
    if not len(rows):
        return found
    heard = np.isfinite(windows.signals[rows, :, 0])
    told = torch.from_numpy(np.where(heard, parts[rows], 0.0))
    most, which = torch.topk(told, min(LEADING_SENSORS, told.shape[1]))
    best, width = which.numpy(), slice(None, which.shape[1])
    turned = np.nan_to_num(windows.signals[rows[:, None], best, NET_FEATURES])
    names = np.array(model.sensors, dtype=object)[best]
    found.sensor[rows, width] = np.where(most.numpy() > 0, names, "")
    found.rising[rows, width] = turned >= 0
    found.days[rows, width] = np.abs(turned).astype(np.int64)
    return found


def no_leads(count: int) -> Leads:
    shape = (count, LEADING_SENSORS)
    return Leads(np.full(shape, "", dtype=object), np.zeros(shape, bool), np.zeros(shape, np.int64))


def _names(components: tuple[str, ...], share: Reals) -> NDArray[np.str_]:
    if not components:
        return np.full(len(share), "", dtype=np.str_)
    likeliest = np.array(components, dtype=np.str_)[share.argmax(axis=1)]
    return np.where(share.max(axis=1) > 0, likeliest, "")


# --- bytes ---------------------------------------------------------------------------------------


def dumps(model: RiskModel) -> bytes:
    """The model as bytes; the same model gives the same bytes."""
    nets = model.nets
    content = {
        "format": FORMAT,
        "kinds": list(model.kinds),
        "sensors": list(model.sensors),
        "components": list(model.components),
        "scaling": _tensors(asdict(model.scaling)),
        "fleet": _tensors(asdict(model.fleet)),
        "nets": None if nets is None else dict(nets.state_dict()),
        "stretch": list(model.stretch),
        "residuals": list(model.residuals),
        "masses": list(model.masses),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def loads(blob: bytes) -> RiskModel:
    """The inverse of `dumps`; it reads tensors and plain values only. Raises ValueError for a
    model of another format."""
    content = torch.load(io.BytesIO(blob), weights_only=True)
    if content.get("format") != FORMAT:
        raise ValueError(
            "the risk model was saved by another version of this package: "
            "train it again with task=train workload=maintenance"
        )
    kinds, sensors, components = (tuple(content[n]) for n in ("kinds", "sensors", "components"))
    nets, state = None, content["nets"]
    if state is not None:
        count, inputs, _ = state["first_level"].shape
        hidden = state["enter.weight"].shape[2]
        nets = Nets(count, len(kinds), len(sensors), inputs, hidden, len(components))
        nets.load_state_dict(state)
        nets.eval()
    return RiskModel(
        kinds=kinds,
        sensors=sensors,
        components=components,
        scaling=Scaling(**{name: t.numpy() for name, t in content["scaling"].items()}),
        fleet=Fleet(**{name: t.numpy() for name, t in content["fleet"].items()}),
        nets=nets,
        stretch=tuple(content["stretch"]),
        residuals=tuple(content["residuals"]),
        masses=tuple(content["masses"]),
    )


def _tensors(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
