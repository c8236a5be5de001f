"""Muon: what an update may depend on, and that it learns what AdamW is slow to."""

import pytest
import torch
from builders import small_net
from config_values import changed, yaml_values
from torch import Tensor, nn

from pixelnerf.training.muon import Muon, is_matrix, orthogonalized
from pixelnerf.training.optimization import OptimizerConfig, build_optimizer


def random_rotation(size: int) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size))[0]


def updated(weight: Tensor, gradients: list[Tensor], **group: float) -> Tensor:
    """A matrix after one step for each gradient, at learning rate 0.01."""
    parameter = nn.Parameter(weight.clone())
    optimizer = Muon([{"params": [parameter], "lr": 0.01, "weight_decay": 0.0, "orthogonal": True, **group}])
    for gradient in gradients:
        parameter.grad = gradient.clone()
        optimizer.step()
    return parameter.detach()


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 64, 576), (2, 96, 17), (1, 16, 16)])
def test_singular_values_become_about_one(shape):
    torch.manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.logspace(0, -2, u.shape[-1])
    result = orthogonalized(1e-5 * u @ torch.diag(values) @ v)
    found = u.mT @ result @ v.mT
    assert torch.allclose(found, torch.diag_embed(found.diagonal(dim1=-2, dim2=-1)), atol=1e-3)
    assert found.diagonal(dim1=-2, dim2=-1).min() > 0.6
    assert found.diagonal(dim1=-2, dim2=-1).max() < 1.3


def test_a_zero_gradient_moves_nothing():
    weight = torch.randn(16, 32)
    assert torch.equal(updated(weight, [torch.zeros(16, 32)]), weight)


def test_decay_shrinks_a_weight_by_its_share():
    weight = torch.randn(16, 32)
    shrunk = updated(weight, [torch.zeros(16, 32)], weight_decay=0.5)
    assert torch.allclose(shrunk, (1 - 0.01 * 0.5) * weight)


def test_momentum_goes_on_without_a_gradient():
    torch.manual_seed(0)
    zero, gradient = torch.zeros(24, 32), torch.randn(24, 32)
    once = updated(zero, [gradient])
    assert torch.allclose(updated(zero, [gradient, zero]), 2 * once, atol=1e-6)


def test_a_step_turns_with_its_gradient_and_ignores_its_size():
    torch.manual_seed(0)
    gradients = [torch.randn(32, 48) for _ in range(3)]
    zero = torch.zeros(32, 48)
    moved = updated(zero, gradients)
    left, right = random_rotation(32), random_rotation(48)
    turned = updated(zero, [left @ gradient @ right for gradient in gradients])
    assert torch.allclose(turned, left @ moved @ right, atol=1e-5)
    assert torch.allclose(updated(zero, [1e-3 * gradient for gradient in gradients]), moved, atol=1e-6)


def test_an_update_is_as_large_for_any_shape():
    torch.manual_seed(0)
    sizes = [
        updated(torch.zeros(shape), [torch.randn(shape)]).square().mean().sqrt()
        for shape in [(16, 48), (64, 576), (512, 64)]
    ]
    assert all(0.68 * 0.005 < size < 1.21 * 0.005 for size in sizes)


def test_a_kernel_moves_as_the_matrix_of_its_windows():
    torch.manual_seed(0)
    weight, gradient = torch.randn(2, 32, 16, 3, 3)
    kernel = updated(weight, [gradient])
    assert torch.equal(kernel.flatten(1), updated(weight.flatten(1), [gradient.flatten(1)]))


def test_matrices_of_one_shape_do_not_mix():
    torch.manual_seed(0)
    weights = [nn.Parameter(torch.zeros(24, 24)) for _ in range(3)]
    gradients = torch.randn(3, 24, 24) * torch.tensor([1.0, 1e-4, 10.0])[:, None, None]
    optimizer = Muon([{"params": weights, "lr": 0.01, "weight_decay": 0.0, "orthogonal": True}])
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    weights[2].grad = None
    optimizer.step()
    for weight, gradient in zip(weights[:2], gradients[:2], strict=True):
        assert torch.allclose(weight, updated(torch.zeros(24, 24), [gradient]), atol=1e-6)
    assert not weights[2].any()


def test_other_weights_move_as_by_adamw():
    torch.manual_seed(0)
    start = torch.randn(40)
    moved = []
    for kind in (Muon, torch.optim.AdamW):
        weight = nn.Parameter(start.clone())
        optimizer = kind([{"params": [weight], "lr": 0.01, "weight_decay": 0.1}])
        for step in range(4):
            weight.grad = torch.sin(torch.arange(40.0) + step)
            optimizer.step()
        moved.append(weight.detach())
    assert torch.equal(*moved)


def test_which_weights_are_matrices():
    assert is_matrix(torch.empty(64, 3, 7, 7))
    assert is_matrix(torch.empty(16, 16))
    assert not is_matrix(torch.empty(3, 128))
    assert not is_matrix(torch.empty(128))
    assert not is_matrix(torch.empty(2, 192))


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_each_weight_of_a_net_has_one_group(repository, name):
    net = small_net(repository)
    values = yaml_values("trainer/default")["optimizer"]
    rate, decay = 1e-3, 0.1
    config = OptimizerConfig.model_validate(
        changed(values, {"name": name, "learning_rate": rate, "encoder_rate": 0.5, "weight_decay": decay})
    )
    optimizer, _ = build_optimizer(net, config, lambda: 0.5)
    groups = {weight: group for group in optimizer.param_groups for weight in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(net.parameters()))
    for weight_name, weight in net.named_parameters():
        group, encodes = groups[weight], weight_name.startswith("encoder.")
        assert group["initial_lr"] == (0.5 * rate if encodes else rate), weight_name
        assert group["weight_decay"] == (decay if weight.ndim > 1 and not encodes else 0.0), weight_name
        assert group.get("orthogonal", False) == (name == "muon" and is_matrix(weight)), weight_name


def test_a_stopped_run_goes_on_as_if_it_had_not():
    torch.manual_seed(0)
    gradients = [torch.randn(24, 32) for _ in range(6)]
    weight = nn.Parameter(torch.zeros(24, 32))
    group = {"lr": 0.01, "weight_decay": 0.1, "orthogonal": True}
    first = Muon([{"params": [weight], **group}])
    for gradient in gradients[:3]:
        weight.grad = gradient.clone()
        first.step()
    again = nn.Parameter(weight.detach().clone())
    second = Muon([{"params": [again], **group}])
    second.load_state_dict(first.state_dict())
    for gradient in gradients[3:]:
        again.grad = gradient.clone()
        second.step()
    assert torch.equal(again, updated(torch.zeros(24, 32), gradients, weight_decay=0.1))


def test_it_learns_directions_that_a_gradient_hardly_shows():
    torch.manual_seed(0)
    # Inputs vary a hundred times more along some directions than along others, and the axes are mixed.
    inputs = torch.randn(256, 32) * torch.logspace(0, -2, 32) @ random_rotation(32)
    target = inputs @ torch.randn(32, 32)
    errors = {}
    for kind in (Muon, torch.optim.AdamW):
        layer = nn.Linear(32, 32, bias=False)
        group = {"params": [layer.weight], "lr": 0.02, "weight_decay": 0.0}
        optimizer = kind([{**group, "orthogonal": True} if kind is Muon else group])
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, 400)
        for _ in range(400):
            optimizer.zero_grad()
            loss = (layer(inputs) - target).square().mean()
            loss.backward()
            optimizer.step()
            schedule.step()
        # The error of the weights, not of what they predict: the weak directions count.
        errors[kind] = torch.linalg.lstsq(inputs, target - layer(inputs)).solution.norm().item()
    assert errors[Muon] < 0.5 * errors[torch.optim.AdamW], errors
