"""Sheets of pictures that let people judge: nearest neighbours, templates, real or fake.

- ``neighbour_sheet``: each query at the left, after a gap its k nearest points, nearest first.
  Fakes beside training images show copies: ``memorisation.py`` in pictures.
- ``template_sheet``: the mean image of each class at the left, after a gap the fakes nearest to the
  class's mean: what a generator makes of each template, and which it never makes. Templates of
  your own: ``neighbour_sheet(templates, fakes)``.
- ``blind_sheet``: reals and fakes in one shuffled order, in numbered cells, with the answers apart;
  ``score_answers`` tests what a person said against guessing. After the study with
  annotators in arXiv:1606.03498.

Distances are Euclidean, in the features that are given or else in pixels. A sheet is an array
(H, W, 3) of bytes; small images are enlarged by a whole factor, so that every pixel stays visible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from .binomial import AccuracyTest, accuracy_test
from .checks import check_images
from .neighbours import nearest

_CELL = 56  # pixels that a small image is enlarged to, about
_PADDING, _GAP = 4, 16
_PAPER = 255
# digits of 3 x 5 pixels, row by row from the top, a bit a pixel
_GLYPHS = (
    (7, 5, 5, 5, 7), (2, 6, 2, 2, 7), (7, 1, 7, 4, 7), (7, 1, 7, 1, 7), (5, 5, 7, 1, 1),
    (7, 4, 7, 1, 7), (7, 4, 7, 5, 7), (7, 1, 1, 2, 2), (7, 5, 7, 5, 7), (7, 5, 7, 1, 7),
)  # fmt: skip
_GLYPH_SCALE = 2


@dataclass(frozen=True, eq=False)
class BlindSheet:
    """A sheet for a study with people, and its key.

    Attributes:
        picture: (H, W, 3) bytes; cells are numbered from 1.
        is_fake: the answers, (N,) booleans; entry 0 is cell 1.
        source: row of each cell's image in the set that it is from, (N,) int64.
    """

    picture: Array
    is_fake: Array
    source: Array


@dataclass(frozen=True)
class HumanScore:
    """What people made of a blind sheet.

    Attributes:
        overall: right answers against guessing, with interval and p-value.
        real: share of the real images that were called real.
        fake: share of the fakes that were called fake; 1 minus it is how often they deceived.
    """

    overall: AccuracyTest
    real: float
    fake: float


def neighbour_sheet(
    queries: Array,
    points: Array,
    *,
    k: int = 5,
    query_features: Array | None = None,
    point_features: Array | None = None,
) -> Array:
    """Draw each query beside its k nearest points.

    Shapes: queries (Q, C, H, W), points (N, C, H, W) with C 1 or 3, in [-1, 1]; query_features
    (Q, d), point_features (N, d) -> (height, width, 3) uint8.

    Args:
        queries: say, generated images.
        points: say, the training set.
        k: neighbours to draw, 1 to N.
        query_features: of the queries, where distance is to be measured; None measures in pixels.
        point_features: of the points, in the same space.

    Raises:
        ShapeError: the shapes don't fit, or a set is empty.
        OptionError: k or a pixel is out of range, or only one side has features.
    """
    _check("neighbour_sheet", queries, points)
    if (query_features is None) != (point_features is None):
        raise OptionError("neighbour_sheet: features of both sides, or of neither, fit")
    from_features = _flat(queries) if query_features is None else query_features
    to_features = _flat(points) if point_features is None else point_features
    if len(from_features) != len(queries) or len(to_features) != len(points):
        raise ShapeError(
            f"neighbour_sheet: features {from_features.shape}, {to_features.shape} of images "
            f"{queries.shape}, {points.shape}; a row for each image fits"
        )
    found = nearest(from_features, to_features, k)[1]
    return _beside(queries, points[found])


def template_sheet(
    real: Array,
    labels: Array,
    fakes: Array,
    *,
    k: int = 8,
    real_features: Array | None = None,
    fake_features: Array | None = None,
) -> Array:
    """Draw each class's mean image beside the fakes nearest to the class's mean.

    Shapes: real (N, C, H, W), labels (N,), fakes (M, C, H, W) in [-1, 1]; real_features (N, d),
    fake_features (M, d) -> (height, width, 3) uint8, a row a class.

    Args:
        real: real images; those of one class make a template.
        labels: their classes.
        fakes: generated images.
        k: fakes a row, 1 to M.
        real_features: of the reals, where means and distances are to be taken; None: pixels.
        fake_features: of the fakes, in the same space.

    Raises:
        ShapeError: the shapes don't fit, or a set is empty.
        OptionError: k or a pixel is out of range, or only one side has features.
    """
    _check("template_sheet", real, fakes)
    if labels.shape != (len(real),):
        raise ShapeError(f"template_sheet: labels {labels.shape} of {len(real)} images")
    templates = _class_means(real, labels)
    features = None if real_features is None else _class_means(real_features, labels)
    return neighbour_sheet(
        templates, fakes, k=k, query_features=features, point_features=fake_features
    )


def blind_sheet(
    real: Array, fake: Array, *, count: int = 50, columns: int = 10, seed: int = 0
) -> BlindSheet:
    """Draw reals and fakes in one shuffled order, and keep the answers apart.

    Shapes: real (N, C, H, W), fake (M, C, H, W), in [-1, 1].

    Args:
        real: real images that the person has not seen.
        fake: generated images, not chosen by hand.
        count: cells; half of them, rounded up, are fakes, though the person should not be told.
        columns: cells in a row, at least 1.
        seed: of the choice and the order; keep it with the key.

    Raises:
        ShapeError: the shapes don't fit, or a set is empty.
        OptionError: count, columns or a pixel is out of range, or a set has too few images.
    """
    _check("blind_sheet", real, fake)
    n_fake, n_real = count - count // 2, count // 2
    if columns < 1 or n_real < 1 or n_real > len(real) or n_fake > len(fake):
        raise OptionError(
            f"blind_sheet: count={count}, columns={columns} of {len(real)} reals and {len(fake)} "
            "fakes; half of the count, at least 1, of each must be there"
        )
    streams = {name: Stream(seed, f"blind/{name}") for name in ("real", "fake", "order")}
    rows = [streams["real"].permutation(len(real))[:n_real]]
    rows.append(streams["fake"].permutation(len(fake))[:n_fake])
    order = streams["order"].permutation(count)
    is_fake, source = (order >= n_real), np.concatenate(rows)[order]
    images = np.concatenate([real[rows[0]], fake[rows[1]]])[order]
    return BlindSheet(_numbered(_bytes(images), columns), is_fake, source)


def score_answers(said_fake: Sequence[bool] | Array, is_fake: Array) -> HumanScore:
    """Test a person's answers to a blind sheet against guessing.

    Shapes: said_fake (N,), is_fake (N,), booleans.

    Args:
        said_fake: what the person called fake; entry 0 is cell 1.
        is_fake: the key.

    Raises:
        ShapeError: there is not one answer for each cell.
        OptionError: the key has only reals or only fakes.
    """
    said = np.asarray(said_fake, dtype=bool)
    if said.ndim != 1 or said.shape != is_fake.shape:
        raise ShapeError(
            f"score_answers: answers {said.shape}, key {is_fake.shape}; (N,) each fits"
        )
    if is_fake.all() or not is_fake.any():
        raise OptionError("score_answers: the key needs both reals and fakes")
    right = said == is_fake
    overall = accuracy_test(int(right.sum()), len(right))
    return HumanScore(overall, float(right[~is_fake].mean()), float(right[is_fake].mean()))


def _check(what: str, *sets: Array) -> None:
    for images in sets:
        check_images(f"{what}: images", images)
    if len({x.shape[1:] for x in sets}) > 1:
        shapes = ", ".join(str(x.shape) for x in sets)
        raise ShapeError(f"{what}: images {shapes}; one size and number of channels fit")


def _flat(images: Array) -> Array:
    return images.reshape(len(images), -1)


def _class_means(x: Array, labels: Array) -> Array:
    """Average the rows of each class that occurs, in float64."""
    return np.stack([x[labels == c].mean(axis=0, dtype=np.float64) for c in np.unique(labels)])


def _bytes(images: Array) -> Array:
    """Turn images (..., C, H, W) in [-1, 1] into enlarged bytes (..., H, W, 3)."""
    x = np.moveaxis(np.floor((images + 1.0) * 127.5 + 0.5).astype(np.uint8), -3, -1)
    x = np.broadcast_to(x, (*x.shape[:-1], 3))
    factor = max(1, round(_CELL / max(x.shape[-3:-1])))
    return x.repeat(factor, axis=-3).repeat(factor, axis=-2)


def _beside(left: Array, right: Array) -> Array:
    """Lay out rows: one image of ``left`` (R, ...), a gap, k images of ``right`` (R, k, ...)."""
    cells = _bytes(np.concatenate([left[:, None], right], axis=1))
    rows, columns, height, width, _ = cells.shape
    shape = (rows * (height + _PADDING) + _PADDING, columns * (width + _PADDING) + _GAP, 3)
    sheet = np.full(shape, _PAPER, np.uint8)
    for r in range(rows):
        for c in range(columns):
            top = _PADDING + r * (height + _PADDING)
            from_left = _PADDING + c * (width + _PADDING) + (_GAP - _PADDING) * (c > 0)
            sheet[top : top + height, from_left : from_left + width] = cells[r, c]
    return sheet


def _numbered(cells: Array, columns: int) -> Array:
    """Lay out cells (N, H, W, 3) in rows, each under its number."""
    count, height, width, _ = cells.shape
    columns = min(columns, count)
    label = _number(count)
    # a cell is as wide as its number, should the images be narrower
    step_x = max(width, label.shape[1]) + _PADDING
    step_y = height + label.shape[0] + 2 * _PADDING
    shape = (-(-count // columns) * step_y + _PADDING, columns * step_x + _PADDING, 3)
    sheet = np.full(shape, _PAPER, np.uint8)
    for i, cell in enumerate(cells):
        top, left = i // columns * step_y + _PADDING, i % columns * step_x + _PADDING
        label = _number(i + 1)
        sheet[top : top + label.shape[0], left : left + label.shape[1]] = label
        top += label.shape[0] + _PADDING // 2
        sheet[top : top + height, left : left + width] = cell
    return sheet


def _number(value: int) -> Array:
    """Draw a number, black on white. Shapes: -> (height, width, 3) uint8."""
    rows = np.concatenate([[_GLYPHS[int(digit)]] for digit in str(value)])  # (digits, 5)
    bits = rows[:, :, None] >> np.array([2, 1, 0]) & 1  # (digits, 5, 3)
    spaced = np.pad(bits, ((0, 0), (0, 0), (0, 1)))  # a blank column after each digit
    ink = spaced.transpose(1, 0, 2).reshape(5, -1)
    ink = ink.repeat(_GLYPH_SCALE, axis=0).repeat(_GLYPH_SCALE, axis=1)
    return np.where(ink[..., None] == 1, 0, _PAPER).astype(np.uint8).repeat(3, axis=2)
