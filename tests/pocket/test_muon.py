"""Muon's updates are orthogonal, as large as AdamW's, and learn; small weights are left to AdamW."""

import torch
from torch import nn

from pocket.training.muon import Muon, build_optimizers, orthogonalise, set_learning_rate, update


def test_an_orthogonalised_matrix_keeps_its_directions_and_evens_their_sizes() -> None:
    torch.manual_seed(0)
    for shape in ((24, 80), (80, 24)):
        matrix = torch.randn(shape)
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        sizes = torch.linalg.svdvals(orthogonalise(matrix))
        assert sizes.min() > 0.5
        assert sizes.max() < 1.3
        alignment = (left.T @ orthogonalise(matrix) @ right.T).diagonal() / sizes.mean()
        assert alignment.min() > 0.5, "each direction keeps its sign"


def test_an_update_has_the_root_mean_square_that_adamw_has() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(64, 32, 3, 3))
    weight.grad = 1e-4 * torch.randn_like(weight)
    Muon([weight], lr=1.0).step()
    assert 0.1 < weight.detach().square().mean().sqrt() < 0.3


def test_a_net_learns_with_muon_on_matrices_and_adamw_on_the_rest() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 3))
    inputs, targets = torch.randn(256, 64), torch.randn(256, 3)
    optimizers = build_optimizers(net, 1e-2)
    assert [w.shape for w in optimizers[0].param_groups[0]["params"]] == [(64, 64)]
    assert len(optimizers[1].param_groups[0]["params"]) == 3
    first = nn.functional.mse_loss(net(inputs), targets).item()
    for _ in range(60):
        update(optimizers, nn.functional.mse_loss(net(inputs), targets))
    assert nn.functional.mse_loss(net(inputs), targets).item() < 0.5 * first
    set_learning_rate(optimizers, 0.0)
    before = net[0].weight.detach().clone()
    update(optimizers, nn.functional.mse_loss(net(inputs), targets))
    assert torch.equal(net[0].weight, before)


def test_frozen_weights_get_no_optimizer() -> None:
    net = nn.Linear(64, 64).requires_grad_(False)
    assert build_optimizers(net, 1e-3) == []
    net.bias.requires_grad_(True)
    (optimizer,) = build_optimizers(net, 1e-3)
    assert isinstance(optimizer, torch.optim.AdamW)
