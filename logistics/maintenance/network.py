"""Several risk nets side by side, as one: each learns from other assets. Knows Torch only.

Every net gives a rate of failure per day and component for each stretch of the time ahead
(piecewise constant, competing hazards). Axes: e nets, n rows, c components.
"""

import copy
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from logistics.maintenance.features import SENSOR_FEATURES
from logistics.maintenance.links import Line, tempo
from logistics.maintenance.survival import EDGES_DAYS, LIFE_CAP_DAYS, WIDTHS_DAYS, bumps

NET_FEATURES = SENSOR_FEATURES.index("turned")  # of a sensor, those before it; it only explains
# Ways to wear that each component may show: sums of sensors. Nets that weigh every feature of every
# sensor by itself learn units by heart: on held-out training units of C-MAPSS their lives were off
# by 8 % (FD003) and 10 % (FD001) more, with six made regimes by 23 %; with three ways by 3 %.
WAYS = 2
NUM_BUMPS = 10
NUM_BLOCKS = 2
DROPOUT = 0.2
HORIZONS_DAYS = (7, 30)
MOST_LOG_RATES = (-16.0, 2.0)  # per day: least and most
_UP_TO_CAP = int((EDGES_DAYS < LIFE_CAP_DAYS).sum())  # stretches


class Linear(nn.Module):
    """One linear layer per net: (e, n, i) → (e, n, o); it starts at zero where told to."""

    def __init__(self, nets: int, ins: int, outs: int, zero: bool = False) -> None:
        super().__init__()
        start = torch.zeros if zero else torch.randn
        self.weight = nn.Parameter(start(nets, ins, outs) * (3 * ins) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(nets, 1, outs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class Block(nn.Module):
    """A residual step."""

    def __init__(self, nets: int, hidden: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(nets, 1, hidden))
        self.step = Linear(nets, hidden, hidden)

    def forward(self, state: Tensor) -> Tensor:
        normal = nn.functional.layer_norm(state, state.shape[-1:]) * self.gain
        stepped = nn.functional.gelu(self.step(normal))
        return state + nn.functional.dropout(stepped, DROPOUT, self.training)


class Nets(nn.Module):
    """Inputs (e, n, f), NET_FEATURES of each sensor first and the kind last → log rates per day
    (e, n, c, stretches).

    A residual MLP and a straight line side by side, on the features of a few sums of sensors. The
    line begins as the one of links.py: with few failures it is all that can be learnt. The rates
    over time are a few smooth bumps on the fleet's own: free ones would be noise.
    """

    bumps: Tensor
    tempo: Tensor
    fleet_log_rates: Tensor
    usual_odds: Tensor
    first_level: Tensor
    first_drift: Tensor

    def __init__(
        self,
        nets: int,
        num_kinds: int,
        num_sensors: int,
        num_inputs: int,
        hidden: int,
        num_components: int,
    ) -> None:
        super().__init__()
        odds = max(num_components, 1)
        ways = min(WAYS * odds, num_sensors)
        seen = num_inputs - (num_sensors - ways) * NET_FEATURES
        self.ways = nn.Parameter(torch.randn(nets, num_sensors, ways) * max(num_sensors, 1) ** -0.5)
        self.enter = Linear(nets, seen, hidden)
        self.blocks = nn.ModuleList(Block(nets, hidden) for _ in range(NUM_BLOCKS))
        self.rates = Linear(nets, hidden, odds * NUM_BUMPS, zero=True)
        self.components = Linear(nets, hidden, odds, zero=True)
        self.line = Linear(nets, seen, odds, zero=True)
        self.drift = Linear(nets, seen, odds, zero=True)
        self.register_buffer("first_level", torch.zeros(nets, num_inputs, odds))
        self.register_buffer("first_drift", torch.zeros(nets, num_inputs, odds))
        self.register_buffer("bumps", torch.tensor(bumps(NUM_BUMPS), dtype=torch.float32))
        middle = tempo((EDGES_DAYS[:-1] + EDGES_DAYS[1:]) / 2)
        self.register_buffer("tempo", torch.tensor(middle, dtype=torch.float32))
        self.register_buffer("fleet_log_rates", torch.zeros(nets, 1, 1, len(WIDTHS_DAYS)))
        self.register_buffer("usual_odds", torch.zeros(num_kinds + 1, odds))  # log, by kind

    def forward(self, x: Tensor, stretches: int | None = None) -> Tensor:
        """stretches: only so many of the first ones; None: all."""
        enter, level, drift = self.on_inputs()
        state = torch.baddbmm(self.enter.bias, x, enter)
        for block in self.blocks:
            state = block(state)
        state = nn.functional.layer_norm(state, state.shape[-1:])
        odds = self.components(state) + torch.baddbmm(self.line.bias, x, level)
        slant = torch.baddbmm(self.drift.bias, x, drift)
        # One product for all that adds up: no other step is as large as its result.
        shape = self.rates(state).unflatten(-1, (-1, NUM_BUMPS))
        ones = torch.ones_like(odds)
        terms = torch.cat([shape, torch.stack([slant, odds, ones], -1)], -1)
        course = self.course()[..., :stretches]
        log_rates = torch.bmm(terms.flatten(1, 2), course).clamp_(*MOST_LOG_RATES)
        return log_rates.reshape(*terms.shape[:3], course.shape[-1])

    def on_inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights (e, f, outs) of all inputs: what enters the blocks, and the line's odds and drift
        with what is known of the kinds."""
        enter, level, drift = map(self._spread, (self.enter, self.line, self.drift))
        kinds = self.usual_odds.expand(len(level), -1, -1)
        usual = nn.functional.pad(kinds, (0, 0, level.shape[1] - kinds.shape[1], 0))
        return enter, self.first_level + level + usual, self.first_drift + drift

    def _spread(self, layer: Linear) -> Tensor:
        """The weights of the ways, spread over the sensors that make them up."""
        nets, _, ways = self.ways.shape
        width = ways * NET_FEATURES
        by_way = layer.weight[:, :width].view(nets, ways, NET_FEATURES, layer.weight.shape[2])
        by_sensor = torch.einsum("esw,ewfo->esfo", self.ways, by_way).flatten(1, 2)
        return torch.cat([by_sensor, layer.weight[:, width:]], 1)

    def each_block(self) -> Iterator[Block]:
        for block in self.blocks:
            assert isinstance(block, Block)
            yield block

    def course(self) -> Tensor:
        """(e, NUM_BUMPS + 3, stretches): what bumps, drift, odds and 1 stand for over time."""
        same = torch.cat([self.bumps, self.tempo[None], torch.ones_like(self.tempo)[None]])
        own = self.fleet_log_rates[:, 0]
        return torch.cat([same.expand(len(own), -1, -1), own], 1)


@torch.no_grad()
def start_from(nets: Nets, which: int, line: Line) -> None:
    """Net number `which` begins as the line."""
    nets.first_level[which] = torch.from_numpy(line.level)
    nets.line.bias[which, 0] = torch.from_numpy(line.bias)
    nets.first_drift[which] = torch.from_numpy(line.drift)
    nets.drift.bias[which, 0] = torch.from_numpy(line.drift_bias)


@torch.no_grad()
def between(line: Nets, nets: Nets, share: float) -> Nets:
    """The nets of which `line` is the beginning, only a share of the way from it: so are all their
    log rates."""
    drawn = copy.deepcopy(nets)
    for name in ("rates", "components", "line", "drift"):
        ends = (getattr(each, name).parameters() for each in (line, nets, drawn))
        for begun, become, part in zip(*ends, strict=True):
            part.copy_(torch.lerp(begun, become, share))
    return drawn


def some_of(nets: Nets, which: Sequence[int]) -> Nets:
    """Some of the nets, alone."""
    state = nets.state_dict()
    kinds, odds = nets.usual_odds.shape
    sensors, inputs = nets.ways.shape[1], nets.first_level.shape[1]
    alone = Nets(len(which), kinds - 1, sensors, inputs, nets.enter.weight.shape[2], odds)
    shared = ("bumps", "tempo", "usual_odds")
    alone.load_state_dict({k: v if k in shared else v[list(which)] for k, v in state.items()})
    return alone.to(nets.bumps.device).eval()


def life(rates: Tensor) -> Tensor:
    """Expected days (…) of lives that are counted up to LIFE_CAP_DAYS; rates (…, stretches)."""
    rates = rates[..., :_UP_TO_CAP]
    steps = rates * rates.new_tensor(WIDTHS_DAYS[:_UP_TO_CAP])
    alive = torch.exp(steps - steps.cumsum(-1))  # as each stretch begins
    expected: Tensor = (alive * -torch.expm1(-steps) / rates).sum(-1)
    return expected
