"""C++ gan_loss (csrc/gan_loss): one pass, the mean carried in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, check_cotangent, empty_like
from ..native import native
from ..reduce.rows import c_order, cpp_refusal
from ..registry import register
from .spec import KINDS, check_operands, flat

_native: Any = native


def _supports(*arrays: Array, kind: str = "", target: float = 0.0) -> str | None:
    return cpp_refusal(*arrays)


@register("gan_loss", "cpp", "one_pass", supports=_supports, accumulate="float64")
def gan_loss(logit: Array, *, kind: str, target: float) -> Array:
    """Average the loss of each logit; see the reference."""
    check_operands("gan_loss", logit, kind)
    y = np.empty((), logit.dtype)
    _native.gan_loss(flat(logit), KINDS.index(kind), target, y)
    return y


@register("gan_loss_vjp", "cpp", "one_pass", supports=_supports)
def gan_loss_vjp(logit: Array, gy: Array, *, kind: str, target: float) -> tuple[Array]:
    """Return the cotangent of the logits in a tuple; see the reference."""
    check_operands("gan_loss_vjp", logit, kind)
    check_cotangent("gan_loss_vjp", gy, (), logit.dtype)
    g = empty_like(logit)
    _native.gan_loss_vjp(flat(logit), c_order(gy), KINDS.index(kind), target, flat(g))
    return (g,)
