"""CUDA gan_loss (csrc/gan_loss/gan_loss.cu): one launch for up to 4,096 logits, else two."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, check_cotangent, empty_like, xp_of
from ..cuda import cuda_refusal, launch, register_cuda
from ..cuda.spec import over
from ..reduce.rows import c_order
from .spec import KINDS, check_operands, flat

_LOGITS = 4096  # a block: kLogits


def _supports(*arrays: Array, kind: str = "", target: float = 0.0) -> str | None:
    if arrays[0].size >= 2**24:
        return "takes fewer than 2**24 logits"  # their number is exact in float32
    return cuda_refusal(*arrays)


@register_cuda("gan_loss", "one_pass", supports=_supports, accumulate="float64")
def gan_loss(logit: Array, *, kind: str, target: float) -> Array:
    """Average the loss of each logit; see the reference."""
    check_operands("gan_loss", logit, kind)
    xp: Any = xp_of(logit)
    y: Array = xp.empty((), logit.dtype)
    n, blocks = logit.size, over(logit.size, _LOGITS)
    partial = xp.empty(blocks, "f8") if blocks > 1 else None
    options = {"n": n, "kind": KINDS.index(kind), "target": target}
    launch("gan_loss", logit=flat(logit), y=y, partial=partial, **options)
    if partial is not None:
        launch("gan_loss_mean", partial=partial, y=y, n=n, blocks=blocks)
    return y


@register_cuda("gan_loss_vjp", "one_pass", supports=_supports)
def gan_loss_vjp(logit: Array, gy: Array, *, kind: str, target: float) -> tuple[Array]:
    """Return the cotangent of the logits in a tuple; see the reference."""
    check_operands("gan_loss_vjp", logit, kind)
    check_cotangent("gan_loss_vjp", gy, (), logit.dtype)
    g = empty_like(logit)
    options = {"n": logit.size, "kind": KINDS.index(kind), "target": target}
    launch("gan_loss_vjp", logit=flat(logit), gy=c_order(gy), g=flat(g), **options)
    return (g,)
