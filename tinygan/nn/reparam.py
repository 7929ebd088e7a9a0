"""Weight normalisation of a layer: the length of its weights apart from their direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from .. import ops
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..kernels.arrays import Array, xp_of
from .module import Module, Parameter

_M = TypeVar("_M", bound=Module)


@dataclass(frozen=True)
class WeightNorm:
    """Compute ``weight_g * weight_v / ||weight_v||`` for each forward; see ``weight_norm``."""

    name: str
    dim: int | None

    def __call__(self, module: Module) -> Tensor:
        """Return the weight."""
        tensors = vars(module)
        v, g = tensors[f"{self.name}_v"], tensors[f"{self.name}_g"]
        return ops.weight_norm(v, g, dim=self.dim)


def weight_norm(module: _M, name: str = "weight", dim: int | None = 0) -> _M:
    """Learn the lengths of a weight of ``module`` apart from its directions; return the module.

        weight = g * v / ||v||,   the norm over all axes but ``dim``

    The parameter ``weight`` becomes the parameters ``weight_g``, its lengths, and ``weight_v``,
    itself (PyTorch's keys), so that the function stays as it is; ``weight`` exists only while a
    forward runs.

    Args:
        module: a layer.
        name: the parameter.
        dim: the axis whose slices have lengths of their own; None gives one length to all.

    Raises:
        OptionError: the module has no such parameter, or it has no axis ``dim``.

    Differentiable: any order. Source: arXiv:1602.07868, equation 2.
    """
    tensors = vars(module)
    weight = tensors.get(name)
    if not isinstance(weight, Parameter):
        raise OptionError(f"weight_norm: {type(module).__name__} has no parameter {name!r}")
    dim = None if dim == -1 else dim  # so PyTorch has it
    if dim is not None and not 0 <= dim < weight.ndim:
        raise OptionError(f"weight_norm: {name!r} {weight.shape} has no axis {dim}")
    del tensors[name]
    tensors[f"{name}_g"] = Parameter(_lengths(weight.data, dim), weight.requires_grad)
    tensors[f"{name}_v"] = Parameter(weight, weight.requires_grad)
    module._computed += (WeightNorm(name, dim),)
    return module


def remove_weight_norm(module: _M, name: str = "weight") -> _M:
    """Make ``weight`` a parameter again, with the value that it has now; return the module.

    Raises:
        OptionError: the module has no weight norm of that name.
    """
    found = [c for c in module._computed if isinstance(c, WeightNorm) and c.name == name]
    if not found:
        raise OptionError(f"remove_weight_norm: {type(module).__name__} has none on {name!r}")
    tensors = vars(module)
    with no_grad():
        weight = Parameter(found[0](module), tensors[f"{name}_v"].requires_grad)
    module._computed = tuple(c for c in module._computed if c is not found[0])
    del tensors[f"{name}_g"], tensors[f"{name}_v"]
    tensors[name] = weight
    return module


def _lengths(w: Array, dim: int | None) -> Array:
    axes = tuple(i for i in range(w.ndim) if i != dim)
    squares = (w.astype("float64") ** 2).sum(axis=axes, keepdims=dim is not None)
    lengths: Array = xp_of(w).sqrt(squares).astype(w.dtype)
    return lengths
