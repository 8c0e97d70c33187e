"""The forecaster: one network over all series, from features to quantiles of every day to come.

Knows Torch and arrays; knows nothing of tables, Ray or storage. A day's demand is located by
exp(network + weekday profile) in units of the series' scale; quantiles are ordered multiples of it.
A second head gives the quantiles of totals over any number of days as multiples of the summed
means, because the quantiles of a sum are not the sums of quantiles.
"""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor, nn

from logistics.forecast.features import WEEKLY, Features, Scope, features
from logistics.forecast.inputs import NUM_CODES
from logistics.forecast.panel import Array, Panel
from logistics.outputs import QUANTILE_LEVELS, TOTAL_HORIZONS_DAYS

CHUNK = 1024  # series at a time: 1024 × 90 days × 128 activations × 4 bytes is 47 MB
FORMAT = 2  # of a saved model: raise it when a feature or layer changes its shape or its meaning
CODE_WIDTH = 6  # of the embeddings of category and department


@dataclass(frozen=True, slots=True)
class Settings:
    """What a saved model needs to be built again."""

    num_past: int
    num_future: int
    hidden: int
    scope: Scope


@dataclass(frozen=True, slots=True)
class QuantileForecast:
    """mean (n, h), quantiles (n, h, 9), total_mean (n, 3), total_quantiles (n, 3, 9), in units.

    Quantiles are in order and no less than 0. A total's mean is the sum of its days' means.
    """

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
        self.category = nn.Embedding(NUM_CODES, CODE_WIDTH, padding_idx=0)
        self.department = nn.Embedding(NUM_CODES, CODE_WIDTH, padding_idx=0)
        self.encoder = nn.Sequential(
            nn.Linear(settings.num_past + 2 * CODE_WIDTH, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden // 2),
        )
        self.day = nn.Sequential(
            nn.Linear(hidden // 2 + settings.num_future, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden // 2),
            nn.GELU(),
            _zero(nn.Linear(hidden // 2, 1 + q)),
        )
        self.total = nn.Sequential(
            nn.Linear(settings.num_past + settings.num_future + 2, hidden),
            nn.GELU(),
            _zero(nn.Linear(hidden, q)),
        )
        # Factors on the totals' quantiles below and above the median, set by calibration.
        self.spread: Tensor
        self.register_buffer("spread", torch.ones(len(TOTAL_HORIZONS_DAYS), 2))

    def forward(
        self, past: Tensor, future: Tensor, category: Tensor, department: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean (n, h) and quantiles (n, h, q), in units of the scale; quantiles may be below 0."""
        codes = [self.category(category), self.department(department)]
        context = self.encoder(torch.cat([past, *codes], dim=1))
        context = context[:, None, :].expand(-1, future.shape[1], -1)
        out = self.day(torch.cat([context, future], dim=2))
        location = torch.exp((out[..., 0] + future[..., WEEKLY]).clamp(-7, 4))
        return location, location[..., None] * _ordered(out[..., 1:])

    def totals(
        self, past: Tensor, future: Tensor, mean: Tensor, num_days: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        """Sums of the first num_days means (n, k), and their quantiles' multiples (n, k, q)."""
        sums = sums_of(mean, num_days)
        reach = self.settings.scope.reach_days
        inputs = []
        for i, days in enumerate(num_days):
            length = torch.full_like(sums[:, :1], min(days, reach)).log() / 4.5
            size = torch.log(sums[:, i : i + 1].clamp_min(1e-3))
            inputs.append(torch.cat([past, future[:, :days].mean(dim=1), length, size], dim=1))
        return sums, _ordered(self.total(torch.stack(inputs, dim=1)))


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


def predict(
    model: Forecaster,
    panel: Panel,
    device: str = "cpu",
    total_days: Sequence[int] = TOTAL_HORIZONS_DAYS,
) -> QuantileForecast:
    """Demand from the panel's run date on; 0 from a series' end of life on."""
    rows = np.arange(len(panel))
    parts = [
        _predict(model, panel.take(rows[i : i + CHUNK]), device, total_days)
        for i in range(0, max(len(panel), 1), CHUNK)
    ]
    return QuantileForecast(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


@torch.inference_mode()
def _predict(
    model: Forecaster, panel: Panel, device: str, total_days: Sequence[int]
) -> tuple[Array, ...]:
    seen = features(panel, panel.num_periods, model.settings.scope)
    past, future, category, department = inputs_of(seen, device)
    scale = torch.from_numpy(seen.scale).to(device)[:, None]
    on_sale = torch.from_numpy(_alive(panel)).to(device)
    mean, quantiles = model(past, future, category, department)
    mean = mean * on_sale
    sums, ratios = model.totals(past, future, mean, total_days)
    middle = ratios[..., len(QUANTILE_LEVELS) // 2, None]
    below, above = model.spread[None, :, 0, None], model.spread[None, :, 1, None]
    ratios = middle + (ratios - middle) * torch.where(ratios < middle, below, above)
    mean, quantiles = mean * scale, quantiles * (on_sale * scale)[..., None]
    total = sums * scale
    arrays = (mean, _in_order(quantiles), total, _in_order(ratios * total[..., None]))
    return tuple(array.float().cpu().numpy() for array in arrays)


def _in_order(quantiles: Tensor) -> Tensor:
    """Not below 0, and in order beyond the last rounding of their construction."""
    return torch.cummax(quantiles.clamp_min(0), dim=-1).values


def inputs_of(seen: Features, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The features as the network takes them: past, future, category, department."""
    arrays = (seen.past, seen.future, seen.category, seen.department)
    past, future, category, department = (torch.from_numpy(array).to(device) for array in arrays)
    return past, future, category, department


def sums_of(daily: Tensor, num_days: Sequence[int]) -> Tensor:
    """(n, h) → (n, k): totals over the first num_days, as far as the days reach."""
    return torch.stack([daily[:, :days].sum(dim=1) for days in num_days], dim=1)


def _alive(panel: Panel) -> Array:
    return (panel.left[:, None] > np.arange(panel.horizon)[None, :]).astype(np.float32)


def dumps(model: Forecaster) -> bytes:
    """The model as bytes."""
    file = io.BytesIO()
    settings = asdict(model.settings)
    settings["scope"]["signal_names"] = list(settings["scope"]["signal_names"])
    state = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    torch.save({"format": FORMAT, "settings": settings, "state": state}, file)
    return file.getvalue()


def loads(blob: bytes, device: str = "cpu") -> Forecaster:
    """The inverse of `dumps`. Raises ValueError for a model of another format."""
    saved = torch.load(io.BytesIO(blob), map_location=device, weights_only=True)
    if saved.get("format") != FORMAT:
        raise ValueError(
            "the forecaster was saved by another version of this package: "
            "train it again with task=train workload=forecast"
        )
    scope = saved["settings"].pop("scope")
    names = tuple(scope.pop("signal_names"))
    model = Forecaster(Settings(**saved["settings"], scope=Scope(names, **scope)))
    model.load_state_dict(saved["state"])
    return model.to(device).eval()
