"""Lazy regularisation: a costly penalty at every k-th step alone, k times as strong.

    theta <- Adam(grad loss)                       every step
    theta <- Adam(grad (k * penalty))              every k-th step, after it

so that k steps make k + 1 moves. For these to be worth k, with c = k / (k + 1),

    lr' = c lr,   beta1' = beta1^c,   beta2' = beta2^c

k = 1 is the penalty as it was: added to the loss, in one move, with Adam's own constants. A mean
pull is kept, and most steps do without the second derivative.

Karras et al., arXiv:1912.04958, section 3.1 and appendix B ("lazy regularization").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .. import optim
from ..autograd import Tensor, grad
from ..errors import OptionError


def lazy_adam(
    params: Iterable[Tensor], lr: float, *, betas: tuple[float, float], interval: int
) -> optim.Adam:
    """Return Adam with constants for a penalty at every ``interval``-th step.

    Args:
        params: tensors that require grad.
        lr: learning rate of a step.
        betas: decay of the two moments a step.
        interval: k, steps from one penalty to the next; 1: at every step; 0: no penalty.

    Raises:
        OptionError: a number is out of range.
    """
    if interval < 0:
        raise OptionError(f"lazy_adam: interval {interval}: 0 or more fits")
    c = interval / (interval + 1.0) if interval > 1 else 1.0
    return optim.Adam(params, lr * c, betas=(betas[0] ** c, betas[1] ** c))


def descend_lazily(
    optimizer: optim.Optimizer,
    loss: Callable[[], Tensor],
    penalty: Callable[[], Tensor],
    *,
    interval: int,
    step: int,
) -> float:
    """Take a step along a loss and, where it is due, along its penalty; return the loss.

    Args:
        optimizer: of ``lazy_adam``.
        loss: makes the loss, a scalar.
        penalty: makes the penalty of one step, a scalar; it is called where it is due.
        interval: k, as the optimizer's.
        step: steps taken so far: the penalty is due at 0, k, 2 k ...
    """
    main = loss()
    due = interval > 0 and step % interval == 0
    if due and interval == 1:
        optimizer.step(grad(main + penalty(), optimizer.params))
        return float(main)
    optimizer.step(grad(main, optimizer.params))
    if due:
        optimizer.step(grad(penalty() * float(interval), optimizer.params))
    return float(main)
