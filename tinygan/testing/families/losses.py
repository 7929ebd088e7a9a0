"""Losses on logits of any shape, D's reals and fakes in different numbers, smooth labels."""

from __future__ import annotations

from ... import ops
from ...kernels.arrays import Array, Shape
from ..choices import Choices
from .elementwise import on_grid
from .table import Drawn, family

_KERNELS = ("gan_loss", "gan_loss_vjp")
_TARGETS = {
    "logistic": (0.0, 1.0, 0.9, 0.3),
    "hinge": (1, -1),
    "wasserstein": (1, -1),
    "least_squares": (0.0, 1.0, -1.0, 0.9),
}


def _shape(c: Choices) -> Shape:
    """Choose the shape of logits: (N, 1) most often, but any; never empty."""
    if c.chance(2):
        return c.extent(6), 1
    return c.shape(c.integer(0, 4), 3)


def _logits(c: Choices) -> Array:
    return c.normal(_shape(c))


def _off_hinge(c: Choices) -> Array:
    """Draw multiples of 2/3 up to 2, or even integers: off the hinge's kinks at 1 and -1."""
    return on_grid(c, _shape(c), 0, 1 / 3)


@family("gan_loss", kernels=_KERNELS)
def _gan_loss(c: Choices) -> Drawn:
    kind = c.pick(*_TARGETS)
    target = c.pick(*_TARGETS[kind])
    logit = _off_hinge(c) if kind == "hinge" else _logits(c)
    return Drawn(lambda x: ops.gan_loss(x, kind=kind, target=target), [logit])


@family("bce_with_logits", kernels=_KERNELS)
def _bce_with_logits(c: Choices) -> Drawn:
    target = c.pick(*_TARGETS["logistic"])
    return Drawn(lambda x: ops.bce_with_logits(x, target), [_logits(c)])


@family("logistic_d_loss", kernels=_KERNELS)
def _logistic_d_loss(c: Choices) -> Drawn:
    smooth = c.pick(0.0, 0.1, 0.3)
    return Drawn(
        lambda real, fake: ops.logistic_d_loss(real, fake, smooth=smooth), [_logits(c), _logits(c)]
    )


@family("least_squares_d_loss", kernels=_KERNELS)
def _least_squares_d_loss(c: Choices) -> Drawn:
    smooth = c.pick(0.0, 0.1, 0.3)
    return Drawn(
        lambda real, fake: ops.least_squares_d_loss(real, fake, smooth=smooth),
        [_logits(c), _logits(c)],
    )


@family("hinge_d_loss", kernels=_KERNELS)
def _hinge_d_loss(c: Choices) -> Drawn:
    return Drawn(ops.hinge_d_loss, [_off_hinge(c), _off_hinge(c)])


@family("wasserstein_d_loss", kernels=_KERNELS)
def _wasserstein_d_loss(c: Choices) -> Drawn:
    return Drawn(ops.wasserstein_d_loss, [_logits(c), _logits(c)])


def _enter(name: str) -> None:
    op = getattr(ops, name)
    family(name, kernels=_KERNELS)(lambda c: Drawn(op, [_logits(c)]))


for _name in (
    "hinge_g_loss",
    "least_squares_g_loss",
    "nonsaturating_g_loss",
    "saturating_g_loss",
    "wasserstein_g_loss",
):
    _enter(_name)


@family("cross_entropy", kernels=("sum",))
def _cross_entropy(c: Choices) -> Drawn:
    n, k = c.extent(5), c.extent(4)
    return Drawn(ops.cross_entropy, [c.normal((n, k)), c.integers((n,), 0, k)])
