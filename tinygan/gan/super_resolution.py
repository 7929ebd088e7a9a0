"""Super-resolution: low-resolution images, a step of two phases, networks between two trained ones.

    low = round(bicubic(high)) at 1/4 of the side,        fake = G(low)
    steps 1 to ``pretrain``     G descends a loss of pixels, D stays where it is
    then                        D descends d_loss, G descends g_loss, on one pass of G

The filter is a = -1/2 bicubic, widened by the scale so that nothing is aliased, as in Pillow and in
MATLAB's ``imresize``, by which the papers make their data (arXiv:1609.04802, section 3.1); the
result is rounded to the 8 bits of a file. At the border weights are normalised, as Pillow does it.

Between the phases G's weights are kept (``game.extra["psnr"]``), and its optimizer begins anew, as
a second training that starts from the first one's weights does. The first G has the best PSNR, the
last one looks best, and ``interpolated`` gives the networks between them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from .. import nn, ops, optim
from ..autograd import Tensor, grad, no_grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array, xp_of
from .game import Game, Metrics
from .loop import Step
from .networks.srresnet import SCALE
from .translation import Translation


def shrink(high: Any) -> Any:
    """Make low-resolution images of high ones, at a quarter of the side.

    Shapes: high (N, C, H, W) in [-1, 1], a tensor or an array -> (N, C, H/4, W/4), the same kind.

    Raises:
        ShapeError: a side is no multiple of 4.

    Differentiable: no.
    """
    if high.ndim != 4 or high.shape[2] % SCALE or high.shape[3] % SCALE:
        raise ShapeError(
            f"super-resolution: images {high.shape}: sides that are multiples of {SCALE} fit"
        )
    size = high.shape[2] // SCALE, high.shape[3] // SCALE
    with no_grad():
        x = ops.interpolate(high, size, mode="bicubic", antialias=True).data
    levels = xp_of(x).rint((x + 1.0) * 127.5)
    low = (levels.clip(0.0, 255.0) / 127.5 - 1.0).astype(x.dtype)
    return Tensor(low) if isinstance(high, Tensor) else low


ENLARGES = Translation(shrink, lambda high: high)


PixelLoss = Callable[[Tensor, Tensor], Tensor]  # of fakes and reals
PairLoss = Callable[[Game, Tensor, Tensor], Tensor]  # of a game, reals and fakes


def in_two_phases(pixel_loss: PixelLoss, d_loss: PairLoss, g_loss: PairLoss) -> Step:
    """Make a step that trains G on pixels first, for ``game.config.pretrain`` steps.

    Both players see the fakes of one pass of G. ``psnr`` of the batch stands among the metrics.

    Args:
        pixel_loss: ``pixel_loss(fake, real) -> scalar``, the first phase.
        d_loss: ``d_loss(game, real, fake) -> scalar``; the fakes are constants.
        g_loss: ``g_loss(game, real, fake) -> scalar``.
    """

    def _step(game: Game, batches: Iterator[Array]) -> Metrics:
        real, first = Tensor(next(batches)), game.config.pretrain
        fake = game.G(shrink(real))
        psnr = pixel_psnr(fake, real)
        if game.step <= first:
            loss = pixel_loss(fake, real)
            game.opt_g.step(grad(loss, game.opt_g.params))
            return {"loss_d": 0.0, "loss_g": float(loss), "psnr": psnr}
        if game.step == first + 1:
            cast(nn.Module, game.extra["psnr"]).load_state_dict(game.G.state_dict())
            game.opt_g.reset()
        loss_d = d_loss(game, real, fake.detach())
        game.opt_d.step(grad(loss_d, game.opt_d.params))
        loss_g = g_loss(game, real, fake)
        game.opt_g.step(grad(loss_g, game.opt_g.params))
        return {"loss_d": float(loss_d), "loss_g": float(loss_g), "psnr": psnr}

    return _step


@dataclass(frozen=True)
class PhaseRates(optim.Schedule):
    """Learning rates of two phases, as factors of the second one's first.

    >>> rates = PhaseRates(pretrain=100, first=2.0, drops=(50, 80), gamma=0.5)
    >>> [rates(step) for step in (99, 100, 149, 150, 180)]
    [2.0, 1.0, 1.0, 0.5, 0.25]
    >>> halved = PhaseRates(pretrain=100, first=2.0, drops=(), gamma=0.5, parts=4)
    >>> [halved(step) for step in (24, 25, 99, 100)]
    [2.0, 1.0, 0.25, 1.0]

    Attributes:
        pretrain: steps of the first phase.
        first: the factor at the start of the first phase.
        drops: steps of the second phase after which the rate falls, each time.
        gamma: what it is multiplied with then.
        parts: equal parts of the first phase; from each to the next the rate halves.
    """

    pretrain: int
    first: float
    drops: tuple[int, ...]
    gamma: float
    parts: int = 1

    def __call__(self, step: int) -> float:
        """Return the factor at ``step``, counted from 0."""
        if step < self.pretrain:
            return float(self.first * 0.5 ** (self.parts * step // self.pretrain))
        passed = sum(step - self.pretrain >= drop for drop in self.drops)
        return float(self.gamma**passed)


def frozen_copy(G: nn.Module) -> nn.Module:
    """Return a copy of G that no optimizer moves, to keep the first phase's weights in."""
    return copy.deepcopy(G).requires_grad_(False)


def pixel_psnr(fake: Tensor, real: Tensor) -> float:
    """Return the PSNR of a batch in dB, of all its pixels at once, without rounding.

    Shapes: fake and real (N, C, H, W) in [-1, 1].
    """
    xp = xp_of(real.data)
    error = xp.square(fake.data - real.data).mean(dtype="float64")
    return float(Tensor(10.0 * xp.log10(4.0 / xp.maximum(error, 1e-12))))


def interpolated(a: nn.Module, b: nn.Module, alpha: float) -> nn.Module:
    """Return a network whose weights and buffers lie between those of two of the same kind.

    theta = (1 - alpha) theta_a + alpha theta_b, arXiv:1809.00219, section 3.4: from the one that
    was trained on pixels to the one that was trained as a GAN, a little of both.

    Args:
        a: the network at alpha = 0.
        b: the network at alpha = 1, which started from ``a``'s weights.
        alpha: 0 to 1.

    Raises:
        OptionError: alpha lies outside.
        StateError: the networks are of different kinds.
    """
    if not 0.0 <= alpha <= 1.0:
        raise OptionError(f"alpha {alpha}: 0 to 1 fits")
    between = copy.deepcopy(b)
    ours, theirs = a.state_dict(), b.state_dict()
    between.load_state_dict(
        {
            name: ((1.0 - alpha) * x + alpha * theirs[name]).astype(x.dtype)
            for name, x in ours.items()
            if name in theirs
        }
    )
    return between
