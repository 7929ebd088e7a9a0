"""The pictures of a run: grids of images or plots of points, and the summary at its end."""

from __future__ import annotations

import numpy as np

from ..data import Dataset
from ..kernels.arrays import Array, Shape
from .curves import save_curves
from .files import PathLike
from .grids import make_grid, save_gif, save_png, scatter
from .report import write_report
from .rundir import RunDirectory

IMAGES = 64  # in a grid, 8 x 8
POINTS = 2000  # in a plot


def count(shape: Shape) -> int:
    """Return how many samples of that shape make a picture."""
    return IMAGES if len(shape) == 3 else POINTS


def reach(dataset: Dataset) -> float:
    """Return the largest coordinate that a plot of these points should show; 1 for images."""
    if len(dataset.shape) == 3:
        return 1.0
    return 1.25 * float(np.abs(dataset.stored[:POINTS]).max())


def save_samples(path: PathLike, samples: Array, limit: float) -> None:
    """Write images (N, C, H, W) as a grid, points (N, 2) as a plot from -limit to limit.

    Raises:
        SaveError: the file could not be written.
    """
    if samples.ndim == 4:
        save_png(path, make_grid(samples))
    else:
        save_png(path, scatter(samples, limits=(-limit, limit)))


def write_summary(run: RunDirectory) -> None:
    """Write ``samples.gif``, ``curves.png`` and ``report.html`` from what the run has left.

    Raises:
        SaveError: a file could not be written.
    """
    frames = run.fakes()
    if frames:
        save_gif(run.path / "samples.gif", frames)
    save_curves(run.path / "curves.png", run.read_rows())
    write_report(run)
