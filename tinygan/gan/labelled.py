"""Alternating steps on batches with labels, for the games that are played for each class.

    for n_critic times:   (x, y) of the data, y~ uniform, x~ = G(z, y~):   D descends d_loss
    y~ uniform, x~ = G(z, y~):                                             G descends g_loss

Labels of fakes are drawn anew from all classes alike, as in AC-GAN (arXiv:1610.09585) and in
projection (arXiv:1802.05637), whatever the frequencies of the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..autograd import Tensor, grad, no_grad
from ..errors import DataError, OptionError
from ..kernels.arrays import Array
from .game import Game, Metrics
from .loop import Loss, Step


def alternating_labelled(d_loss: Loss, g_loss: Loss) -> Step:
    """Make the step of a conditional game.

    ``game.config`` has ``num_classes``, and may have ``n_critic``, D steps a G step.

    Args:
        d_loss: ``d_loss(game, (x, y), (x~, y~)) -> scalar``; fakes x~ are constants.
        g_loss: ``g_loss(game, (x~, y~)) -> scalar``.
    """

    def _step(game: Game, batches: Iterator[Any]) -> Metrics:
        for _ in range(getattr(game.config, "n_critic", 1)):
            x, y = pair(next(batches))
            n = x.shape[0]
            y_fake = draw_labels(game, n)
            with no_grad():
                fake = game.G(game.latent(n), y_fake)
            loss_d = d_loss(game, (x, y), (fake, y_fake))
            game.opt_d.step(grad(loss_d, game.opt_d.params))
        y_fake = draw_labels(game, n)
        loss_g = g_loss(game, (game.G(game.latent(n), y_fake), y_fake))
        game.opt_g.step(grad(loss_g, game.opt_g.params))
        return {"loss_d": float(loss_d), "loss_g": float(loss_g)}

    return _step


def pair(batch: Any) -> tuple[Tensor, Array]:
    """Return the samples and labels of a batch.

    Raises:
        DataError: it has no labels.
    """
    if not isinstance(batch, tuple):
        raise DataError("this recipe needs labels: give it batches.with_labels() of labelled data")
    return Tensor(batch[0]), batch[1]


def draw_labels(game: Game, n: int) -> Array:
    """Draw n classes from the stream "labels", all alike. Shapes: -> (n,)."""
    return game.streams.stream("labels").integers(n, 0, game.config.num_classes)


def check_classes(name: str, num_classes: int) -> None:
    """Raise unless there are classes to tell apart.

    Raises:
        OptionError: there are fewer than two.
    """
    if num_classes < 2:
        raise OptionError(f"{name}: num_classes {num_classes}: labelled data of 2 or more fit")
