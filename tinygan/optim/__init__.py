"""Optimizers with PyTorch's semantics, and schedules of their learning rate.

``step(grads)`` takes the gradients as ``autograd.grad`` returns them, in the order of ``params``,
since two players with two losses must not share one ``.grad``; without an argument it takes the
``.grad`` fields.

    >>> from tinygan.autograd import Tensor
    >>> w = Tensor(1.0, requires_grad=True)
    >>> SGD([w], 0.1).step([Tensor(2.0)])
    >>> round(float(w), 6)
    0.8

``Extragradient``, ``Optimistic`` and ``Lookahead`` wrap an optimizer: ``Lookahead(Adam(...))``.
"""

from .adam import Adam, AdamW
from .base import Optimizer
from .descent import SGD, RMSProp, RMSprop
from .schedule import Cosine, ExponentialDecay, LinearDecay, Schedule, StepDecay
from .transform import (
    ExtraAdam,
    Extragradient,
    Lookahead,
    Optimistic,
    OptimisticAdam,
    Transform,
)

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Cosine",
    "ExponentialDecay",
    "ExtraAdam",
    "Extragradient",
    "LinearDecay",
    "Lookahead",
    "Optimistic",
    "OptimisticAdam",
    "Optimizer",
    "RMSProp",
    "RMSprop",
    "Schedule",
    "StepDecay",
    "Transform",
]
