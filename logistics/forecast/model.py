"""The forecaster: from a panel to quantiles of every period to come and of totals over them.

Knows Torch and arrays; knows nothing of tables, Ray or storage. Totals have a head of their own:
the quantiles of a sum are not the sums of quantiles. Its quantiles are multiples of the summed
means, so that totals and periods agree.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from logistics.forecast import calibrate, fade
from logistics.forecast.features import Features, features
from logistics.forecast.network import NUM_LEVELS, Inputs, Network, Shape, tensor
from logistics.forecast.panel import Array, Panel
from logistics.forecast.quantiles import QuantileForecast
from logistics.forecast.scope import Scope
from logistics.forecast.totals import lengths_of
from logistics.outputs_forecast import TOTAL_HORIZONS_DAYS

CHUNK = 128  # series at a time: 256, whose activations leave the cache, took 1.6 times as long
FORMAT = 6  # of a saved model: raise it when a feature or layer changes its shape or its meaning


@dataclass(frozen=True, slots=True)
class Settings:
    """What a saved model needs to be built again."""

    shape: Shape
    scope: Scope
    members: int


class Forecaster(nn.Module):
    """Networks whose answers are averaged, the totals' head, and the margins of both."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        shape = settings.shape
        self.members = nn.ModuleList(Network(shape) for _ in range(settings.members))
        self.total = nn.Sequential(
            nn.Linear(shape.num_past + shape.num_step + 2, shape.hidden),
            nn.ReLU(),
            nn.Dropout(shape.dropout),
            nn.Linear(shape.hidden, NUM_LEVELS),
        )
        nn.init.zeros_(self.total[-1].weight)  # type: ignore[arg-type]
        self.margin: Tensor
        self.total_margin: Tensor
        self.borders: Tensor  # of scale, between the classes of series
        self.fade: Tensor  # by the weeks left until the end of life
        classes, blocks = calibrate.CLASSES, calibrate.BLOCKS
        self.register_buffer("margin", torch.ones(blocks, classes))
        self.register_buffer("total_margin", torch.ones(blocks, classes))
        self.register_buffer("borders", torch.zeros(classes - 1))
        self.register_buffer("fade", torch.ones(fade.WEEKS + 1))

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Mean (b, h) and quantiles (b, h, 9), in scales; quantiles may be below 0."""
        mean, quantiles = self.members[0](inputs)
        for member in self.members[1:]:
            more = member(inputs)
            mean, quantiles = mean + more[0], quantiles + more[1]
        return mean / len(self.members), quantiles / len(self.members)

    def totals(self, inputs: Inputs, mean: Tensor, lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Sums of the first so many means (b, k), and their quantiles' multiples (b, k, 9)."""
        sums, spans = sums_of(mean, lengths), mean.new_tensor(lengths)
        within = torch.arange(inputs.step.shape[1]).to(spans) < spans[:, None]
        steps = torch.matmul(within / within.sum(dim=1, keepdim=True), inputs.step)
        size = torch.log(sums.clamp_min(1e-3) / spans)
        known = (torch.log(spans.clamp_max(self.settings.scope.reach)) / 4.5).expand_as(size)
        past = inputs.past[:, None].expand(-1, len(lengths), -1)
        seen = torch.cat([past, steps, known[..., None], size[..., None]], dim=-1)
        return sums, _ordered(self.total(seen))


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
    total_periods: Sequence[int] = TOTAL_HORIZONS_DAYS,
) -> QuantileForecast:
    """Demand from the panel's run date on; 0 from a series' end of life on."""
    parts = [
        _within(model, part, total_periods, panel.num_unseen)
        for part in outlook(model, panel, device, total_periods)
    ]
    return QuantileForecast(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


@dataclass(frozen=True, slots=True)
class Outlook:
    """The networks' answer before margins, for some series: as QuantileForecast, but quantiles may
    be below 0. scale (n,) in units a period."""

    scale: Array
    mean: Array
    quantiles: Array
    total_mean: Array
    total_quantiles: Array


def outlook(
    model: Forecaster, panel: Panel, device: str, lengths: Sequence[int]
) -> Iterator[Outlook]:
    """What the networks say of the panel's series, a chunk at a time, in their order.

    Where the sales of the last periods did not come they look ahead from where those ended.
    """
    late = panel.num_unseen
    longer = replace(panel, horizon=panel.horizon + late)
    seen = features(longer, panel.num_periods - late, model.settings.scope)
    left = fade.weeks_left(panel.left, panel.horizon, panel.period_days)
    on_sale = fade.on_sale(left, model.fade.cpu().numpy())
    shared = tensor(seen.shared).to(device)
    for start in range(0, max(len(panel), 1), CHUNK):
        rows = slice(start, start + CHUNK)
        inputs = inputs_of(seen, rows, shared)
        yield _outlook(model, inputs, seen.scale[rows], on_sale[rows], lengths)


def inputs_of(seen: Features, rows: slice, shared: Tensor) -> Inputs:
    """The features of some series as the network takes them, where `shared` is."""
    past, step, codes, site = (
        tensor(array[rows]).to(shared.device)
        for array in (seen.past, seen.step, seen.codes, seen.site)
    )
    return Inputs(past, step, codes, shared, site)


@torch.inference_mode()
def _outlook(
    model: Forecaster, inputs: Inputs, scale: Array, on_sale: Array, lengths: Sequence[int]
) -> Outlook:
    units = tensor(scale[:, None]).to(inputs.past)
    share = tensor(on_sale).to(inputs.past)
    scaled, quantiles = (answer[:, -share.shape[1] :] for answer in model(inputs))
    scaled = scaled * share
    ahead = replace(inputs, step=inputs.step[:, -share.shape[1] :])
    sums, ratios = model.totals(ahead, scaled, lengths)
    answers = (
        scaled * units,
        quantiles * (share * units)[..., None],
        sums * units,
        ratios * (sums * units)[..., None],
    )
    return Outlook(scale, *(answer.float().cpu().numpy() for answer in answers))


def forecaster(model: Forecaster, device: str, series: Panel) -> QuantileForecast:
    """The model's answer, with the totals of the panel's own periods."""
    return predict(model, series, device, lengths_of(series))


def _within(
    model: Forecaster, part: Outlook, lengths: Sequence[int], late: int
) -> tuple[Array, ...]:
    """mean, quantiles, total_mean and total_quantiles with the margins of the back-test.

    late: periods between the last sales that came and the first one forecast.
    """
    reach = model.settings.scope.reach
    group = classes_of(model, part.scale)[:, None]
    block = calibrate.block_of(late + np.arange(part.mean.shape[1]), reach)[None]
    of_total = calibrate.block_of(late + np.array(lengths) - 1, reach)[None]
    margin, total_margin = model.margin.cpu().numpy(), model.total_margin.cpu().numpy()
    return (
        part.mean,
        calibrate.widen(part.quantiles, part.mean, margin[block, group]),
        part.total_mean,
        calibrate.widen(part.total_quantiles, part.total_mean, total_margin[of_total, group]),
    )


def classes_of(model: Forecaster, scale: Array) -> NDArray[np.int64]:
    """The class of each series by its scale (n,)."""
    return np.asarray(np.searchsorted(model.borders.cpu().numpy(), scale))


def sums_of(mean: Tensor, lengths: Sequence[int]) -> Tensor:
    """(n, h) → (n, k): totals over the first so many periods, as far as they reach."""
    return torch.stack([mean[:, :length].sum(dim=1) for length in lengths], dim=1)


def dumps(model: Forecaster) -> bytes:
    """The model as bytes."""
    file = io.BytesIO()
    state = {name: value.cpu() for name, value in model.state_dict().items()}
    torch.save({"format": FORMAT, "settings": asdict(model.settings), "state": state}, file)
    return file.getvalue()


def loads(blob: bytes, device: str = "cpu") -> Forecaster:
    """The inverse of `dumps`. Raises ValueError for a model of another format."""
    saved = torch.load(io.BytesIO(blob), map_location=device, weights_only=True)
    if saved.get("format") != FORMAT:
        raise ValueError(
            "the forecaster was saved by another version of this package: "
            "train it again with task=train workload=forecast"
        )
    settings = saved["settings"]
    shape, scope = Shape(**settings["shape"]), Scope(**settings["scope"])
    model = Forecaster(Settings(shape, scope, settings["members"]))
    model.load_state_dict(saved["state"])
    return model.to(device).eval()
