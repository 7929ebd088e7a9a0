"""Styles of a trained StyleGAN as arrays: make them, cross them, and walk along directions of W.

    ws = styles_of(G, z, psi=0.7)                  one style for each layer, (n, L, nw)
    render(G, crossed(ws[:4], ws[4:], layer=3))    coarse styles of four, fine ones of others
    values, directions = sefa(G)                   where the layers' styles change most

*SeFa* (Shen & Zhou, arXiv:2007.06600, section 3): a step alpha n in W changes a layer's style
A w + b by alpha A n, whatever w is. The unit vectors for which ||A n|| is largest, each orthogonal
to those before it, are the eigenvectors of A^T A, largest eigenvalue first; A has the rows of the
affine maps of all layers, or of those that are to change. No samples and no labels are needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import random
from ..autograd import Tensor, no_grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from .game import evaluating
from .networks import StyleGenerator

_BATCH = 64


def styles_of(G: StyleGenerator, z: Array, *, psi: float = 1.0) -> Array:
    """Map latents to one style for each layer, without mixing.

    Shapes: z (n, nz) -> (n, L, nw), NumPy.

    Args:
        G: the generator.
        z: latents.
        psi: truncation in W; 1: none, 0: the mean style for all.
    """
    with no_grad(), evaluating(G):
        parts = [G.styles(Tensor(z[i : i + _BATCH]), psi=psi) for i in range(0, len(z), _BATCH)]
    return np.concatenate([part.numpy() for part in parts])


def render(G: StyleGenerator, ws: Array) -> Array:
    """Make images of styles, with the noise of evaluation mode.

    Shapes: ws (n, L, nw) -> (n, C, S, S) in [-1, 1], NumPy.

    Raises:
        ShapeError: the styles are not those of G's layers.
    """
    with no_grad(), evaluating(G):
        parts = [G.synthesis(Tensor(ws[i : i + _BATCH])) for i in range(0, len(ws), _BATCH)]
    return np.concatenate([part.numpy() for part in parts]).clip(-1.0, 1.0)


def projected(G: StyleGenerator, w: Array, noises: Sequence[Array] = ()) -> Array:
    """Make the images of a ``Projection``: one style for all layers, and its noise.

    Shapes: w (n, nw), noises (n, 1, s, s) each, none for G's own -> (n, C, S, S) in [-1, 1].

    Raises:
        ShapeError: the noises are not those of G's layers.
    """
    maps = [Tensor(noise) for noise in noises] or None
    with no_grad(), evaluating(G):
        made: Array = G.synthesis(G.repeat(Tensor(w)), maps).numpy()
    return made.clip(-1.0, 1.0)


def crossed(rows: Array, columns: Array, *, layer: int) -> Array:
    """Cross two sets of styles: those of a row before a layer, those of a column from it on.

    Shapes: rows (n, L, nw), columns (m, L, nw) -> (n * m, L, nw), row by row.

    Args:
        rows: give the coarse styles.
        columns: give the fine ones.
        layer: the first that takes a column's style; 0 to L.

    Raises:
        ShapeError: the styles differ in their layers or their length.
        OptionError: there is no such layer.
    """
    if rows.ndim != 3 or rows.shape[1:] != columns.shape[1:]:
        raise ShapeError(f"crossed: styles {rows.shape} and {columns.shape}: (n, L, nw) both fit")
    if not 0 <= layer <= rows.shape[1]:
        raise OptionError(f"crossed: layer {layer}: 0 to {rows.shape[1]} fits")
    grid = rows.repeat(len(columns), axis=0)
    grid[:, layer:] = np.tile(columns, (len(rows), 1, 1))[:, layer:]
    return grid


def sefa(G: StyleGenerator, *, layers: Sequence[int] | None = None) -> tuple[Array, Array]:
    """Return the directions of W along which the layers' styles change most, and how much.

    Shapes: -> values (nw,), falling, directions (nw, nw), a unit vector a row; float64.

    Args:
        G: the generator.
        layers: numbers of the styles that are to change; None: all.

    Raises:
        OptionError: there is no such layer, or none at all.

    Source: arXiv:2007.06600, equations 3 to 6. The sign of a direction is that of its largest
    entry, made positive: eigenvectors have none of their own.
    """
    chosen = range(G.num_styles) if layers is None else layers
    if not len(chosen) or any(not 0 <= i < G.num_styles for i in chosen):
        raise OptionError(f"sefa: layers {list(chosen)}: numbers from 0 to {G.num_styles - 1} fit")
    affine = G.affines()
    weights = [layer.weight.numpy() for i in chosen for layer in affine[i]]
    a = np.concatenate(weights).astype(np.float64)  # (channels of all, nw)
    values, vectors = np.linalg.eigh(a.T @ a)
    directions = vectors.T[::-1]
    largest = np.abs(directions).argmax(1)[:, None]
    signs = np.sign(np.take_along_axis(directions, largest, 1))
    return values[::-1], directions * signs


def walked(
    ws: Array, directions: Array, steps: Array, *, layers: Sequence[int] | None = None
) -> Array:
    """Move styles along directions, each by every step.

    Shapes: ws (L, nw), directions (k, nw), steps (f,) -> (k * f, L, nw), direction by direction.

    Args:
        ws: where a walk passes.
        directions: unit vectors.
        steps: how far to go, in units of w.
        layers: numbers of the styles that move; None: all.
    """
    moved = np.zeros((len(ws), 1), ws.dtype)
    moved[slice(None) if layers is None else list(layers)] = 1.0
    ways = directions[:, None, None, :] * np.asarray(steps)[:, None, None] * moved
    found: Array = (ws + ways).reshape(-1, *ws.shape).astype(ws.dtype)
    return found


def spread(G: StyleGenerator, *, n: int = 1000) -> tuple[Array, float]:
    """Return the mean of w over n latents, and its standard deviation in one number of it.

    Shapes: -> (nw,), and the root of the mean variance. The latents are the same at each call.

    Args:
        G: the generator.
        n: latents, 2 or more.
    """
    z = random.Stream(0, "w_spread").normal((n, G.nz))
    w = styles_of(G, z)[:, 0].astype(np.float64)
    return w.mean(0).astype(np.float32), float(np.sqrt(w.var(0).mean()))
