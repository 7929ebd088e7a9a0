"""Spectral and weight norm of a layer's weight, and clipping of gradients by their norm."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from .. import ops, random
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..kernels.arrays import Array, xp_of
from .conv import ConvTranspose
from .module import Buffer, Module, Parameter
from .norm import frozen
from .reparam import remove_weight_norm as remove_weight_norm
from .reparam import weight_norm as weight_norm

_M = TypeVar("_M", bound=Module)


@dataclass(frozen=True)
class SpectralNorm:
    """Compute ``weight_orig / sigma`` for each forward; see ``spectral_norm``."""

    name: str
    n_power_iterations: int
    eps: float
    dim: int

    def __call__(self, module: Module) -> Tensor:
        """Move u and v on, in training mode, and return the normalised weight."""
        tensors = vars(module)
        u, v = tensors[f"{self.name}_u"], tensors[f"{self.name}_v"]
        rows = self._swap(tensors[f"{self.name}_orig"])
        if module.training:
            new_u, new_v = ops.power_iteration(rows, u, steps=self.n_power_iterations, eps=self.eps)
            u.assign_(new_u.data)
            v.assign_(new_v.data)
        return self._swap(ops.spectral_norm(rows, frozen(u), frozen(v)))

    def _swap(self, w: Tensor) -> Tensor:
        """Bring axis ``dim`` to the front, or back: its own inverse."""
        if self.dim == 0:
            return w
        axes = list(range(w.ndim))
        axes[0], axes[self.dim] = axes[self.dim], axes[0]
        return ops.transpose(w, axes)


def spectral_norm(
    module: _M,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> _M:
    """Divide a weight of ``module`` by its largest singular value, in each forward; return it.

        weight = weight_orig / sigma,   sigma = u^T W v,   W = weight_orig as a matrix (dim, rest)

    The parameter ``weight`` becomes the parameter ``weight_orig`` and the buffers ``weight_u`` and
    ``weight_v`` (PyTorch's keys); ``weight`` itself exists only while a forward runs. In training
    mode, each forward first moves u and v by power iteration; in eval mode they are frozen.

    Args:
        module: a layer.
        name: the parameter.
        n_power_iterations: steps of power iteration a forward.
        eps: lower bound of the norms that u and v are divided by.
        dim: the axis of W's rows; None means 1 for transposed convolutions, else 0.

    Raises:
        OptionError: the module has no such parameter of two axes, or ``n_power_iterations`` < 1.

    Differentiable: any order; what is differentiated is W / (u^T W v) with u and v constant.
    Source: arXiv:1802.05957, algorithm 1.
    """
    weight = vars(module).get(name)
    if not isinstance(weight, Parameter) or weight.ndim < 2:
        raise OptionError(f"spectral_norm: {type(module).__name__} has no matrix {name!r}")
    if n_power_iterations < 1:
        raise OptionError(f"spectral_norm: n_power_iterations {n_power_iterations}: 1 or more fit")
    rows_axis = dim if dim is not None else 1 if isinstance(module, ConvTranspose) else 0
    if not 0 <= rows_axis < weight.ndim:
        raise OptionError(f"spectral_norm: {name!r} {weight.shape} has no axis {dim}")
    rows = weight.shape[rows_axis]
    tensors = vars(module)
    del tensors[name]
    tensors[f"{name}_orig"] = weight
    for key, size in (("u", rows), ("v", weight.size // rows)):
        direction = random.current().stream("init").normal(size, weight.dtype)
        tensors[f"{name}_{key}"] = Buffer(_unit(direction, eps))
    module._computed += (SpectralNorm(name, n_power_iterations, eps, rows_axis),)
    return module


def remove_spectral_norm(module: _M, name: str = "weight") -> _M:
    """Fold sigma into the weight: ``weight`` is a parameter again, with the value of eval mode.

    Raises:
        OptionError: the module has no spectral norm of that name.
    """
    found = [c for c in module._computed if isinstance(c, SpectralNorm) and c.name == name]
    if not found:
        raise OptionError(f"remove_spectral_norm: {type(module).__name__} has none on {name!r}")
    training, module.training = module.training, False
    with no_grad():
        weight = Parameter(found[0](module))
    module.training = training
    module._computed = tuple(c for c in module._computed if c is not found[0])
    for key in ("orig", "u", "v"):
        del vars(module)[f"{name}_{key}"]
    vars(module)[name] = weight
    return module


def _unit(a: Array, eps: float) -> Array:
    unit: Array = a / xp_of(a).maximum(xp_of(a).sqrt((a * a).sum()), eps)
    return unit


def clip_grad_norm_(tensors: Iterable[Tensor] | Tensor, max_norm: float) -> float:
    """Scale gradients so that their norm, taken together, is at most ``max_norm``; return it.

        g <- g * min(1, max_norm / (norm + 1e-6)),   norm = sqrt(sum of all g^2) before clipping

    Args:
        tensors: parameters, whose ``.grad`` are changed, or gradients themselves, as ``grad``
            returns them.
        max_norm: bound of the Euclidean norm.

    Raises:
        OptionError: ``max_norm`` is not positive.

    A norm that is not finite is returned and leaves the gradients as they are (PyTorch makes them
    all NaN): check what is returned. Source: arXiv:1211.5063, algorithm 1.
    """
    if not max_norm > 0:
        raise OptionError(f"clip_grad_norm_: max_norm {max_norm}: a positive number fits")
    given = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    found = [t.grad if isinstance(t, Parameter) else t for t in given]
    grads = [g for g in found if g is not None]
    norm = math.sqrt(math.fsum(_sum_of_squares(g.data) for g in grads))
    scale = max_norm / (norm + 1e-6)
    if math.isfinite(norm) and scale < 1:
        for g in {id(g): g for g in grads}.values():  # one tensor may be two parameters' gradient
            g.assign_(g.data * g.dtype.type(scale))
    return norm


def _sum_of_squares(a: Array) -> float:
    wide = a.ravel().astype("float64")  # float32 squares overflow from 1.8e19 on
    return float(wide @ wide)
