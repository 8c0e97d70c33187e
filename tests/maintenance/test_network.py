"""What the nets can and cannot see."""

import torch

from logistics.maintenance.network import NET_FEATURES, WAYS, Nets


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
