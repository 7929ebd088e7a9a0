"""Reference of one Adam step, in place on parameters and on both their moments.

``m += (1 - beta1) (g - m)``, ``v = beta2 v + (1 - beta2) g^2``,
``p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)``.
Weight decay adds ``weight_decay * p`` to g (L2), or, where ``decoupled``, first shrinks p by the
factor ``1 - lr * weight_decay`` (AdamW). Sources: arXiv:1412.6980, algorithm 1, in the form that
PyTorch computes (eps is added after the bias correction); arXiv:1711.05101, algorithm 2.
"""

from __future__ import annotations

from ..arrays import Array, xp_of
from ..registry import register_reference
from .spec import checked_groups


@register_reference("adam")
def adam(
    *arrays: Array,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """Move every p against its gradient g, and the moments m and v with it: all three in place.

    Shapes: p, g, m, v (any, the same), for each parameter in turn -> None.

    Args:
        arrays: p0, g0, m0, v0, p1, g1, m1, v1, ...: parameter, changed; gradient, left as it is;
            first and second moment, changed, zeros before the first step.
        lr: learning rate.
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        eps: added to the root of the second moment.
        weight_decay: strength of the decay, 0 for none.
        decoupled: decay p itself (AdamW) and not through the gradient (L2).
        step: number of this step, from 1.
    """
    for p, g, m, v in checked_groups(arrays, step):
        if decoupled:
            p *= 1 - lr * weight_decay
        elif weight_decay:
            g = g + weight_decay * p
        m += (1 - beta1) * (g - m)
        v *= beta2
        v += (1 - beta2) * (g * g)
        denominator = xp_of(p).sqrt(v) / (1 - beta2**step) ** 0.5 + eps
        p -= (lr / (1 - beta1**step)) * (m / denominator)
