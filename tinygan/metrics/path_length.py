"""Perceptual path length: how much images change for a small step between two latents.

    PPL = E_{z1, z2, t}  d(G(s(z1, z2, t)), G(s(z1, z2, t + eps))) / eps^2

d is a squared perceptual distance, LPIPS on VGG16; z1 and z2 are N(0, I), t is uniform in [0, 1)
("full") or 0 ("end"). In ``z`` s is spherical interpolation, in ``w`` it is a straight line between
the mapped latents. Karras et al., arXiv:1812.04948, section 4.1. In a smooth space a path is short.

Of the distances those below the 1 % and above the 99 % quantile are left out, as in published
numbers; ``discard=0`` keeps all.

Deviations: the paper's G normalises z, so its slerp runs on the sphere. Here directions run on the
sphere and norms along a line between the two, which is the same for such a G and keeps latents
typical for others. Distances see images as G makes them: crop or downsample in ``distance``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from .checks import check_count

Generate = Callable[[Array], Array]
Distance = Callable[[Array, Array], Array]
_BATCH = 50


@dataclass(frozen=True, eq=False)
class PathLength:
    """A perceptual path length with its protocol.

    Attributes:
        mean: the PPL, in units of the distance per squared step.
        std: standard deviation of the lengths that were kept.
        samples: pairs of images compared.
        kept: lengths that the mean is of.
        space: ``z`` or ``w``.
        sampling: ``full`` or ``end``.
        eps: the step.
        discard: share of the lengths that were left out on either side.
    """

    mean: float
    std: float
    samples: int
    kept: int
    space: str
    sampling: str
    eps: float
    discard: float


def slerp(a: Array, b: Array, t: Array) -> Array:
    """Interpolate on the sphere: directions along the great circle, norms along a line.

    Shapes: a and b (N, d), t (N,) -> (N, d). Opposite vectors have no great circle of their own:
    the line between them is taken, as it is for equal ones and for a vector of length 0.
    """
    norm_a, norm_b = (np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    u, v = (x / np.where(n > 0.0, n, 1.0) for x, n in ((a, norm_a), (b, norm_b)))
    # atan2 keeps its digits where vectors are nearly equal, and arccos of the product does not
    chord, chord_back = (np.linalg.norm(x, axis=1, keepdims=True) for x in (u - v, u + v))
    angle = 2.0 * np.arctan2(chord, chord_back)
    t = t[:, None]
    sine = np.sin(angle)
    curved = sine > 1e-9
    safe = np.where(curved, sine, 1.0)
    left = np.where(curved, np.sin((1.0 - t) * angle) / safe, 1.0 - t)
    right = np.where(curved, np.sin(t * angle) / safe, t)
    out: Array = (left * u + right * v) * ((1.0 - t) * norm_a + t * norm_b)
    return out


def perceptual_path_length(
    generate: Generate,
    distance: Distance,
    *,
    nz: int,
    samples: int = 10_000,
    eps: float = 1e-4,
    space: str = "z",
    mapping: Generate | None = None,
    sampling: str = "full",
    discard: float = 0.01,
    batch: int = _BATCH,
    dtype: Any = np.float32,
    seed: int = 0,
) -> PathLength:
    """Compute the perceptual path length of a generator.

    Shapes: generate takes (n, nz), in w what mapping returns, and gives n images; distance takes
    two batches of n images and gives (n,), a squared distance such as ``LPIPS.distance``.

    Args:
        generate: from latents to images.
        distance: squared perceptual distance of images.
        nz: dimension of z.
        samples: paths, at least 1; published numbers are of 100,000.
        eps: step along the path, in (0, 1).
        space: ``z``, or ``w`` with a mapping.
        mapping: from z to w (n, nw), where the space is ``w``.
        sampling: ``full``, or ``end`` for paths' beginnings alone.
        discard: share of the lengths left out on either side, 0 to below 0.5.
        batch: paths at a time.
        dtype: of the latents that G receives; interpolation itself is float64.
        seed: of latents and positions.

    Raises:
        OptionError: an argument is out of range, or a length is not finite.
        ShapeError: distance returns another shape.
    """
    for name, value in (("nz", nz), ("samples", samples), ("batch", batch)):
        check_count("perceptual_path_length", name, value)
    _check_options(eps, space, mapping, sampling, discard)
    stream = Stream(seed, "perceptual_path_length")
    lengths = np.empty(samples)
    for begin in range(0, samples, batch):
        n = min(batch, samples - begin)
        z = stream.normal((n, 2, nz), dtype=np.float64)
        t = stream.uniform(n, dtype=np.float64) * (sampling == "full")
        near, far = _step(z, t, eps, mapping, dtype)
        found = np.asarray(distance(generate(near), generate(far)))
        if found.shape != (n,):
            raise ShapeError(f"perceptual_path_length: distances {found.shape}: ({n},) fits")
        lengths[begin : begin + n] = found.astype(np.float64) / eps**2
    if not np.isfinite(lengths).all():
        raise OptionError("perceptual_path_length: a distance is not finite; do all images hold?")
    low = np.quantile(lengths, discard, method="lower")
    high = np.quantile(lengths, 1.0 - discard, method="higher")
    kept = lengths[(lengths >= low) & (lengths <= high)]
    mean, std = float(kept.mean()), float(kept.std())
    return PathLength(mean, std, samples, len(kept), space, sampling, eps, discard)


def _check_options(
    eps: float, space: str, mapping: Generate | None, sampling: str, discard: float
) -> None:
    what = "perceptual_path_length"
    if space not in ("z", "w") or (mapping is not None) != (space == "w"):
        given = "with" if mapping is not None else "without"
        raise OptionError(
            f"{what}: space={space!r} {given} a mapping: 'z' without or 'w' with one fits"
        )
    if sampling not in ("full", "end"):
        raise OptionError(f"{what}: sampling={sampling!r}: 'full' or 'end' fits")
    if not 0.0 < eps < 1.0:
        raise OptionError(f"{what}: eps={eps!r}: a step between 0 and 1 fits")
    if not 0.0 <= discard < 0.5:
        raise OptionError(f"{what}: discard={discard!r}: 0 to below 0.5 fits")


def _step(
    z: Array, t: Array, eps: float, mapping: Generate | None, dtype: Any
) -> tuple[Array, Array]:
    """Return the latents at t and at t + eps. Shapes: z (n, 2, nz), t (n,) -> (n, nz or nw)."""
    a, b = z[:, 0], z[:, 1]
    if mapping is None:
        near, far = slerp(a, b, t), slerp(a, b, t + eps)
    else:
        w1, w2 = (mapping(np.ascontiguousarray(x, dtype)).astype(np.float64) for x in (a, b))
        near, far = (w1 + s[:, None] * (w2 - w1) for s in (t, t + eps))
    return near.astype(dtype), far.astype(dtype)
