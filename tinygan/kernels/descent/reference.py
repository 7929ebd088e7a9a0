"""References of one step of SGD and of RMSprop, in place on parameters and what is kept for them.

SGD: ``b = momentum b + (1 - dampening) g`` (b = g in the first step), ``p -= lr * b``; Nesterov:
``p -= lr * (g + momentum b)``. RMSprop: ``s = alpha s + (1 - alpha) g^2``,
``d = g / (sqrt(s) + eps)``, ``b = momentum b + d``, ``p -= lr * b``; centered: s - m^2 in place of
s, with ``m += (1 - alpha) (g - m)``. Weight decay adds ``weight_decay * p`` to g. Sources: the
forms that PyTorch computes; Hinton, Coursera lecture 6e; arXiv:1308.0850, equations 38 to 45.
"""

from __future__ import annotations

from ..arrays import Array, xp_of
from ..groups import groups
from ..registry import register_reference
from .spec import rmsprop_roles, sgd_roles


@register_reference("sgd")
def sgd(
    *arrays: Array,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """Move every p against its gradient g, and its buffer b where there is momentum: in place.

    Shapes: p, g and, with momentum, b (any, the same), for each parameter in turn -> None.

    Args:
        arrays: p0, g0, b0, p1, g1, b1, ...; without momentum p0, g0, p1, g1, ...
        lr: learning rate.
        momentum: decay of the buffer, 0 for none.
        dampening: share of g that does not enter the buffer, after the first step.
        weight_decay: strength of the decay (L2), 0 for none.
        nesterov: look ahead by the momentum.
        first: whether this is the first step, before which the buffer is zeros.
    """
    for p, g, *kept in groups("sgd", arrays, sgd_roles(momentum)):
        if weight_decay:
            g = g + weight_decay * p
        if momentum:
            b = kept[0]
            b *= momentum
            b += g if first else (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p -= lr * g


@register_reference("rmsprop")
def rmsprop(
    *arrays: Array,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
) -> None:
    """Move every p against its gradient g, and what is kept for it: in place.

    Shapes: p, g, s, with momentum b, if centered m (any, the same), for each parameter in turn
        -> None.

    Args:
        arrays: p0, g0, s0, ..., p1, g1, s1, ...
        lr: learning rate.
        alpha: decay of the mean square s, and of the mean m.
        eps: added to the root.
        weight_decay: strength of the decay (L2), 0 for none.
        momentum: decay of the buffer, 0 for none.
        centered: divide by the deviation and not by the root mean square.
    """
    for p, g, square, *kept in groups("rmsprop", arrays, rmsprop_roles(momentum, centered)):
        if weight_decay:
            g = g + weight_decay * p
        square *= alpha
        square += (1 - alpha) * (g * g)
        xp, spread = xp_of(p), square
        if centered:
            mean = kept[-1]
            mean += (1 - alpha) * (g - mean)
            spread = xp.maximum(square - mean * mean, 0)  # rounding may take it below 0
        direction = g / (xp.sqrt(spread) + eps)
        if momentum:
            buffer = kept[0]
            buffer *= momentum
            buffer += direction
            direction = buffer
        p -= lr * direction
