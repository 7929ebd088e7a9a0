"""Gradient checks to any order, against central differences and against the adjoint identity.

A check of order k compares a directional derivative, <v, J u> by the vjp, with a central
difference, and then checks the vjp itself, as a function of the inputs *and of the cotangent*, at
order k - 1. Bare, that misses the fault that matters most to GANs: in a gradient penalty the
cotangent depends on x, and a rule that takes a total derivative where a partial one is due is only
wrong there. So the check is *entangled*: it runs on tanh(f(tanh(x))).

Tolerance. With a step e along a unit direction, the error of a central difference D(e) is about
e^2 |f'''| / 6 + u |f| / e for unit roundoff u: at e = 6e-6 and float64 some 1e-11 of the scale.
At order k the checked function is itself k - 1 times differentiated, whose derivatives grow, so
``rtol`` grows tenfold an order. Where D(e) disagrees, the derivative is judged by Richardson's
extrapolation (4 D(h) - D(2h)) / 3 at larger steps h, of error 4 h^4 |f^(5)| / 120 + u |f| / h:
it needs a bounded fifth derivative where D(e) needs a small |f| / |f'|. The tolerance is the same,
the difference is better. A derivative may be nearly 0 beside f, as that of two numbers normalised
to -1 and 1 is: so the tolerance is ``rtol`` of the derivative's scale and u |f| / e, where |f| is
the sum of the absolute terms that f adds up. A wrong rule is off by far more in all of them.

A rule is told which of its inputs matter. All of them do here, so at each order the derivative by
one input, drawn at random, is asked for again, alone: it must be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..autograd import Tensor, basic, enable_grad, grad
from ..errors import GradientCheckError, OptionError
from ..kernels.arrays import Array
from ..random import Stream

Function = Callable[..., Any]

_STEP = 6e-6  # about the cube root of float64's unit roundoff, the optimum of a central difference
_UNIT = 2.0**-53  # roundoff of float64
_ALONE = 1e-9  # relative; both are the same sums, but kernels may form them in other orders
_RICHARDSON = (3e-4, 3e-5)  # its optimum is near the fifth root, and lower where f^(5) is large


def check_grads(
    fn: Function,
    args: Sequence[Any],
    *,
    order: int = 3,
    bare: bool = True,
    entangled: bool = True,
    seed: int = 0,
    rtol: float = 1e-6,
    eps: float = _STEP,
) -> tuple[float, ...]:
    """Compare derivatives of ``fn`` up to ``order`` with central differences, in float64.

    Args:
        fn: takes tensors, returns a tensor or a tuple of them; smooth around ``args``.
        args: arrays; those of integers are passed on as they are.
        order: how often to differentiate.
        bare: check fn itself.
        entangled: check tanh(fn(tanh(args))), whose cotangents depend on the inputs as they do in
            a gradient penalty. The inner tanh is shifted so that fn still sees exactly ``args``.
        seed: of the random directions.
        rtol: relative tolerance at order 1; tenfold looser an order.
        eps: step of the central difference.

    Returns:
        The worst relative error of each order, first the first.

    Raises:
        GradientCheckError: a derivative differs; the message names the order, the input and the
            entry that is worst.
    """
    if order < 1:
        raise OptionError(f"check_grads: order is at least 1, got {order}")
    arrays = [np.array(a.data if isinstance(a, Tensor) else a) for a in args]
    arrays = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays]
    worst = [0.0] * order
    if bare:
        _check(fn, arrays, order, Check("", seed, rtol, eps, worst))
    if entangled:
        hidden = [_hidden(a) for a in arrays]
        check = Check(", entangled", seed, rtol, eps, worst)
        _check(_entangle(fn, arrays), hidden, order, check)
    return tuple(worst)


class Check:
    """The settings of a check, how deep it is, and the worst error found at each depth."""

    def __init__(
        self,
        label: str,
        seed: int,
        rtol: float,
        eps: float,
        worst: list[float],
        depth: int = 1,
    ) -> None:
        self.label, self.seed, self.rtol, self.eps = label, seed, rtol, eps
        self.worst, self.depth = worst, depth
        self.stream = Stream(seed, f"gradcheck{label}", depth)

    def deeper(self) -> Check:
        """Return the settings of the next order."""
        rtol = 10 * self.rtol
        return Check(self.label, self.seed, rtol, self.eps, self.worst, self.depth + 1)

    def found(self, error: float) -> None:
        """Remember an error of this depth."""
        self.worst[self.depth - 1] = max(self.worst[self.depth - 1], error)

    def normal(self, shape: Any) -> Array:
        """Draw a random array in float64."""
        return self.stream.normal(shape, dtype=np.float64)


def _hidden(a: Array) -> Array:
    """Return h such that the entangled form, fed h, shows ``a`` to the function."""
    return np.zeros_like(a) if a.dtype.kind == "f" else a


def _entangle(fn: Function, arrays: Sequence[Array]) -> Function:
    def _entangled(*hidden: Tensor) -> tuple[Tensor, ...]:
        # tanh(h + 1/2) moves with slope < 1 and has curvature of its own at h = 0
        xs = [
            Tensor(a) + (basic.tanh(h + 0.5) - float(np.tanh(0.5))) if a.dtype.kind == "f" else h
            for a, h in zip(arrays, hidden, strict=True)
        ]
        return tuple(basic.tanh(y) for y in _outputs(fn, xs))

    return _entangled


def _outputs(fn: Function, xs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    ys = fn(*xs)
    return ys if isinstance(ys, tuple) else (ys,)


def _check(fn: Function, arrays: Sequence[Array], order: int, check: Check) -> None:
    floats = [i for i, a in enumerate(arrays) if a.dtype.kind == "f"]
    xs = [Tensor(a, requires_grad=i in floats) for i, a in enumerate(arrays)]
    ys = _outputs(fn, xs)
    vs = [check.normal(y.shape) for y in ys]
    cotangents = [Tensor(v) for v in vs]
    gs = grad(ys, [xs[i] for i in floats], cotangents, retain_graph=True)
    if floats:
        k = int(check.stream.integers((), 0, len(floats)))
        _compare_alone(floats[k], gs[k].data, grad(ys, xs[floats[k]], cotangents).data, check)
    for i, g in zip(floats, gs, strict=True):
        _compare(fn, arrays, i, g.data, vs, check)
    if order > 1:
        weights = [check.normal(arrays[i].shape) for i in floats]
        deeper = _vjp_as_function(fn, floats, len(arrays), weights)
        _check(deeper, [*arrays, *vs], order - 1, check.deeper())


def _vjp_as_function(
    fn: Function, floats: Sequence[int], count: int, weights: Sequence[Array]
) -> Function:
    """Return (xs, cotangents) -> <weights, vjp>, a scalar."""

    def _vjp(*operands: Tensor) -> Tensor:
        xs = [
            x if x.requires_grad or i not in floats else Tensor(x.data, requires_grad=True)
            for i, x in enumerate(operands[:count])
        ]
        cotangents = operands[count:]
        gs = grad(_outputs(fn, xs), [xs[i] for i in floats], cotangents, create_graph=True)
        total = Tensor(np.zeros(()))
        for g, w in zip(gs, weights, strict=True):
            total = total + (g * Tensor(w)).sum()
        return total

    return _vjp


def _compare_alone(i: int, g: Array, alone: Array, check: Check) -> None:
    """Compare a derivative that was asked for alone with the one asked for among the others."""
    apart = float(np.max(abs(alone - g), initial=0.0))
    if not apart <= _ALONE * float(np.max(abs(g), initial=0.0)):
        raise GradientCheckError(
            f"order {check.depth}{check.label}, input {i} {g.shape}: the derivative by it alone "
            f"and the one beside the other inputs' are {apart:.1e} apart"
        )


def _compare(
    fn: Function, arrays: Sequence[Array], i: int, g: Array, vs: Sequence[Array], check: Check
) -> None:
    direction = check.normal(arrays[i].shape)
    direction = direction / max(float(np.linalg.norm(direction)), 1e-30)
    analytic = float((g * direction).sum())
    # the scale of what was summed, so that a sum that happens to cancel is not judged by its crumbs
    typical = max(float(np.sqrt((g * g).mean())) if g.size else 0.0, 1e-6)
    best = (np.inf, np.nan)
    for numeric, noise in _numeric(fn, arrays, i, direction, vs, check.eps):
        scale = max(abs(analytic), abs(numeric), typical)
        best = min(best, (max(abs(analytic - numeric) - noise, 0.0) / scale, numeric))
        if best[0] <= check.rtol:
            check.found(best[0])
            return
    raise GradientCheckError(
        f"order {check.depth}{check.label}, input {i} {arrays[i].shape}: directional derivative "
        f"{analytic:.9g} by vjp, {best[1]:.9g} by differences, relative error "
        f"{best[0]:.1e} > {check.rtol:.0e}; {_worst(fn, arrays, i, g, vs, check.eps)}"
    )


def _numeric(
    fn: Function,
    arrays: Sequence[Array],
    i: int,
    direction: Array,
    vs: Sequence[Array],
    eps: float,
) -> Iterator[tuple[float, float]]:
    """Yield estimates of the directional derivative, each with its rounding; the cheapest first."""

    def _at(step: float) -> tuple[float, float]:
        return _difference(fn, arrays, i, direction, vs, step)

    yield _at(eps)
    for step in _RICHARDSON:
        (one, noise), (two, less) = _at(step), _at(2 * step)
        yield (4 * one - two) / 3, (4 * noise + less) / 3


def _difference(
    fn: Function,
    arrays: Sequence[Array],
    i: int,
    direction: Array,
    vs: Sequence[Array],
    eps: float,
) -> tuple[float, float]:
    """Return a central difference, and what rounding f alone may change in it."""

    def _value(sign: float) -> tuple[float, float]:
        moved = list(arrays)
        moved[i] = arrays[i] + sign * eps * direction
        ys = _outputs(fn, [Tensor(a) for a in moved])
        terms = [y.data * v for y, v in zip(ys, vs, strict=True)]
        return sum(float(t.sum()) for t in terms), sum(float(abs(t).sum()) for t in terms)

    with enable_grad():  # fn itself may be a vjp
        (above, size), (below, _) = _value(1.0), _value(-1.0)
    return (above - below) / (2 * eps), _UNIT * size / eps


def _worst(
    fn: Function, arrays: Sequence[Array], i: int, g: Array, vs: Sequence[Array], eps: float
) -> str:
    """Name the entry whose derivative differs most; looks at 64 entries at most."""
    worst, message = -1.0, "it has no entries"
    for flat in range(min(arrays[i].size, 64)):
        at = tuple(int(k) for k in np.unravel_index(flat, arrays[i].shape))
        unit = np.zeros_like(arrays[i])
        unit[at] = 1.0
        (numeric, _), analytic = _difference(fn, arrays, i, unit, vs, eps), float(g[at])
        if abs(numeric - analytic) > worst or np.isnan(numeric - analytic):
            worst = abs(numeric - analytic)
            message = f"worst entry {at}: {analytic:.9g} by vjp, {numeric:.9g} by differences"
    return message


def adjoint_identity(
    forward: Callable[[Tensor], Tensor],
    adjoint: Callable[[Tensor], Tensor],
    x: Any,
    *,
    seed: int = 0,
    rtol: float = 1e-12,
) -> None:
    """Check <g, A x> == <A^T g, x> for a linear map, without finite differences, in float64.

    Raises:
        GradientCheckError: the two differ by more than ``rtol`` of the sum of absolute products,
            and than the rounding of a map of norm 1.
    """
    x = np.asarray(x.data if isinstance(x, Tensor) else x, dtype=np.float64)
    y = forward(Tensor(x)).data
    g = Stream(seed, "adjoint").normal(y.shape, dtype=np.float64)
    back = adjoint(Tensor(g)).data
    left, right = float((g * y).sum()), float((back * x).sum())
    scale = float(np.abs(g * y).sum()) + float(np.abs(back * x).sum())
    # a map that is zero by cancellation (softmax over one key) leaves crumbs of this size
    crumbs = float(np.finfo(np.float64).eps * np.linalg.norm(g) * np.linalg.norm(x))
    if not abs(left - right) <= rtol * scale + crumbs:
        raise GradientCheckError(
            f"<g, A x> = {left:.15g} but <A^T g, x> = {right:.15g} for x {x.shape}, y {y.shape}"
        )
