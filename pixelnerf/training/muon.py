"""Muon: matrices move by orthogonalised momentum, everything else as in AdamW.

A gradient's few large singular values drown the rest, and Adam's division by element leaves them in place. Muon (Jordan
et al., "Muon: An optimizer for hidden layers in neural networks", 2024) replaces the momentum of a matrix, U S V^T, by
about U V^T, so that every direction moves equally far: what AdamW learns in 1,000 steps of experiment=quickstart, it
learns in fewer than 500 (docs/results/weights.md).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

# Jordan's quintic: it takes singular values of 0.003 and more to between 0.68 and 1.21 in five steps.
_LINEAR, _CUBIC, _QUINTIC = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5
_MOMENTUM = 0.95
# The root mean square of an update at learning rate 1. AdamW's is 0.2 to 0.4 (Liu et al., "Muon is scalable for LLM
# training", 2025, equation 4, match 0.2), so that both can share a learning rate; 0.5 learns faster than 0.2 and 1.2.
_UPDATE_SIZE = 0.5
_SMALLEST_SIDE = 16


class Muon(torch.optim.AdamW):
    """Groups with `orthogonal: True` hold matrices and kernels (`is_matrix`); the others are AdamW's."""

    def __init__(self, groups: Iterable[dict[str, Any]], *, fused: bool = False) -> None:
        super().__init__([{"orthogonal": False, **group} for group in groups], fused=fused)

    @override
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = self.param_groups
        for group in groups:
            if group["orthogonal"]:
                self._move(group)
        self.param_groups = [group for group in groups if not group["orthogonal"]]
        try:
            super().step()
        finally:
            self.param_groups = groups
        return loss

    def _move(self, group: dict[str, Any]) -> None:
        by_shape: defaultdict[tuple[int, int], list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for weight in group["params"]:
            if weight.grad is not None:
                by_shape[len(weight), weight[0].numel()].append((weight, weight.grad))
        for (rows, columns), weights in by_shape.items():
            directions = torch.stack([self._direction(weight, gradient).flatten(1) for weight, gradient in weights])
            updates = orthogonalized(directions) * (_UPDATE_SIZE * max(rows, columns) ** 0.5)
            for (weight, _), update in zip(weights, updates, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(update.view_as(weight), alpha=group["lr"])

    def _direction(self, weight: Tensor, gradient: Tensor) -> Tensor:
        """Nesterov's look ahead along the momentum."""
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
            state["step"] = torch.zeros(())  # AdamW expects one when it loads a state
        momentum: Tensor = state["momentum"].lerp_(gradient, 1 - _MOMENTUM)
        return gradient.lerp(momentum, _MOMENTUM)


def orthogonalized(matrices: Float[Tensor, "batch row column"]) -> Float[Tensor, "batch row column"]:
    """About U V^T of each matrix U S V^T: singular values of 0.003 to 1 of its norm become 0.68 to 1.21.

    Newton-Schulz iterations X <- a X + b (X X^T) X + c (X X^T)^2 X, in which only the Gram matrix of the smaller side
    takes part until the end: a kernel has up to nine times as many columns as rows.

    Examples:
        >>> import torch
        >>> from pixelnerf.training.muon import orthogonalized
        >>> u, _, v = torch.linalg.svd(torch.randn(1, 8, 72), full_matrices=False)
        >>> almost = orthogonalized(u @ torch.diag_embed(torch.rand(1, 8) + 0.1) @ v)
        >>> bool(((almost - u @ v).norm() / 8**0.5 < 0.35).all())
        True
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    wide = matrices.mT if tall else matrices
    wide = wide / wide.norm(dim=(-2, -1), keepdim=True).clamp_min(1e-12)
    gram = wide @ wide.mT
    total = factor = _factor(gram)
    for _ in range(_ITERATIONS - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        total = factor @ total
    result = total @ wide
    return result.mT if tall else result


def _factor(gram: Float[Tensor, "batch row row"]) -> Float[Tensor, "batch row row"]:
    """What an iteration multiplies X by: a + b X X^T + c (X X^T)^2."""
    factor = torch.baddbmm(gram, gram, gram, beta=_CUBIC, alpha=_QUINTIC)
    factor.diagonal(dim1=-2, dim2=-1).add_(_LINEAR)
    return factor


def is_matrix(weight: Tensor) -> bool:
    """Whether a weight maps many values to many: not a bias, and no output such as colour or density."""
    return weight.ndim > 1 and min(len(weight), weight[0].numel()) >= _SMALLEST_SIDE
