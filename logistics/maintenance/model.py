"""The risk model: features of an asset in, its survival curve out. Knows Torch; no tables' origin.

Every net gives a rate of failure per day for each stretch of the time ahead (a piecewise constant
hazard); probabilities and remaining life are read off the one curve, so p7 ≤ p30 and the quantiles
are ordered by construction. The model is a value: `loads(dumps(model))` predicts the same.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from logistics.maintenance.features import Reals, Small, Whole
from logistics.maintenance.inputs import SensorWindows, select
from logistics.maintenance.risk import Risk
from logistics.maintenance.survival import (
    EDGES_DAYS,
    EXPONENTIAL_LEVELS,
    WIDTHS_DAYS,
    life_at,
    mean_curve,
    p_fail,
    stretched,
)

LEADING_SENSORS = 3
# Readings older than this count half as much with every further such period.
STALE_AFTER_DAYS, STALE_HALF_LIFE_DAYS = 3.0, 7.0
CHUNK = 4096


class Net(nn.Module):
    """Inputs (n, f) → log rates of failure per day (n, stretches), log odds of components.

    A residual MLP and a straight line side by side: with few failures the line is all that can be
    learnt. The components compete, so that the worst one makes the risk, not their average. The
    rates over time are a few smooth bumps on the fleet's own: free ones would be noise.
    """

    bumps: Tensor
    fleet_log_rates: Tensor
    usual_odds: Tensor

    def __init__(self, num_kinds: int, num_inputs: int, hidden: int, num_components: int) -> None:
        super().__init__()
        odds = max(num_components, 1)
        self.enter = nn.Linear(num_inputs, hidden)
        self.blocks = nn.ModuleList(_Block(hidden) for _ in range(2))
        self.norm = nn.LayerNorm(hidden)
        self.rates = nn.Linear(hidden, NUM_BUMPS, bias=False)
        self.components = nn.Linear(hidden, odds)
        self.line = nn.Linear(num_inputs, odds, bias=False)
        self.register_buffer("bumps", torch.tensor(_bumps(), dtype=torch.float32))
        self.register_buffer("fleet_log_rates", torch.zeros(len(WIDTHS_DAYS)))
        self.register_buffer("usual_odds", torch.zeros(num_kinds + 1, odds))  # log, by kind
        for weights in (self.rates, self.components, self.line):
            nn.init.zeros_(weights.weight)
        nn.init.zeros_(self.components.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        state = self.enter(x)
        for block in self.blocks:
            state = block(state)
        state = self.norm(state)
        usual = x[:, -len(self.usual_odds) :] @ self.usual_odds  # the last inputs are the kind
        odds = usual + self.components(state) + self.line(x)
        worst = odds.logsumexp(1, keepdim=True)
        log_rates = self.fleet_log_rates + worst + self.rates(state) @ self.bumps
        return log_rates.clamp(-14.0, 2.0), odds


class _Block(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.step = nn.Sequential(
            nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(0.2)
        )

    def forward(self, state: Tensor) -> Tensor:
        stepped: Tensor = state + self.step(state)
        return stepped


NUM_BUMPS = 10


def _bumps() -> Reals:
    """(bumps, stretches): Gaussians over log time, each as wide as the next one is far."""
    time = np.log1p((EDGES_DAYS[:-1] + EDGES_DAYS[1:]) / 2)
    centres = np.linspace(time[0], time[-1], NUM_BUMPS)
    return np.asarray(
        np.exp(-0.5 * ((time[None, :] - centres[:, None]) / (centres[1] - centres[0])) ** 2)
    )


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Centre and width of every feature by kind (kinds + 1, f); the last row is for new kinds."""

    centre: Small
    width: Small


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

    stretch: the cumulative hazard H becomes exp(stretch[0]) · H ** stretch[1];
    residuals: the cumulative hazards at which 10, 50 and 90 % of held-out lives had ended.
    nets is empty where the fleet had too few failures to learn from: then `fleet` is the answer.
    """

    kinds: tuple[str, ...]
    sensors: tuple[str, ...]
    components: tuple[str, ...]
    hidden: int
    scaling: Scaling
    fleet: Fleet
    nets: tuple[Net, ...]
    stretch: tuple[float, float] = (0.0, 1.0)
    residuals: tuple[float, float, float] = EXPONENTIAL_LEVELS


def predict(model: RiskModel, windows: SensorWindows, device: str = "cpu") -> Risk:
    """The risk of every window. Silent assets come down to the base rate of their kind."""
    known = select(windows, model.sensors, model.components)
    kind_of = kind_indices(model.kinds, known)
    base = model.fleet.rate[kind_of][:, None] * EDGES_DAYS
    share = model.fleet.share[kind_of]
    leading: tuple[tuple[str, ...], ...] = ((),) * len(known)
    hazard = base
    if model.nets and len(known):
        x = encode(model.scaling, kind_of, known)
        trust = _trust(known)[:, None]
        own, own_share = _ensemble(model, x, device)
        hazard = trust * stretched(own, model.stretch) + (1 - trust) * base
        share = trust * own_share * (share > 0) + (1 - trust) * share
        leading = _leading(model, known, kind_of, own, device)
    return Risk(
        p_fail_7d=p_fail(hazard, 7.0),
        p_fail_30d=p_fail(hazard, 30.0),
        rul_days=np.stack([life_at(hazard, level) for level in model.residuals], axis=1),
        component=_names(model.components, share),
        leading_sensors=leading,
    )


# --- features to numbers -------------------------------------------------------------------------


def kind_indices(kinds: tuple[str, ...], windows: SensorWindows) -> Whole:
    """(n,) position of each window's kind; len(kinds) for one never seen."""
    position = {kind: i for i, kind in enumerate(kinds)}
    return np.array([position.get(kind, len(kinds)) for kind in windows.kinds], dtype=np.int64)


def flat(windows: SensorWindows) -> Small:
    """(n, f) every feature in one row, NaN where absent."""
    parts = (windows.signals, windows.history, windows.context)
    widths = (int(np.prod(part.shape[1:])) for part in parts)
    wide = [part.reshape(len(windows), width) for part, width in zip(parts, widths, strict=True)]
    return np.concatenate(wide, axis=1)


def fit_scaling(windows: SensorWindows, kinds: tuple[str, ...]) -> Scaling:
    """Medians and interquartile widths by kind, which single mad readings do not move."""
    features, kind_of = flat(windows), kind_indices(kinds, windows)
    everyone = _spread(features)
    rows = []
    for kind in range(len(kinds)):
        own = _spread(features[kind_of == kind])
        rows.append([np.where(np.isfinite(o), o, e) for o, e in zip(own, everyone, strict=True)])
    centre, width = (np.stack(part) for part in zip(*rows, everyone, strict=True))
    finite = np.where(np.isfinite(centre), centre, 0.0), np.where(np.isfinite(width), width, 1.0)
    return Scaling(finite[0].astype(np.float32), finite[1].astype(np.float32))


def _spread(features: Small) -> tuple[Small, Small]:
    """Centre and width (f,); NaN for features with no value here."""
    present = np.isfinite(features).any(axis=0)
    centre = np.full(features.shape[1], np.nan, dtype=np.float32)
    width = centre.copy()
    if present.any():
        low, mid, high = np.nanquantile(features[:, present], [0.25, 0.5, 0.75], axis=0)
        deviation = np.nanstd(features[:, present], axis=0)
        quartile = (high - low) / 1.349
        # Rare marks (errors, failures) have no interquartile width; constants have none at all.
        usual = np.where(quartile > 1e-6, quartile, deviation)
        centre[present], width[present] = mid, np.where(usual > 1e-6, usual, 1.0)
    return centre, width


def encode(scaling: Scaling, kind_of: Whole, windows: SensorWindows) -> Tensor:
    """(n, inputs): scaled features with 0 where absent, which sensors are heard, the kind."""
    raw = (flat(windows) - scaling.centre[kind_of]) / scaling.width[kind_of]
    scaled = np.nan_to_num(np.clip(raw, -5.0, 5.0), nan=0.0)
    heard = np.isfinite(windows.signals[:, :, 0]).astype(np.float32)
    kind = np.eye(len(scaling.centre), dtype=np.float32)[kind_of]
    return torch.from_numpy(np.concatenate([scaled, heard, kind], axis=1).astype(np.float32))


def num_inputs(sensors: int, features: int, kinds: int) -> int:
    return features + sensors + kinds + 1


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


def hazards(net: Net, x: Tensor, device: str = "cpu") -> tuple[Reals, Reals]:
    """Cumulative hazard (n, edges) and component shares (n, components) of one net."""
    net.to(device).eval()
    widths = torch.tensor(WIDTHS_DAYS, dtype=torch.float64, device=device)
    curves, shares = [], []
    with torch.inference_mode(), single_thread():
        for part in torch.split(x, CHUNK):
            log_rates, components = net(part.to(device))
            curves.append((log_rates.double().exp() * widths).cumsum(1).cpu().numpy())
            shares.append(components.double().softmax(1).cpu().numpy())
    curve = np.concatenate(curves)
    return np.pad(curve, ((0, 0), (1, 0))), np.concatenate(shares)


def _ensemble(model: RiskModel, x: Tensor, device: str) -> tuple[Reals, Reals]:
    """Hazard of the mean survival of all nets, and their mean component shares."""
    each = [hazards(net, x, device) for net in model.nets]
    return mean_curve([curve for curve, _ in each]), np.mean([share for _, share in each], axis=0)


def _leading(
    model: RiskModel, windows: SensorWindows, kind_of: Whole, hazard: Reals, device: str
) -> tuple[tuple[str, ...], ...]:
    """The sensors without which the 30-day hazard would be lowest, at most LEADING_SENSORS.

    Occlusion: a sensor's features are set to its kind's usual values, one sensor at a time.
    """
    usual = model.scaling.centre[kind_of]
    width = windows.signals.shape[2]
    drop = np.full((len(windows), len(model.sensors)), -np.inf)
    before = np.log(_month(hazard))
    trusted = _trust(windows) > 0
    for i in range(len(model.sensors)):
        heard = np.isfinite(windows.signals[:, i, 0]) & trusted
        if not heard.any():
            continue
        rows = np.flatnonzero(heard)
        hidden = windows.take(rows)
        signals = hidden.signals.copy()
        signals[:, i] = usual[rows, i * width : (i + 1) * width]
        hidden = SensorWindows(
            **{f.name: getattr(hidden, f.name) for f in fields(hidden)} | {"signals": signals}
        )
        after, _ = _ensemble(model, encode(model.scaling, kind_of[rows], hidden), device)
        drop[rows, i] = before[rows] - np.log(_month(after))
    best = np.argsort(-drop, axis=1, kind="stable")[:, :LEADING_SENSORS]
    return tuple(
        tuple(model.sensors[i] for i in row if drop[n, i] > 0) for n, row in enumerate(best)
    )


def _month(hazard: Reals) -> Reals:
    """Cumulative hazard (n,) of 30 days."""
    return np.asarray(hazard[:, EDGES_DAYS == 30.0][:, 0] + 1e-9)


def _names(components: tuple[str, ...], share: Reals) -> NDArray[np.str_]:
    if not components:
        return np.full(len(share), "", dtype=np.str_)
    likeliest = np.array(components, dtype=np.str_)[share.argmax(axis=1)]
    return np.where(share.max(axis=1) > 0, likeliest, "")


# --- bytes ---------------------------------------------------------------------------------------


def dumps(model: RiskModel) -> bytes:
    """The model as bytes; the same model gives the same bytes."""
    content = {
        "kinds": list(model.kinds),
        "sensors": list(model.sensors),
        "components": list(model.components),
        "hidden": model.hidden,
        "scaling": _tensors(asdict(model.scaling)),
        "fleet": _tensors(asdict(model.fleet)),
        "nets": [dict(net.state_dict()) for net in model.nets],
        "stretch": list(model.stretch),
        "residuals": list(model.residuals),
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def loads(blob: bytes) -> RiskModel:
    """The inverse of `dumps`; it reads tensors and plain values only."""
    content = torch.load(io.BytesIO(blob), weights_only=True)
    kinds, sensors, components = (tuple(content[n]) for n in ("kinds", "sensors", "components"))
    scaling = Scaling(**{name: t.numpy() for name, t in content["scaling"].items()})
    inputs = num_inputs(len(sensors), scaling.centre.shape[1], len(kinds))
    nets = []
    for state in content["nets"]:
        net = Net(len(kinds), inputs, content["hidden"], len(components))
        net.load_state_dict(state)
        nets.append(net.eval())
    return RiskModel(
        kinds=kinds,
        sensors=sensors,
        components=components,
        hidden=content["hidden"],
        scaling=scaling,
        fleet=Fleet(**{name: t.numpy() for name, t in content["fleet"].items()}),
        nets=tuple(nets),
        stretch=tuple(content["stretch"]),
        residuals=tuple(content["residuals"]),
    )


def _tensors(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
