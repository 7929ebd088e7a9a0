"""The pictures of a run: grids of images or plots of points, and the summary at its end.

A game whose G takes images shows rows: source, G(source), target; one that translates back, too,
shows source, G(source), F(G(source)), target, F(target), G(F(target)); one that knows K domains the
source in each of them. Samples of neither 1 nor 3 channels are films, a row each.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import nn, random
from ..autograd import Tensor
from ..data import Dataset
from ..errors import OptionError
from ..gan import Game, translate
from ..gan.game import evaluating
from ..kernels.arrays import Array, Shape
from .curves import save_curves
from .files import PathLike
from .grids import make_grid, save_film, save_gif, save_png, scatter
from .report import write_report
from .rundir import RunDirectory

IMAGES = 64  # in a grid, 8 x 8
FILMS = 16  # in a picture of films, a row each
POINTS = 2000  # in a plot
ROWS = 16  # of a picture of a game that translates


def count(shape: Shape) -> int:
    """Return how many samples of that shape make a picture."""
    if len(shape) != 3:
        return POINTS
    return FILMS if is_film(shape) else IMAGES


def is_film(shape: Shape) -> bool:
    """Tell whether samples of that shape are films, whose channels are frames."""
    return len(shape) == 3 and shape[0] not in (1, 3)


def reach(dataset: Dataset) -> float:
    """Return the largest coordinate that a plot of these points should show; 1 for images."""
    if len(dataset.shape) == 3:
        return 1.0
    return 1.25 * float(np.abs(dataset.stored[:POINTS]).max())


def save_samples(path: PathLike, samples: Array, limit: float) -> None:
    """Write images as a grid, films as rows, points (N, 2) as a plot from -limit to limit.

    Shapes: images (N, 1 or 3, H, W), films (N, T, H, W).

    Raises:
        SaveError: the file could not be written.
    """
    if samples.ndim == 4 and is_film(samples.shape[1:]):
        frames, *size = samples.shape[1:]
        save_png(path, make_grid(samples.reshape(-1, 1, *size), nrow=frames))
    elif samples.ndim == 4:
        save_png(path, make_grid(samples))
    else:
        save_png(path, scatter(samples, limits=(-limit, limit)))


def save_game(path: PathLike, game: Game, dataset: Dataset) -> None:
    """Write what a game makes: a grid or a plot of samples, or rows of translations.

    Raises:
        SaveError: the file could not be written.
    """
    if game.translation is None:
        save_samples(path, game.sample(count(dataset.shape)), reach(dataset))
    else:
        save_rows(path, list(translations(game, ROWS)))


def save_reals(path: PathLike, game: Game, dataset: Dataset, rows: Array) -> None:
    """Write samples of the data, given their indices; of a game that translates source and target.

    Raises:
        SaveError: the file could not be written.
    """
    samples = dataset.take(rows)
    if game.translation is None:
        save_samples(path, samples, reach(dataset))
    else:
        save_rows(path, list(game.cut(samples))[: 1 if game.translation.domains else 2])


def translations(
    game: Game, n: int, *, ema: bool = True, seed: int | None = None
) -> Iterator[Array]:
    """Yield the columns of a picture of n translations. Shapes: each (n, C, H, W), NumPy.

    Args:
        game: one whose G takes images.
        n: rows.
        ema: use the averaged generator where there is one.
        seed: another seed shows others; None shows the same at every call.

    Raises:
        OptionError: the game's G takes no images.
    """
    source, target = game.cut(game.draw(n, seed=seed))
    back = game.extra.get(game.translation.back) if game.translation else None
    net, streams = game.generator(ema=ema), random.Streams(game.streams.seed, game.streams.xp)

    def _through(player: nn.Module, images: Array, domain: int | None = None) -> Array:
        with evaluating(player):
            return translate(player, streams.xp.asarray(images), streams, domain=domain)

    if game.translation is not None and game.translation.domains:
        yield Tensor(source).numpy()
        yield from (_through(net, source, domain) for domain in range(game.translation.domains))
        return
    for images, there, again in ((source, net, back), (target, back, net)):
        yield Tensor(images).numpy()
        if isinstance(there, nn.Module):
            made = _through(there, images)
            yield made
            if isinstance(again, nn.Module):
                yield _through(again, made)


def save_rows(path: PathLike, columns: list[Array]) -> None:
    """Write columns of images as rows, two rows to a line.

    Raises:
        SaveError: the file could not be written.
    """
    save_png(path, make_grid(beside(columns), nrow=2 * len(columns)))


def beside(columns: list[Array]) -> Array:
    """Lay columns of images out in rows, all as large as the largest, in colour if one is.

    Shapes: columns of (N, C, H, W), C 1 or 3 -> (N * len(columns), C, H, W).

    Args:
        columns: images; smaller ones are enlarged by repeating pixels a whole number of times.

    Raises:
        OptionError: a size is no multiple of another.
    """
    channels = max(x.shape[1] for x in columns)
    size = max(x.shape[2:] for x in columns)
    alike = []
    for x in columns:
        up, left = divmod(size[0], x.shape[2])
        if left or up * x.shape[3] != size[1] or x.shape[1] not in (1, channels):
            raise OptionError(f"a row of images {[c.shape[1:] for c in columns]} has no one size")
        grown = x.repeat(up, axis=2).repeat(up, axis=3)
        alike.append(np.broadcast_to(grown, (len(x), channels, *size)))
    return np.stack(alike, axis=1).reshape(-1, channels, *size)


def write_summary(run: RunDirectory) -> None:
    """Write ``samples.gif``, ``curves.png`` and ``report.html`` from what the run has left.

    The animation goes through the pictures of the run; of films it plays those of the last one.

    Raises:
        SaveError: a file could not be written.
    """
    frames = run.fakes()
    config = run.read_config()
    if frames and config.get("film"):
        save_film(run.path / "samples.gif", frames[-1], tuple(config["shape"]))
    elif frames:
        save_gif(run.path / "samples.gif", frames)
    save_curves(run.path / "curves.png", run.read_rows())
    write_report(run)
