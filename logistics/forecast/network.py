"""The network: a series' past once, then each period to come. Knows Torch; knows no panels.

A period's demand is located by exp(location) in units of the series' scale; quantiles are ordered
multiples of it. The first layer over periods adds three projections, of the series' code, of its
own known future and of its site's, so that nothing shared is copied to every series.
Source: after TiDE (Das et al. 2023), with a step-wise decoder; no attention, no recurrence.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from logistics.forecast.features import EXPECTED, WEEKLY
from logistics.forecast.panel import NUM_CODES
from logistics.outputs_forecast import QUANTILE_LEVELS

CODE_WIDTH = 4
NUM_LEVELS = len(QUANTILE_LEVELS)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network needs to be built again."""

    num_past: int
    num_step: int
    num_shared: int
    num_codes: int
    hidden: int
    step_hidden: int
    dropout: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """past (b, f); step (b, h, g); shared (sites, h, s), of which series i has row site[i]."""

    past: Tensor
    step: Tensor
    codes: Tensor
    shared: Tensor
    site: Tensor


class Network(nn.Module):
    """Location and quantiles of every period to come."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        hidden, inner = shape.hidden, shape.step_hidden
        self.codes = nn.ModuleList(
            nn.Embedding(NUM_CODES, CODE_WIDTH, padding_idx=0) for _ in range(shape.num_codes)
        )
        for embedding in self.codes:
            nn.init.normal_(embedding.weight, std=0.1)  # type: ignore[arg-type]
        self.code_dropout = nn.Dropout(0.3)
        self.dropout = nn.Dropout(shape.dropout)
        self.encoder = nn.Sequential(
            nn.Linear(shape.num_past + CODE_WIDTH * shape.num_codes, hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(shape.dropout),
        )
        self.of_series = nn.Linear(hidden, inner)
        self.of_step = nn.Linear(shape.num_step, inner, bias=False)
        self.of_site = nn.Linear(shape.num_shared, inner, bias=False)
        self.inner = nn.Linear(inner, inner)
        self.direct = nn.Linear(shape.num_step, 1, bias=False)
        self.out = nn.Linear(inner, 2 + NUM_LEVELS)
        for layer in (self.direct, self.out):
            nn.init.zeros_(layer.weight)
        start = np.concatenate([[0.0, 0.0, -1.2], np.full(NUM_LEVELS - 1, -1.5)])
        with torch.no_grad():
            self.out.bias.copy_(torch.from_numpy(start))
            # The own weekday profile, and what the regression on covariates expects.
            self.direct.weight[0, [WEEKLY, EXPECTED]] = 1.0

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """mean (b, h) and quantiles (b, h, 9) in scales; the lowest quantiles may be below 0."""
        code = self.encode(inputs.past, inputs.codes)
        site = self.of_site(inputs.shared)
        if len(site) > 1:  # a panel's one site need not be copied to every series
            site = site[inputs.site]
        first = self.of_step(inputs.step).add_(site).add_(self.of_series(code)[:, None])
        hidden = first.relu_()
        more = self.inner(self.dropout(hidden)).relu_()
        hidden = hidden + more if self.training else more.add_(hidden)  # which needs no new memory
        # A plane of all periods for each output: what follows walks along memory, and so does who
        # writes a column of each.
        flat = torch.addmm(self.out.bias[:, None], self.out.weight, hidden.flatten(0, 1).T)
        out = flat.view(len(flat), *hidden.shape[:2])
        located, mean = torch.exp((self.direct(inputs.step)[..., 0] + out[:2]).clamp(-8, 6))
        rises = nn.functional.softplus(out[2:])
        rises[0] = out[2] + 1.5
        return mean, (torch.cumsum(rises, dim=0) * located).movedim(0, -1)

    def encode(self, past: Tensor, codes: Tensor) -> Tensor:
        """The series' code (b, hidden)."""
        known = [table(codes[:, i] % NUM_CODES) for i, table in enumerate(self.codes)]
        if known:
            past = torch.cat([past, self.code_dropout(torch.cat(known, dim=1))], dim=1)
        return self.encoder(past)  # type: ignore[no-any-return]


def tensor(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))
