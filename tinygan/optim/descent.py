"""Gradient descent with momentum, and RMSprop, by the fused kernels ``sgd`` and ``rmsprop``."""

from __future__ import annotations

from collections.abc import Iterable

from .. import kernels
from ..autograd import Tensor
from ..errors import OptionError
from .base import Move, Optimizer, check_number


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

        g <- g + weight_decay * p
        b <- momentum * b + (1 - dampening) * g      (b = g in the first step)
        p <- p - lr * b                              (Nesterov: p - lr * (g + momentum * b))

    Raises:
        OptionError: a number is out of range, or Nesterov without momentum or with dampening.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        super().__init__(params, lr, ("momentum_buffer",) if momentum else ())
        check_number("momentum", momentum, 0.0)
        check_number("weight_decay", weight_decay, 0.0)
        if nesterov and (not momentum or dampening):
            raise OptionError("SGD: nesterov needs momentum > 0 and dampening 0")
        self.momentum, self.dampening = momentum, dampening
        self.weight_decay, self.nesterov = weight_decay, nesterov

    def _update(self, moves: list[Move]) -> None:
        buffers = self.slots.get("momentum_buffer")
        for first in (True, False):
            these = [move for move in moves if (self.steps[move.i] == 1) == first]
            if these:
                kernels.call(
                    "sgd",
                    *(a for i, p, g in these for a in ((p, g, buffers[i]) if buffers else (p, g))),
                    lr=self.lr,
                    momentum=self.momentum,
                    dampening=self.dampening,
                    weight_decay=self.weight_decay,
                    nesterov=self.nesterov,
                    first=first,
                )


class RMSprop(Optimizer):
    """Gradients divided by a running root mean square, as PyTorch computes it.

        s <- alpha * s + (1 - alpha) * g^2
        d = g / (sqrt(s) + eps)                      (centered: s - m^2 in place of s, with
                                                      m <- alpha * m + (1 - alpha) * g)
        b <- momentum * b + d,   p <- p - lr * b

    Source: Hinton, Coursera lecture 6e; centered: arXiv:1308.0850, equations 38 to 45.

    Raises:
        OptionError: a number is out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        slots = ["square_avg"]
        slots += ["momentum_buffer"] if momentum else []
        slots += ["grad_avg"] if centered else []
        super().__init__(params, lr, slots)
        check_number("alpha", alpha, 0.0, 1.0)
        check_number("eps", eps, 0.0)
        check_number("weight_decay", weight_decay, 0.0)
        check_number("momentum", momentum, 0.0)
        self.alpha, self.eps, self.weight_decay = alpha, eps, weight_decay
        self.momentum, self.centered = momentum, centered

    def _update(self, moves: list[Move]) -> None:
        if moves:
            kernels.call(
                "rmsprop",
                *(a for i, p, g in moves for a in (p, g, *(x[i] for x in self.slots.values()))),
                lr=self.lr,
                alpha=self.alpha,
                eps=self.eps,
                weight_decay=self.weight_decay,
                momentum=self.momentum,
                centered=self.centered,
            )


RMSProp = RMSprop
