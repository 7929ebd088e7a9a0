"""Reference of gan_loss: the mean over all logits l of phi(l; target).

========== ================================== ======================== ==================
kind         phi                                phi'                     target
========== ================================== ======================== ==================
logistic     softplus(l) - target * l           sigmoid(l) - target      label in [0, 1]
hinge        relu(1 - target * l)               -target, or 0 past 1     -1 or +1
wasserstein  -target * l                        -target                  -1 or +1
least_squares  (l - target)^2 / 2               l - target               any
========== ================================== ======================== ==================

Sources: arXiv:1406.2661 (logistic: binary cross-entropy on logits), arXiv:1705.02894 (hinge),
arXiv:1701.07875 (Wasserstein), arXiv:1611.04076 (least squares).
"""

from __future__ import annotations

from ..arrays import Array, check_cotangent, empty_like, xp_of
from ..registry import register_reference
from .spec import check_operands


@register_reference("gan_loss", accumulate="float64")
def gan_loss(logit: Array, *, kind: str, target: float) -> Array:
    """Average the loss of each logit.

    Shapes: logit (any) -> ().
    """
    check_operands("gan_loss", logit, kind)
    xp = xp_of(logit)
    mean = _phi(logit, kind, target).mean(dtype=xp.float64)
    out: Array = xp.asarray(mean, dtype=logit.dtype)
    return out


@register_reference("gan_loss_vjp")
def gan_loss_vjp(logit: Array, gy: Array, *, kind: str, target: float) -> tuple[Array]:
    """Return the cotangent of the logits, ``gy * phi'(l) / count``, in a tuple.

    At the kink of the hinge (target * l = 1) the derivative is 0.

    Shapes: logit (any), gy () -> as logit.
    """
    check_operands("gan_loss_vjp", logit, kind)
    check_cotangent("gan_loss_vjp", gy, (), logit.dtype)
    g = empty_like(logit)
    g[...] = _derivative(logit, kind, target) * (gy / logit.size)
    return (g,)


def _phi(x: Array, kind: str, target: float) -> Array:
    xp = xp_of(x)
    if kind == "logistic":
        value = xp.maximum(x, 0) - target * x + xp.log1p(xp.exp(-abs(x)))
    elif kind == "hinge":
        value = xp.maximum(1 - target * x, 0)
    elif kind == "wasserstein":
        value = -target * x
    else:
        value = (x - target) ** 2 / 2
    out: Array = value
    return out


def _derivative(x: Array, kind: str, target: float) -> Array:
    xp = xp_of(x)
    if kind == "logistic":
        e = xp.exp(-abs(x))
        tail = e / (
            1 + e
        )  # sigmoid(-|x|): the branches keep its digits where sigmoid - 1 loses them
        value = xp.where(x >= 0, (1 - target) - tail, tail - target)
    elif kind == "hinge":
        value = xp.where(1 - target * x <= 0, xp.zeros_like(x), xp.full_like(x, -target))
    elif kind == "wasserstein":
        value = xp.full_like(x, -target)
    else:
        value = x - target
    out: Array = value
    return out
