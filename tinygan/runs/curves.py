"""Loss curves as a PNG file, drawn with Pillow alone.

One panel for each group of series: what they have in common is their scale. The axes get ticks
at 1, 2 or 5 times a power of ten; a long series is averaged to one point a pixel, over the pale
band between its lowest and highest values there, so that a spike of a single step is still seen.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from .files import PathLike, write_atomic

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

Points: TypeAlias = list[tuple[float, float]]
Box: TypeAlias = tuple[int, int, int, int]
Span: TypeAlias = tuple[float, float]

COLOURS = (
    "#1f6fb4", "#d9541e", "#2a9d5c", "#8e44ad", "#b8860b", "#555555", "#17a2b8", "#c2185b",
)  # fmt: skip
_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM = 720, 220, 64, 26, 24
_NOT_DRAWN = ("step", "seconds", "time", "kimg", "eta")
_MAX_PANELS = 8


def panels_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Group the numbers of metric rows: all losses in one panel, every other key in its own."""
    keys: dict[str, None] = {}
    for row in rows:
        for key, value in row.items():
            if isinstance(value, int | float) and key not in _NOT_DRAWN:
                keys[key] = None
    losses = [key for key in keys if "loss" in key.lower()]
    panels = {"losses": losses} if losses else {}
    panels.update({key: [key] for key in keys if key not in losses})
    return dict(list(panels.items())[:_MAX_PANELS])


def save_curves(
    path: PathLike,
    rows: Sequence[Mapping[str, Any]],
    panels: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Draw metric rows over their ``step`` and write the PNG file, atomically.

    Args:
        path: the file to write.
        rows: as ``RunDirectory.read_rows`` gives them; a value that is missing or null is a gap.
        panels: keys to draw together, by title; ``panels_of(rows)`` if None.

    Raises:
        SaveError: it could not be written.
    """
    write_atomic(path, [curves_png(rows, panels)])


def curves_png(
    rows: Sequence[Mapping[str, Any]], panels: Mapping[str, Sequence[str]] | None = None
) -> bytes:
    """Return the PNG file of ``save_curves``."""
    from PIL import Image, ImageDraw

    chosen = panels_of(rows) if panels is None else panels
    picture = Image.new("RGB", (_WIDTH, _HEIGHT * max(len(chosen), 1)), "white")
    draw = ImageDraw.Draw(picture)
    if not chosen:
        draw.text((_LEFT, _TOP), "no metrics yet", fill="black")
    for index, (title, keys) in enumerate(chosen.items()):
        series = {key: _series(rows, key) for key in keys}
        _panel(draw, index * _HEIGHT, title, {k: points for k, points in series.items() if points})
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers within [low, high].

    >>> nice_ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / count
    if not rough > 0 or not math.isfinite(rough):
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(f"{index * step:.12g}") for index in range(first, last + 1)]


def _series(rows: Sequence[Mapping[str, Any]], key: str) -> Points:
    pairs = [(row.get("step"), row.get(key)) for row in rows]
    numbers = [
        (x, y) for x, y in pairs if isinstance(x, int | float) and isinstance(y, int | float)
    ]
    return [(float(x), float(y)) for x, y in numbers if math.isfinite(y)]


def _panel(draw: ImageDraw, top: int, title: str, series: Mapping[str, Points]) -> None:
    box = (_LEFT, top + _TOP, _WIDTH - 12, top + _HEIGHT - _BOTTOM)
    points = [point for each in series.values() for point in each]
    x_span = _span([x for x, _ in points], margin=0.0)
    y_span = _span([y for _, y in points], margin=0.05)
    _axes(draw, box, x_span, y_span)
    draw.text((_LEFT, top + 6), title, fill="black")
    right = _LEFT + 20 + int(draw.textlength(title))
    for key, colour in zip(series, COLOURS * len(series), strict=False):
        _curve(draw, box, series[key], (x_span, y_span), colour)
        if key != title:
            draw.text((right, top + 6), key, fill=colour)
            right += 16 + int(draw.textlength(key))


def _span(values: Sequence[float], margin: float) -> Span:
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if not high - low > 1e-12 * max(abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    extra = (high - low) * margin
    return low - extra, high + extra


def _axes(draw: ImageDraw, box: Box, x_span: Span, y_span: Span) -> None:
    left, top, right, bottom = box
    for tick in nice_ticks(*y_span):
        y = _place(tick, y_span, bottom, top)
        draw.line((left, y, right, y), fill="#e4e4e4")
        label = f"{tick:.4g}"
        draw.text((left - 6 - draw.textlength(label), y - 6), label, fill="#444444")
    for tick in nice_ticks(*x_span, count=8):
        x = _place(tick, x_span, left, right)
        label = f"{tick:.6g}"
        draw.line((x, bottom, x, bottom + 3), fill="#444444")
        draw.text((x - draw.textlength(label) / 2, bottom + 5), label, fill="#444444")
    draw.rectangle(box, outline="#888888")


def _place(value: float, span: Span, start: int, end: int) -> float:
    return start + (value - span[0]) / (span[1] - span[0]) * (end - start)


def _curve(
    draw: ImageDraw, box: Box, points: Points, spans: tuple[Span, Span], colour: str
) -> None:
    left, top, right, bottom = box
    columns: dict[int, list[float]] = {}
    for x, y in points:
        column = round(_place(x, spans[0], left, right))
        columns.setdefault(column, []).append(_place(y, spans[1], bottom, top))
    pale = "#" + "".join(f"{(int(colour[i : i + 2], 16) + 3 * 255) // 4:02x}" for i in (1, 3, 5))
    for column, values in columns.items():
        draw.line((column, min(values), column, max(values)), fill=pale)
    line = [(column, sum(values) / len(values)) for column, values in sorted(columns.items())]
    if len(line) == 1:
        draw.ellipse((line[0][0] - 2, line[0][1] - 2, line[0][0] + 2, line[0][1] + 2), fill=colour)
    else:
        draw.line(line, fill=colour, width=2)
