"""float32 against float64, primitive by primitive: values and derivatives of orders 1 and 2.

A function and its derivatives are a list of primitive ops, since rules are made of ops. We run them
once in float32 and look at every op that ran: the same forward function on the same operands in
float64 says how far its result is off, and that must lie within the primitive's own bound
(``bounds.primitives``; for kernels ``rules`` asks the same and more). So every step of a float32
derivative is right to its last digits. No bound is needed on a composition: how an error grows from
one step to the next is a property of the function, the same in every library, and whether the steps
are the right ones is what ``gradcheck`` checks in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import kernels
from ...autograd.op import Op, Tensors, watching
from ...errors import ConformanceError
from ...kernels.arrays import Array
from ..bounds import Primitive, primitive_of
from ..bounds.running import Machine
from .calls import differentiate


def check_primitives(
    fn: Callable[..., Any], args: Sequence[Array], *, order: int = 2, seed: int = 0
) -> dict[str, float]:
    """Check every primitive op of a function and of its derivatives, on operands in float32.

    Ops that depend on no operand are left out, and so are kernels, which have a suite of their own.

    Args:
        fn: takes tensors, returns a tensor or a tuple of them.
        args: arrays; floats are rounded to float32.
        order: how often to differentiate, 0 to 2.
        seed: of the cotangents.

    Returns:
        The largest error of each op as a fraction of its bound; 0 where both are 0.

    Raises:
        ConformanceError: a result is off by more than its bound; the message names the op.
        OptionError: an op has no bound.
    """
    worst: dict[str, float] = {}
    own = set(kernels.op_names())

    def _watch(op: Op, xs: Tensors, ys: Tensors) -> None:
        node = ys[0].node
        if op.name not in own and node is not None and xs[0].size:
            share = _share(op, primitive_of(op.name), xs, ys, node.params)
            worst[op.name] = max(worst.get(op.name, 0.0), share)

    rounded = [a.astype(np.float32) if a.dtype.kind == "f" else a for a in args]
    with kernels.use_backend("numpy"), watching(_watch), np.errstate(all="ignore"):
        differentiate(fn, rounded, "float32", seed, order)
    return worst


def _share(op: Op, bound: Primitive, xs: Tensors, ys: Tensors, params: dict[str, Any]) -> float:
    wide = [x.data.astype(np.float64) if x.dtype.kind == "f" else x.data for x in xs]
    exact = op.forward(*wide, **params)
    exact = exact if isinstance(exact, tuple) else (exact,)
    here, there = (
        bound(Machine.of(dtype), op.forward, *wide, **params) for dtype in (np.float32, np.float64)
    )
    limit = 0.0 if here is None or there is None else here.error + there.error
    worst = 0.0
    for y, e in zip(ys, exact, strict=True):
        error = abs(y.data.astype(np.float64) - e)
        sure = np.isfinite(e) & np.isfinite(y.data)
        wrong = (sure & (error > limit)) | (np.isfinite(e) != np.isfinite(y.data))
        if wrong.any():
            at = tuple(int(k) for k in np.argwhere(wrong)[0])
            shapes = ", ".join(str(x.shape) for x in xs)
            raise ConformanceError(
                f"{op.name} in float32 is {y.data[at]!s} at {at}, exactly {np.asarray(e)[at]!s}; "
                f"operands {shapes}, {params}"
            )
        ratio = error / np.where(np.asarray(limit) > 0, limit, np.inf)
        worst = max(worst, float(np.max(ratio, initial=0, where=sure)))
    return worst
