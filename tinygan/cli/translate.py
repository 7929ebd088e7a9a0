"""``tinygan sample RUN`` of a run whose G takes images: rows of translations, or files translated.

``--input FILE`` or ``FOLDER`` translates images of the user, each at its own size, which must fit
the net; ``--back`` takes the net that translates from B to A, ``--alpha`` one between those of two
phases of training, where the recipe has such.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import nn
from ..data.folder import image_files
from ..data.pixels import Rules, decode, read_bytes
from ..errors import DataError, ShapeError
from ..gan.super_resolution import interpolated
from ..kernels.arrays import Array
from ..runs.device import computing
from ..runs.grids import make_grid, save_png
from ..runs.pictures import save_rows, translations
from .exits import UsageError
from .opening import Trained


def save_translations(out: Path, trained: Trained, n: int, seed: int) -> None:
    """Write n rows of source, G(source), target; raises ``SaveError``."""
    trained.load_dataset()
    with computing(trained.backend):
        save_rows(out, list(translations(trained.game, n, ema=trained.ema, seed=seed)))


def reversed_run(trained: Trained) -> Trained:
    """Return the run with the net that translates back in place of G; raises ``UsageError``."""
    game, translation = trained.game, trained.game.translation
    back = game.extra.get(translation.back) if translation else None
    if translation is None or not isinstance(back, nn.Module):
        raise UsageError(f"--back: {trained.recipe.name} has no net that translates from B to A")
    turned = replace(translation, source=translation.target, target=translation.source, back="")
    return replace(trained, game=replace(game, G=back, ema=None, translation=turned))


def between(trained: Trained, alpha: float) -> Trained:
    """Return the run with a net between those of its two phases in place of G.

    Args:
        trained: a run of super-resolution.
        alpha: 0 for the net that was trained on pixels, 1 for the one that was trained as a GAN.

    Raises:
        UsageError: the recipe has no two phases, or the run is in the first one still.
        OptionError: alpha lies outside of 0 to 1.
    """
    game = trained.game
    first = game.extra.get("psnr")
    if not isinstance(first, nn.Module):
        raise UsageError(f"--alpha: {trained.recipe.name} has no two phases; esrgan has")
    if game.step <= game.config.pretrain:
        raise UsageError(
            f"--alpha: step {game.step} is trained on pixels alone; it becomes a GAN after step "
            f"{game.config.pretrain}"
        )
    G = interpolated(first, trained.net, alpha)
    return replace(trained, game=replace(game, G=G, ema=None))


def translate_files(
    trained: Trained, given: str, out: Path, domain: Array | None = None
) -> list[Path]:
    """Translate an image file, or all of a folder; return the files written.

    Args:
        trained: a run whose G takes images.
        given: file or folder.
        out: folder for the results, ``NAME.png`` each.
        domain: (1,), which one to translate into, where G is told.

    Raises:
        DataError: a file can't be read, or its size does not fit the net; the message names it.
        SaveError: a result could not be written.
    """
    path = Path(given).expanduser()
    if not path.exists():
        raise DataError(f"--input {given}: no such file or folder")
    files = image_files(path) if path.is_dir() else [path]
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for file, image in _decoded(files, trained):
        try:
            (made,) = trained(image, domain)
        except ShapeError as error:
            size = f"{image.shape[3]} x {image.shape[2]}"
            raise DataError(f"{file}: {size} does not fit {trained.recipe.name}: {error}") from None
        written.append(out / f"{file.stem}.png")
        save_png(written[-1], make_grid(made))
    return written


def _decoded(files: list[Path], trained: Trained) -> Iterator[tuple[Path, Array]]:
    """Yield each file and its pixels. Shapes: -> (1, C, H, W) in [-1, 1]."""
    channels = trained.source_shape[0]
    for file in files:
        pixels = decode(read_bytes(file), file, Rules(channels=channels))
        yield file, (pixels.transpose(2, 0, 1)[None] / np.float32(127.5) - 1.0).astype(np.float32)
