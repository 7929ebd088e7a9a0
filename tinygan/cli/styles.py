"""Pictures of the styles of a StyleGAN run: truncated samples, two sets crossed, walks in W."""

from __future__ import annotations

import math

import numpy as np

from ..gan.networks import StyleGenerator
from ..gan.styles import crossed, render, sefa, spread, styles_of, walked
from ..kernels.arrays import Array
from ..runs.device import computing
from .exits import UsageError
from .opening import Trained


def style_net(trained: Trained, flag: str) -> StyleGenerator:
    """Return the generator of a run that has styles; raises ``UsageError``, naming ``flag``."""
    if not isinstance(trained.net, StyleGenerator):
        raise UsageError(
            f"{flag}: {trained.recipe.name}'s G has no styles; runs of stylegan and stylegan2 have"
        )
    return trained.net


def truncated(trained: Trained, z: Array, psi: float) -> Array:
    """Make samples whose styles are pulled towards their mean.

    Shapes: z (n, nz) -> (n, C, H, W).

    Raises:
        UsageError: the run has no styles, or psi is not finite.
    """
    net = style_net(trained, f"--psi {psi:g}")
    if not math.isfinite(psi):
        raise UsageError(f"--psi {psi:g}: a number fits; 0: the mean image, 1: no truncation")
    with computing(trained.backend):
        return render(net, styles_of(net, z, psi=psi))


def crossing(trained: Trained, *, n: int, layer: int, seed: int, psi: float) -> Array:
    """Cross two sets of samples: rows give the styles before a layer, columns those from it on.

    The first row shows the columns' own images, the first column the rows', the corner is black.

    Shapes: -> ((k + 1)^2, C, H, W), k^2 the largest square up to n.

    Raises:
        UsageError: the run has no styles, or no such layer.
    """
    net = style_net(trained, f"--mix-styles {layer}")
    if not 0 < layer < net.num_styles:
        raise UsageError(f"--mix-styles {layer}: layers 1 to {net.num_styles - 1} fit")
    k = max(1, math.isqrt(n))
    with computing(trained.backend):
        ws = styles_of(net, trained.latent(2 * k, seed), psi=psi)
        rows, columns = ws[:k], ws[k:]
        own = render(net, ws)
        mixed = render(net, crossed(rows, columns, layer=layer)).reshape(k, k, *own.shape[1:])
    sheet = np.full((k + 1, k + 1, *own.shape[1:]), -1.0, np.float32)
    sheet[1:, 0], sheet[0, 1:], sheet[1:, 1:] = own[:k], own[k:], mixed
    return sheet.reshape(-1, *own.shape[1:])


def traversals(
    trained: Trained, *, count: int, frames: int, reach: float, layers: str, seed: int
) -> Array:
    """Walk from one sample along the directions that change styles most; see ``gan.styles.sefa``.

    Shapes: -> (count * frames, C, H, W), a direction a row, the sample itself in the middle.

    Args:
        trained: the run.
        count: directions.
        frames: images a walk.
        reach: how far to go to either side, in standard deviations of a number of w.
        layers: numbers of the styles that move, ``0-3`` or ``2``; ``""``: all.
        seed: of the sample.

    Raises:
        UsageError: the run has no styles, or a number does not fit.
    """
    net = style_net(trained, f"--sefa {count}")
    if not 1 <= count <= net.nw:
        raise UsageError(f"--sefa {count}: 1 to {net.nw} directions fit")
    if not 0.0 < reach < math.inf:
        raise UsageError(f"--reach {reach:g}: a number above 0 fits")
    chosen = parse_layers(layers, net.num_styles)
    with computing(trained.backend):
        _, directions = sefa(net, layers=chosen)
        steps = np.linspace(-reach, reach, frames) * spread(net)[1]
        (start,) = styles_of(net, trained.latent(1, seed))
        return render(net, walked(start, directions[:count], steps, layers=chosen))


def parse_layers(text: str, count: int) -> range | None:
    """Read ``0-3`` or ``2``; ``""`` is None, all.

    Raises:
        UsageError: these are no numbers from 0 to count - 1, the smaller one first.
    """
    if not text:
        return None
    first, dash, last = text.partition("-")
    ends = [part.strip() for part in (first, last if dash else first)]
    if all(end.isascii() and end.isdigit() for end in ends):
        low, high = map(int, ends)
        if low <= high < count:
            return range(low, high + 1)
    raise UsageError(f"--layers {text}: 0 to {count - 1} fit, as 2 or as 0-3")
