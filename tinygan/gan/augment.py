"""Augmentation of all that D judges, reals and fakes alike, so that few images last longer.

    L_D = d(D(T(x)), D(T(G(z)))),   L_G = g(D(T(G(z))))          T random, drawn for each image

As T is differentiable, G gets its gradient through it; as fakes are augmented too, G is not to make
augmented images. T acts on D's input in training mode, so a penalty on D's slope is one on the
slope of D(T(x)) in x.

**DiffAugment** (Zhao et al., arXiv:2006.10738), ``diff:color,translation,cutout``, always:

    color         brightness x + U(-1/2, 1/2); then saturation, x about the mean over its channels
                  times U(0, 2); then contrast, x about its mean times U(1/2, 3/2)
    translation   by up to 1/8 of the side, in whole pixels; 0 comes in
    cutout        a square of half the side is 0, its middle anywhere

**ADA** (Karras et al., arXiv:2006.06676, section 3 and appendix B), ``ada:TARGET/KIMG``: each of
these with probability p, in this order, with borders reflected.

    flip          left to right; only if asked for by ``ada:flip``, as it turns digits into others
    translation   by U(-1/8, 1/8) of the side, in whole pixels
    scaling       by 2^N(0, 0.2^2), bilinear
    brightness    x + N(0, 0.2^2)
    contrast      x times 2^N(0, 0.5^2)

p is 0 at first; every 4 steps it rises by (images since then) / (1000 KIMG) if the part of the
reals that D takes for real is too large, and else falls:

    r_t = E sign(D(T(x))) > TARGET,   0.6;   KIMG = 500 thousand images from p = 0 to 1

Where p stays above 0.8 or so, G may make augmented images after all (their section 2.2): ``ada_p``
is among the metrics.

Deviations: quarter turns, rotation, unequal scaling, shifts by parts of a pixel, luma flip, hue and
saturation are left out; r_t is that of one batch at each 4th step, not the mean of 4 batches;
scaling has no wavelet filter. All geometry here acts on rows and columns apart, x -> A x B^T, so it
is two products of matrices, which have derivatives of every order.

Exercise: let T act on the reals alone (an objective that augments ``real``). What does G make now?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import nn, ops, random
from ..autograd import Tensor
from ..errors import OptionError, ShapeError, StateError
from ..kernels.arrays import Array, xp_of
from ..random import Stream

SHIFT = 1 / 8  # of the side, both papers
EVERY = 4  # steps from one change of p to the next, arXiv:2006.06676, section 3.1


# --- differentiable, and given all random numbers ---


def add(x: Tensor, amount: Array) -> Tensor:
    """Add a number to each image. Shapes: x (N, C, H, W), amount (N,) -> (N, C, H, W)."""
    return x + Tensor(amount[:, None, None, None])


def stretch(x: Tensor, factor: Array, *, axes: Sequence[int] = ()) -> Tensor:
    """Multiply each image by a number, about its mean over ``axes``, or about 0 without any.

    Shapes: x (N, C, H, W), factor (N,) -> (N, C, H, W). Differentiable: any order.
    """
    by = Tensor(factor[:, None, None, None])
    if not axes:
        return x * by
    middle = ops.mean(x, tuple(axes), keepdims=True)
    return (x - middle) * by + middle


def along_axis(size: int, factor: Array, shift: Array, *, reflect: bool) -> Array:
    """Return the matrix of each image that scales an axis about its middle and then shifts it.

        y_i = sum_j A_ij x_j,   A_ij = max(0, 1 - |u_i - j|),   u_i = (i - shift - c) / factor + c

    with c the middle: linear interpolation at u_i. A factor of -1 flips.

    Shapes: factor (N,), shift (N,) -> (N, size, size).

    Args:
        size: of the axis, in pixels.
        factor: above 1 magnifies.
        shift: in pixels; towards the end of the axis.
        reflect: what lies outside is the image reflected in its outer pixels; else 0.
    """
    xp = xp_of(factor)
    pixels = xp.arange(size, dtype=factor.dtype)
    middle = (size - 1) / 2
    u = (pixels - shift[:, None] - middle) / factor[:, None] + middle  # (N, size)
    if reflect and size > 1:
        u = u % (2 * size - 2)
        u = xp.minimum(u, 2 * size - 2 - u)
    weights: Array = xp.maximum(0, 1 - abs(u[:, :, None] - pixels))
    return weights


def resample(x: Tensor, rows: Array, columns: Array) -> Tensor:
    """Return A x B^T of each channel.

    Shapes: x (N, C, H, W), rows A (N, H, H), columns B (N, W, W) -> (N, C, H, W).
    Differentiable: any order.
    """
    turned = xp_of(columns).swapaxes(columns, 1, 2)
    return ops.matmul(ops.matmul(Tensor(rows[:, None]), x), Tensor(turned[:, None]))


def cut(x: Tensor, top: Array, left: Array, *, height: int, width: int) -> Tensor:
    """Set a rectangle of each image to 0; it may reach beyond the image.

    Shapes: x (N, C, H, W), top and left (N,) -> (N, C, H, W). Differentiable: any order.
    """
    xp = xp_of(top)
    y, x_ = xp.arange(x.shape[2]) - top[:, None], xp.arange(x.shape[3]) - left[:, None]
    inside_y, inside_x = (y >= 0) & (y < height), (x_ >= 0) & (x_ < width)
    keep = ~(inside_y[:, :, None] & inside_x[:, None, :])
    return x * Tensor(keep[:, None].astype(x.dtype))


# --- DiffAugment ---


def _color(x: Tensor, stream: Stream) -> Tensor:
    def _draw(low: float, high: float) -> Array:
        return stream.uniform(x.shape[0], low, high, dtype=x.dtype)

    x = add(x, _draw(-0.5, 0.5))
    x = stretch(x, _draw(0.0, 2.0), axes=(1,))  # a grey image is its own mean: nothing changes
    return stretch(x, _draw(0.5, 1.5), axes=(1, 2, 3))


def _translation(x: Tensor, stream: Stream) -> Tensor:
    shifts = [_whole_shifts(stream, x, axis) for axis in (2, 3)]
    one = stream.xp.ones(x.shape[0], dtype=x.dtype)
    rows, columns = (
        along_axis(x.shape[axis], one, shift, reflect=False)
        for axis, shift in zip((2, 3), shifts, strict=True)
    )
    return resample(x, rows, columns)


def _whole_shifts(stream: Stream, x: Tensor, axis: int) -> Array:
    """Draw whole pixels from -1/8 to 1/8 of a side, all alike."""
    reach = round(x.shape[axis] * SHIFT)
    shifts: Array = stream.integers(x.shape[0], -reach, reach + 1).astype(x.dtype)
    return shifts


def _cutout(x: Tensor, stream: Stream) -> Tensor:
    n, _, h, w = x.shape
    height, width = round(h / 2), round(w / 2)
    middle_y, middle_x = stream.integers(n, 0, h), stream.integers(n, 0, w)
    return cut(x, middle_y - height // 2, middle_x - width // 2, height=height, width=width)


POLICIES: dict[str, Callable[[Tensor, Stream], Tensor]] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
}


@dataclass(frozen=True)
class DiffAugment:
    """Augment images by DiffAugment's policies, each of them always.

    Attributes:
        policies: names of ``POLICIES``, in their order.
    """

    policies: tuple[str, ...] = tuple(POLICIES)

    def __call__(self, x: Tensor) -> Tensor:
        """Augment, drawing from the ambient stream "augment".

        Shapes: x (N, C, H, W) -> (N, C, H, W). Differentiable: any order.

        Raises:
            ShapeError: x is no batch of images.
        """
        stream = _stream(x)
        for name in self.policies:
            x = POLICIES[name](x, stream)
        return x


# --- ADA ---


class ADA:
    """Augment images with a probability that follows how far D overfits.

    Args:
        target: of r_t, in (-1, 1).
        kimg: thousands of images in which p can rise from 0 to 1.
        flip: flip left to right too.

    Raises:
        OptionError: target or kimg is out of range.
    """

    def __init__(self, *, target: float = 0.6, kimg: float = 500.0, flip: bool = False) -> None:
        if not -1 < target < 1 or not 0 < kimg < float("inf"):
            raise OptionError(f"ADA: target {target}, kimg {kimg}: -1 to 1, and above 0, fit")
        self.target, self.kimg, self.flip = target, kimg, flip
        self.p = 0.0
        self.images = 0  # since p was last changed

    def __call__(self, x: Tensor) -> Tensor:
        """Augment, drawing from the ambient stream "augment"; where p is 0 return ``x`` itself.

        Shapes: x (N, C, H, W) -> (N, C, H, W). Differentiable: any order.

        Raises:
            ShapeError: x is no batch of images.
        """
        stream = _stream(x)
        if self.p == 0.0:
            return x
        x = self._move(x, stream)
        x = add(x, self._or(stream, stream.normal(x.shape[0], x.dtype, std=0.2), 0.0))
        return stretch(x, self._or(stream, 2 ** stream.normal(x.shape[0], x.dtype, std=0.5), 1.0))

    def _move(self, x: Tensor, stream: Stream) -> Tensor:
        n, moved = x.shape[0], stream.bernoulli(x.shape[0], self.p)
        down, right = (
            stream.xp.where(moved, _whole_shifts(stream, x, axis), 0).astype(x.dtype)
            for axis in (2, 3)
        )
        factor = self._or(stream, 2 ** stream.normal(n, x.dtype, std=0.2), 1.0)
        sign = stream.xp.ones(n, dtype=x.dtype)
        if self.flip:
            sign = self._or(stream, 1 - 2 * stream.bernoulli(n, 0.5).astype(x.dtype), 1.0)
        return resample(
            x,
            along_axis(x.shape[2], factor, down, reflect=True),
            along_axis(x.shape[3], factor * sign, right, reflect=True),
        )

    def _or(self, stream: Stream, drawn: Array, identity: float) -> Array:
        """Return what was drawn with probability p, and else what changes nothing."""
        chosen = stream.bernoulli(len(drawn), self.p)
        values: Array = stream.xp.where(chosen, drawn, identity).astype(drawn.dtype)
        return values

    def adjust(self, r_t: float) -> None:
        """Raise or lower p for the images since the last time.

        Args:
            r_t: E sign(D(T(x))) over reals.
        """
        step = self.images / (1000.0 * self.kimg)
        self.p = min(max(self.p + (step if r_t > self.target else -step), 0.0), 1.0)
        self.images = 0

    def state_dict(self) -> dict[str, Any]:
        """Return p and the count of images."""
        return {"p": self.p, "images": self.images}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned.

        Raises:
            StateError: it is something else.
        """
        if set(state) != {"p", "images"}:
            raise StateError(f"ADA takes its p and images, got {', '.join(state)}")
        self.p, self.images = float(state["p"]), int(state["images"])


# --- both ---


def _stream(x: Tensor) -> Stream:
    if x.ndim != 4:
        raise ShapeError(f"augmentation takes images (N, C, H, W), got {x.shape}")
    return random.current().stream("augment")


@dataclass(frozen=True)
class AugmentedInput:
    """Augment what a module is called with, in training mode alone.

    Attributes:
        augment: what does it.
    """

    augment: DiffAugment | ADA

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """Return what the module's ``forward`` gets."""
        return self.augment(x) if module.training else x


def parse_augment(text: str) -> DiffAugment | ADA | None:
    """Read ``diff:color,cutout``, ``ada``, ``ada:0.6/500,flip``; ``""`` is None.

    Raises:
        OptionError: a name is unknown, or a number out of range.
    """
    name, _, rest = text.partition(":")
    parts = [part.strip() for part in rest.split(",") if part.strip()]
    if name == "diff":
        unknown = [part for part in parts if part not in POLICIES]
        if unknown:
            raise OptionError(f"--augment {text}: no {unknown[0]!r}: use {', '.join(POLICIES)}")
        return DiffAugment(tuple(p for p in POLICIES if p in parts or not parts))
    if name == "ada":
        return _parse_ada(text, parts)
    if not text:
        return None
    raise OptionError(f"--augment {text}: diff:color,translation,cutout or ada:0.6/500 fits")


def _parse_ada(text: str, parts: list[str]) -> ADA:
    numbers = [part for part in parts if part != "flip"]
    target, _, kimg = (numbers or [""])[0].partition("/")
    try:
        given = {k: float(v) for k, v in (("target", target), ("kimg", kimg)) if v}
    except ValueError:
        given = {}
    if len(numbers) > 1 or (numbers and not given):
        raise OptionError(f"--augment {text}: ada:TARGET/KIMG,flip fits, as in ada:0.6/500")
    return ADA(**given, flip="flip" in parts)
