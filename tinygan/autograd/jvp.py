"""``jvp`` and ``hvp``: products with a Jacobian and with a Hessian, made of reverse passes alone.

    jvp   (f(x), J u)     J = df/dx at x, u a tangent of x
    hvp   (f(x), H u)     H = d^2f/dx^2, f a scalar

The engine has no forward mode. The map g -> J^T g is linear, so its derivative in g is J^T itself,
whatever g is, and the vjp of *that* map takes u to J u: a product with J costs two reverse passes
and no further rule ("double vjp"; J. Townsend, "A new trick for calculating Jacobian vector
products", 2017).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.arrays import xp_of
from .fused import cut
from .linear import as_tensor
from .op import Tensors
from .tensor import Tensor, recording
from .vjp import grad

One: TypeAlias = "Tensor | Tensors"


def jvp(
    fn: Callable[..., Any], primals: Any, tangents: Any, *, create_graph: bool = False
) -> tuple[One, One]:
    """Compute ``fn(*primals)`` and its derivative in the direction ``tangents``.

        >>> y, ty = jvp(lambda x: x * x, Tensor(3.0), Tensor(10.0))
        >>> float(y), float(ty)
        (9.0, 60.0)

    Args:
        fn: takes as many tensors as there are primals; returns a tensor or a tuple of them.
        primals: where to differentiate: one tensor or array, or a sequence of them.
        tangents: the direction, of the form, shapes and dtypes of ``primals``.
        create_graph: record all of it, so that both results can be differentiated again, with
            respect to primals, tangents and what ``fn`` closes over. Else both are constants.

    Returns:
        (outputs, tangents of the outputs), each a tensor or a tuple, as ``fn`` returns.

    Raises:
        ShapeError: primals and tangents differ in number or in shape.
        DtypeError: a primal or an output is not floating point, or a tangent of another dtype.
        OptionError: ``fn`` returns something else than tensors.
        NotDifferentiableError: an op on the path has no derivative.

    Differentiable: any order, with ``create_graph``. The argument order is ``torch.func.jvp``'s.
    """
    xs, us = _sequence(primals), _sequence(tangents)
    _check_pairs("jvp", "primals", "tangents", xs, us)
    with recording(True):
        inputs = cut(xs) if create_graph else [Tensor(x.data, requires_grad=True) for x in xs]
        outputs = fn(*inputs)
        ys = outputs if isinstance(outputs, tuple | list) else (outputs,)
        if not all(isinstance(y, Tensor) for y in ys):
            kinds = ", ".join(type(y).__name__ for y in ys)
            raise OptionError(f"jvp: fn must return a tensor or a tuple of tensors, got {kinds}")
        moved = pushforward(ys, inputs, us, create_graph=create_graph)
    if not create_graph:
        ys = tuple(y.detach() for y in ys)
    return _formed(outputs, ys), _formed(outputs, moved)


def pushforward(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    tangents: Sequence[Tensor],
    *,
    create_graph: bool = False,
) -> Tensors:
    """Compute J u through a graph that exists: what ``grad`` is to J^T g.

    Args:
        outputs: tensors that depend on ``inputs``.
        inputs: tensors that require grad, leaves or not.
        tangents: u, one for each input, of its shape and dtype.
        create_graph: record the passes, so that the result can be differentiated again.

    Returns:
        One tangent for each output; zeros where an output depends on no input. The graph is kept.

    Raises:
        DtypeError: an output is not floating point.

    Differentiable: any order, with ``create_graph``.
    """
    for i, y in enumerate(outputs):
        if y.dtype.kind != "f":
            raise DtypeError(f"jvp: outputs[{i}] is {y.dtype}; floats alone have a derivative")
    # any g would do: only its place in the graph counts
    gs = [Tensor(xp_of(y.data).zeros(y.shape, y.dtype), requires_grad=True) for y in outputs]
    pulled = grad(outputs, inputs, gs, create_graph=True)
    return grad(pulled, gs, tangents, create_graph=create_graph)


def hvp(
    fn: Callable[..., Tensor], inputs: Any, v: Any, *, create_graph: bool = False
) -> tuple[Tensor, One]:
    """Compute a scalar function and the product of its Hessian with ``v``.

        >>> value, hv = hvp(lambda x: (x * x * x).sum(), Tensor([1.0, 2.0]), Tensor([1.0, 1.0]))
        >>> float(value), hv.data.tolist()
        (9.0, [6.0, 12.0])

    Args:
        fn: takes as many tensors as there are inputs; returns one number.
        inputs: where to differentiate: one tensor or array, or a sequence of them.
        v: of the form, shapes and dtypes of ``inputs``.
        create_graph: as in ``jvp``.

    Returns:
        (value, H v), the second of the form of ``inputs``. It is computed as v^T H, two reverse
        passes, which is the same wherever ``fn`` is twice continuously differentiable.

    Raises:
        ShapeError: inputs and v differ in number or in shape, or the output is no single number.
        DtypeError: an input is not floating point, or v of another dtype.
        NotDifferentiableError: an op on the path has no derivative.

    Differentiable: any order, with ``create_graph``. Source: B. Pearlmutter, "Fast exact
    multiplication by the Hessian", 1994; the arguments are ``torch.autograd.functional.hvp``'s.
    """
    xs, vs = _sequence(inputs), _sequence(v)
    _check_pairs("hvp", "inputs", "v", xs, vs)
    with recording(True):
        at = cut(xs) if create_graph else [Tensor(x.data, requires_grad=True) for x in xs]
        value = fn(*at)
        if not isinstance(value, Tensor) or value.size != 1:
            found = value.shape if isinstance(value, Tensor) else type(value).__name__
            raise ShapeError(f"hvp: fn must return a tensor of one number, got {found}")
        slopes = grad(value, at, create_graph=True)
        products = grad(slopes, at, vs, create_graph=create_graph)
    return value if create_graph else value.detach(), _formed(inputs, products)


def _sequence(given: Any) -> Tensors:
    """Return a tuple of tensors for one tensor or array, or for a sequence of them."""
    return tuple(map(as_tensor, given)) if isinstance(given, tuple | list) else (as_tensor(given),)


def _formed(like: Any, found: Sequence[Tensor]) -> One:
    return tuple(found) if isinstance(like, tuple | list) else found[0]


def _check_pairs(op: str, first: str, second: str, xs: Tensors, us: Tensors) -> None:
    if len(xs) != len(us):
        raise ShapeError(f"{op}: {len(xs)} {first} but {len(us)} {second}: one for each fits")
    for i, (x, u) in enumerate(zip(xs, us, strict=True)):
        if x.dtype.kind != "f":
            raise DtypeError(f"{op}: {first}[{i}] is {x.dtype}; floats alone have a derivative")
        if u.shape != x.shape:
            raise ShapeError(f"{op}: {first}[{i}] is {x.shape} but {second}[{i}] is {u.shape}")
        if u.dtype != x.dtype:
            raise DtypeError(f"{op}: {first}[{i}] is {x.dtype} but {second}[{i}] is {u.dtype}")
