"""What the nets can and cannot see."""

import copy

import torch

from logistics.maintenance.network import NET_FEATURES, WAYS, Nets, between


def test_nets_learn_from_a_few_sums_of_sensors() -> None:
    torch.manual_seed(2)
    sensors, rest = 7, 3
    inputs = sensors * NET_FEATURES + rest
    nets = Nets(2, num_kinds=1, num_sensors=sensors, num_inputs=inputs, hidden=8, num_components=1)
    with torch.no_grad():
        for parameter in nets.parameters():
            parameter.normal_(std=0.3)
    x = torch.randn(2, 5, inputs)
    rates = nets.eval()(x)
    # Each net's ways leave directions in which its sensors may move unnoticed, whatever a feature.
    unseen = torch.linalg.svd(nets.ways.mT).Vh[:, WAYS:].sum(1)
    moved = torch.einsum("es,nf->ensf", unseen, torch.randn(5, NET_FEATURES)).flatten(2)
    same = nets(x + torch.nn.functional.pad(moved, (0, rest)))
    assert torch.allclose(rates, same, atol=1e-4)
    assert not torch.allclose(rates, nets(x + 1.0), atol=1e-2)


def test_nets_a_share_of_the_way_from_the_line_have_log_rates_in_between() -> None:
    torch.manual_seed(3)
    line = Nets(2, num_kinds=1, num_sensors=3, num_inputs=36, hidden=8, num_components=2)
    with torch.no_grad():
        line.first_level.normal_()
        line.line.bias.normal_()
        line.fleet_log_rates.sub_(4.0)
        nets = copy.deepcopy(line)
        for parameter in nets.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
        x = 0.3 * torch.randn(2, 5, 36)
        begun, become = (each.eval()(x) for each in (line, nets))
        told = between(line, nets, 0.25).eval()(x)
    assert torch.allclose(told, torch.lerp(begun, become, 0.25), atol=1e-4)
    assert not torch.allclose(begun, become, atol=1e-2)
