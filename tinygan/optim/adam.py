"""Adam and AdamW, by the fused kernel ``adam``."""

from __future__ import annotations

from collections.abc import Iterable

from .. import kernels
from ..autograd import Tensor
from ..errors import OptionError
from .base import Move, Optimizer, check_number


class Adam(Optimizer):
    """Adam, by the fused kernel ``adam``.

        m <- beta1 * m + (1 - beta1) * g,   v <- beta2 * v + (1 - beta2) * g^2
        p <- p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    ``weight_decay`` adds ``weight_decay * p`` to g (L2). Source: arXiv:1412.6980, algorithm 1.

    Args:
        params: tensors that require grad.
        lr: learning rate.
        betas: decay of the two moments a step, each in [0, 1).
        eps: added to the root, after the bias correction.
        weight_decay: strength of the decay.

    Raises:
        OptionError: a number is out of range.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, ("exp_avg", "exp_avg_sq"))
        if len(betas) != 2:
            raise OptionError(f"{type(self).__name__}: betas {betas}: two numbers fit")
        for beta in betas:
            check_number("beta", beta, 0.0, 1.0)
        check_number("eps", eps, 0.0)
        check_number("weight_decay", weight_decay, 0.0)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    def _update(self, moves: list[Move]) -> None:
        first, second = self.slots["exp_avg"], self.slots["exp_avg_sq"]
        # one call for all that have taken as many steps: unless gradients were None, for all
        for step in sorted({self.steps[move.i] for move in moves}):
            these = [move for move in moves if self.steps[move.i] == step]
            kernels.call(
                "adam",
                *(a for i, p, g in these for a in (p, g, first[i], second[i])),
                lr=self.lr,
                beta1=self.betas[0],
                beta2=self.betas[1],
                eps=self.eps,
                weight_decay=self.weight_decay,
                decoupled=self.decoupled,
                step=step,
            )


class AdamW(Adam):
    """Adam whose weight decay shrinks p by ``1 - lr * weight_decay`` a step, apart from g.

    Arguments and errors: as ``Adam``. Source: arXiv:1711.05101, algorithm 2.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas=betas, eps=eps, weight_decay=weight_decay)
