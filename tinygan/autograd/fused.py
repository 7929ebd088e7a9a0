"""``fused``: a fast forward and a fast backward kernel, and nobody writes a double backward.

    order 0   kernel ``name``
    order 1   kernel ``name + "_vjp"``
    order 2+  the automatic derivative of ``composite``, the same function written in small ops

The composite is also the op's definition: conformance tests hold both kernels against it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .op import Cotangents, Needs, Op, Tensors, kernel_op
from .tensor import Tensor, is_recording, recording
from .vjp import grad

_alias = Op("alias", lambda x: x, reads="shapes", view=True)
_alias.defvjp(lambda g, y, xs, needs: (g[0],))


def cut(xs: Sequence[Tensor]) -> list[Tensor]:
    """Return stand-ins for ``xs`` that a function alone goes through: its derivatives are partial.

    A stand-in of a tensor on a graph is on that graph too, so that derivatives of derivatives
    reach the original; one of a constant is a new leaf.
    """
    return [_alias(x) if x.requires_grad else Tensor(x.data, requires_grad=True) for x in xs]


def fused(name: str, composite: Callable[..., Tensor]) -> Op:
    """Make an op from the kernels ``name`` and ``name + "_vjp"`` and their definition.

    Args:
        name: kernel ``name(*xs, **params) -> y``; kernel ``name_vjp(*xs, gy, **params)`` returns
            the tuple of cotangents of all ``xs``.
        composite: ``composite(*xs, **params) -> y`` in differentiable ops.

    Differentiable: any order.
    """
    op, vjp = kernel_op(name, reads="inputs"), kernel_op(name + "_vjp", reads="inputs")

    @op.defvjp
    def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
        return vjp.outputs(*xs, g[0], **params)

    @vjp.defvjp
    def _(g: Tensors, y: Tensors, xs: Tensors, needs: Needs, **params: Any) -> Cotangents:
        return vjp_of_vjp(composite, g, xs, needs, **params)

    return op


def vjp_of_vjp(
    composite: Callable[..., Tensor], g: Tensors, xs: Sequence[Tensor], needs: Needs, **params: Any
) -> Cotangents:
    """Return the cotangents of the inputs (*inputs, gy) of a vjp, by its definition.

    Args:
        composite: ``composite(*inputs, **params)`` in differentiable ops.
        g: cotangents of the vjp's outputs, one for each of the inputs.
        xs: the inputs of the composite, and gy.
        needs: which of ``xs`` are asked for.
        **params: of the composite.

    Differentiable: any order.
    """
    # gy may itself depend on x (in a gradient penalty it does). With respect to x itself we
    # would add that dependence in and return a total derivative where a partial one is due;
    # aliases that the composite alone goes through cut it.
    with recording(True):
        stand_ins = cut(xs)
        *inputs, gy = stand_ins
        first = grad(composite(*inputs, **params), inputs, gy, create_graph=True)
    asked = [x for x, needed in zip(stand_ins, needs, strict=True) if needed]
    found = iter(grad(first, asked, g, create_graph=is_recording()))
    return tuple(next(found) if needed else None for needed in needs)
