"""Eigenvalues in the complex plane as a PNG file, drawn with Pillow alone."""

from __future__ import annotations

import io

import numpy as np

from ..errors import ShapeError
from ..kernels.arrays import Array
from .curves import nice_ticks
from .files import PathLike, write_atomic

_SIZE, _MARGIN, _DOT = 480, 56, 4
_STABLE, _UNSTABLE = "#1f6fb4", "#c0392b"


def save_spectrum(path: PathLike, values: Array) -> None:
    """Draw eigenvalues, blue right of the imaginary axis and red left of it; write the PNG file.

    Shapes: values (k,) complex.

    Args:
        path: the file to write.
        values: at least one; those that are not finite are left out.

    Raises:
        ShapeError: there are none, or they are no vector.
        SaveError: it could not be written.
    """
    from PIL import Image, ImageDraw

    values = np.asarray(values, complex)
    if values.ndim != 1 or not len(values):
        raise ShapeError(f"save_spectrum: values {values.shape}: (k,) with k >= 1 fits")
    values = values[np.isfinite(values)]
    reach = 1.1 * max([1e-12, *np.abs(values.real), *np.abs(values.imag)])
    picture = Image.new("RGB", (_SIZE, _SIZE), "white")
    draw = ImageDraw.Draw(picture)
    inner = _SIZE - 2 * _MARGIN

    def _place(real: float, imag: float) -> tuple[float, float]:
        return (
            _MARGIN + (real / reach + 1.0) / 2.0 * inner,
            _SIZE - _MARGIN - (imag / reach + 1.0) / 2.0 * inner,
        )

    low, high = _MARGIN, _SIZE - _MARGIN
    draw.rectangle((low, low, high, high), outline="#888888")
    middle = _place(0.0, 0.0)[0]
    draw.line((middle, low, middle, high), fill="#bbbbbb")
    draw.line((low, middle, high, middle), fill="#bbbbbb")
    for tick in nice_ticks(-reach, reach):
        x, y = _place(tick, tick)
        label = f"{tick:.3g}"
        draw.text((x - draw.textlength(label) / 2, high + 6), label, fill="#444444")
        draw.text((low - 6 - draw.textlength(label), y - 6), label, fill="#444444")
    draw.text((low, 16), "eigenvalues of the game Jacobian: real part to the right", fill="black")
    for value in values:
        x, y = _place(float(value.real), float(value.imag))
        colour = _UNSTABLE if value.real < 0.0 else _STABLE
        draw.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), fill=colour)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_atomic(path, [buffer.getvalue()])
