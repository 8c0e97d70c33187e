"""The forecaster: one network over all series, from features to quantiles of every day to come.

Knows Torch and arrays; knows nothing of tables, Ray or storage. A day's demand is located by
exp(network + weekday profile) in units of the series' scale; quantiles are ordered multiples of it.
A second head gives the quantiles of 30/60/90-day totals as multiples of the summed means, because
the quantiles of a sum are not the sums of quantiles.
"""

import io
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from logistics.forecast.features import WEEKLY, Features, features
from logistics.forecast.inputs import NUM_CATEGORIES, Array, Panel
from logistics.outputs import QUANTILE_LEVELS, TOTAL_HORIZONS_DAYS

CHUNK = 1024  # series per forward pass: 1024 × 90 days × 64 activations × 4 bytes is 24 MB


@dataclass(frozen=True, slots=True)
class Settings:
    """What a saved model needs to be built again."""

    num_past: int
    num_future: int
    hidden: int
    signal_names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QuantileForecast:
    """mean (n, h), quantiles (n, h, 9), total_mean (n, 3), total_quantiles (n, 3, 9), in units."""

    mean: Array
    quantiles: Array
    total_mean: Array
    total_quantiles: Array


class Forecaster(nn.Module):
    """Daily location and quantiles, and the quantiles of totals."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        hidden, q = settings.hidden, len(QUANTILE_LEVELS)
        self.category = nn.Embedding(NUM_CATEGORIES, 6)
        self.encoder = nn.Sequential(
            nn.Linear(settings.num_past + 6, hidden), nn.GELU(), nn.Linear(hidden, hidden // 2)
        )
        self.day = nn.Sequential(
            nn.Linear(hidden // 2 + settings.num_future, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden // 2),
            nn.GELU(),
            _zero(nn.Linear(hidden // 2, 1 + q)),
        )
        num_totals = settings.num_past + settings.num_future + len(TOTAL_HORIZONS_DAYS) + 1
        self.total = nn.Sequential(
            nn.Linear(num_totals, hidden), nn.GELU(), _zero(nn.Linear(hidden, q))
        )
        self.spread: Tensor
        self.register_buffer("spread", torch.ones(len(TOTAL_HORIZONS_DAYS)))

    def forward(self, past: Tensor, future: Tensor, category: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (n, h) and quantiles (n, h, q), in units of the scale; quantiles may be below 0."""
        context = self.encoder(torch.cat([past, self.category(category)], dim=1))
        context = context[:, None, :].expand(-1, future.shape[1], -1)
        out = self.day(torch.cat([context, future], dim=2))
        location = torch.exp((out[..., 0] + future[..., WEEKLY]).clamp(-7, 4))
        return location, location[..., None] * _ordered(out[..., 1:])

    def totals(self, past: Tensor, future: Tensor, sums: Tensor) -> Tensor:
        """Quantiles of the totals as multiples of the summed means (n, 3, q).

        sums (n, 3): the summed means in units of the scale.
        """
        n, horizons = sums.shape
        mean_future = torch.stack(
            [future[:, :days].mean(dim=1) for days in TOTAL_HORIZONS_DAYS], dim=1
        )
        which = torch.eye(horizons).to(sums).expand(n, -1, -1)
        shared = past[:, None, :].expand(-1, horizons, -1)
        size = torch.log(sums.clamp_min(1e-3))[..., None]
        ratio = _ordered(self.total(torch.cat([shared, mean_future, which, size], dim=2)))
        middle = ratio[..., len(QUANTILE_LEVELS) // 2, None]
        return middle + (ratio - middle) * self.spread[None, :, None]


def _zero(layer: nn.Linear) -> nn.Linear:
    """Start at the weekday profile and a fixed spread instead of at noise."""
    nn.init.zeros_(layer.weight)
    return layer


def _ordered(raw: Tensor) -> Tensor:
    """Nine increasing multiples around 1: the median, and steps down and up from it."""
    half = raw.shape[-1] // 2
    steps = 0.3 * nn.functional.softplus(raw)
    middle = 1 + 0.3 * raw[..., half, None]
    down = middle - steps[..., :half].flip(-1).cumsum(-1).flip(-1)
    up = middle + steps[..., half + 1 :].cumsum(-1)
    return torch.cat([down, middle, up], dim=-1)


def predict(model: Forecaster, panel: Panel, device: str = "cpu") -> QuantileForecast:
    """Demand from the panel's run date on; 0 from a series' end of life on."""
    seen = features(panel, panel.num_days, model.settings.signal_names)
    parts = [
        _predict(model, seen, slice(i, i + CHUNK), _alive(panel)[i : i + CHUNK], device)
        for i in range(0, max(len(panel), 1), CHUNK)
    ]
    return QuantileForecast(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


@torch.inference_mode()
def _predict(
    model: Forecaster, seen: Features, rows: slice, alive: Array, device: str
) -> tuple[Array, Array, Array, Array]:
    past, future, scale = (
        torch.from_numpy(array[rows]).to(device) for array in (seen.past, seen.future, seen.scale)
    )
    category = torch.from_numpy(seen.category[rows]).to(device)
    on_sale = torch.from_numpy(alive).to(device)
    mean, quantiles = model(past, future, category)
    mean = mean * on_sale
    sums = sums_of(mean)
    ratios = model.totals(past, future, sums)
    total = sums * scale[:, None]
    arrays = (
        mean * scale[:, None],
        quantiles.clamp_min(0) * (on_sale * scale[:, None])[..., None],
        total,
        (ratios * total[..., None]).clamp_min(0),
    )
    return tuple(array.float().cpu().numpy() for array in arrays)  # type: ignore[return-value]


def sums_of(daily: Tensor) -> Tensor:
    """(n, h) → (n, 3): totals over the standard horizons, as far as the days reach."""
    return torch.stack([daily[:, :days].sum(dim=1) for days in TOTAL_HORIZONS_DAYS], dim=1)


def _alive(panel: Panel) -> Array:
    return (panel.days_left[:, None] > np.arange(panel.horizon_days)[None, :]).astype(np.float32)


def dumps(model: Forecaster) -> bytes:
    """The model as bytes."""
    file = io.BytesIO()
    settings = asdict(model.settings)
    settings["signal_names"] = list(settings["signal_names"])
    torch.save({"settings": settings, "state": model.cpu().state_dict()}, file)
    return file.getvalue()


def loads(blob: bytes, device: str = "cpu") -> Forecaster:
    """The inverse of `dumps`."""
    saved = torch.load(io.BytesIO(blob), map_location=device, weights_only=True)
    names = tuple(saved["settings"].pop("signal_names"))
    model = Forecaster(Settings(**saved["settings"], signal_names=names))
    model.load_state_dict(saved["state"])
    return model.to(device).eval()
