"""What is scored in one pass is what the nets and autograd say."""

import torch

from logistics.maintenance.network import Nets
from logistics.maintenance.scoring import MONTH, arrange, curves, forward, pulls
from logistics.maintenance.survival import WIDTHS_DAYS


def nets(spread: float) -> Nets:
    """Nets of random weights; with a wide spread, many of their rates are held at a bound."""
    torch.manual_seed(1)
    found = Nets(3, num_kinds=2, num_sensors=3, num_inputs=40, hidden=16, num_components=4)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.normal_(std=spread)
        found.fleet_log_rates.normal_(-5.0, 0.3)
        found.usual_odds.normal_()
    return found.double().eval()


def test_one_pass_gives_the_curves_and_slopes_of_the_nets() -> None:
    for spread in (0.2, 1.0):
        model, x = nets(spread), torch.randn(9, 40, dtype=torch.float64).requires_grad_()
        rates = model(x.expand(3, -1, -1)).exp()
        passed = (rates.sum(2) * torch.tensor(WIDTHS_DAYS)).cumsum(-1)
        hazard = rates[..., :MONTH].sum((2, 3)).mean(0)
        (slope,) = torch.autograd.grad(hazard.log().sum(), x)
        scorer = arrange(model)
        with torch.no_grad():
            done = forward(scorer, x.detach())
            alive, failed = curves(scorer, done)
            rows = torch.tensor([1, 4, 8])
            found = pulls(scorer, done, rows, inputs=13)
        assert torch.allclose(done.rates, rates)
        assert torch.allclose(alive[:, 1:], torch.exp(-passed).mean(0))
        assert torch.allclose(1 - failed.sum(1), alive[:, [7, 30]])
        assert torch.allclose(found, (slope * x)[rows, :13])
