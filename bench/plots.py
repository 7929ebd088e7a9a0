"""Panels with logarithmic axes as a PNG file, drawn with Pillow alone.

    sheet = Sheet(800, 500)
    panel = Panel(sheet, (80, 40, 780, 440), x=Axis("batch", 8, 256), y=Axis("ms", 10, 1000))
    panel.line([(8, 40), (256, 900)], COLOURS[0])
    panel.labels([(8, 40, "tinygan")])
    sheet.save(Path("picture.png"))

Everything is drawn at twice the size and scaled down, for smooth lines.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tinygan.runs.curves import COLOURS

__all__ = ["COLOURS", "Axis", "Box", "Panel", "Sheet"]

SCALE = 2
TEXT, TITLE = 15, 18  # pixels
MARKER = 5  # half a marker's side
GREY, PALE, DARK = "#8a8a8a", "#e6e6e6", "#333333"
Point = tuple[float, float]
Box = tuple[float, float, float, float]


class Sheet:
    """A white page. Coordinates are pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self.image = Image.new("RGB", (SCALE * width, SCALE * height), "white")
        self.draw = ImageDraw.Draw(self.image)
        self.fonts = {size: ImageFont.load_default(SCALE * size) for size in (TEXT, TITLE)}

    def line(self, points: Sequence[Point], colour: str, width: float = 1.0) -> None:
        """Draw a broken line."""
        scaled = [(SCALE * x, SCALE * y) for x, y in points]
        self.draw.line(scaled, fill=colour, width=round(SCALE * width), joint="curve")

    def marker(self, at: Point, colour: str) -> None:
        """Draw a dot."""
        x, y = (SCALE * v for v in at)
        r = SCALE * MARKER
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="white")

    def size(self, text: str, size: int = TEXT) -> Point:
        """Return a text's width and height."""
        left, _, right, _ = self.fonts[size].getbbox(text)
        return (right - left) / SCALE, float(size)

    def text(
        self, at: Point, text: str, *, anchor: str = "lm", colour: str = DARK, size: int = TEXT
    ) -> None:
        """Write a text; anchor is Pillow's: l, m or r, then t, m or b."""
        where = (SCALE * at[0], SCALE * at[1])
        self.draw.text(where, text, fill=colour, anchor=anchor, font=self.fonts[size])

    def upright(self, at: Point, text: str) -> None:
        """Write a text from bottom to top, its middle at a point."""
        width, height = (round(SCALE * v) + 2 * SCALE for v in self.size(text))
        strip = Image.new("RGB", (width, height), "white")
        middle = (width / 2, height / 2)
        ImageDraw.Draw(strip).text(middle, text, fill=DARK, anchor="mm", font=self.fonts[TEXT])
        turned = strip.rotate(90, expand=True)
        x, y = (round(SCALE * v) for v in at)
        self.image.paste(turned, (x - turned.width // 2, y - turned.height // 2))

    def save(self, path: Path) -> None:
        """Write the PNG file."""
        size = (self.image.width // SCALE, self.image.height // SCALE)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image.resize(size, Image.Resampling.LANCZOS).save(path, optimize=True)


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis.

    Attributes:
        name: what it shows, with its unit.
        low: where it begins, above 0.
        high: where it ends.
        ticks: numbers to mark; none: powers of ten, and what between them the span has room for.
    """

    name: str
    low: float
    high: float
    ticks: tuple[float, ...] = ()

    @staticmethod
    def around(name: str, values: Sequence[float], ticks: tuple[float, ...] = ()) -> Axis:
        """Return an axis that reaches a little beyond some values."""
        low, high = min(values), max(values)
        margin = max(1.1, (high / low) ** 0.06)
        return Axis(name, low / margin, high * margin, ticks)

    def share(self, value: float) -> float:
        """Return where a value lies, from 0 to 1."""
        return math.log(value / self.low) / math.log(self.high / self.low)

    def marks(self) -> list[float]:
        """Return the numbers that the axis marks."""
        if self.ticks:
            return [tick for tick in self.ticks if self.low <= tick <= self.high]
        span = self.high / self.low
        factors = (1, 2, 5) if span < 2e3 else (1,)
        factors = (1, 1.5, 2, 3, 5, 7) if span < 20 else factors
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        every = [factor * 10.0**decade for decade in decades for factor in factors]
        return [tick for tick in every if self.low <= tick <= self.high]


class Panel:
    """Axes in a box of a sheet; lines, markers and labels in their units."""

    def __init__(self, sheet: Sheet, box: Box, *, x: Axis, y: Axis, title: str = "") -> None:
        self.sheet, self.box, self.x, self.y = sheet, box, x, y
        self.taken: list[Box] = []  # markers and texts: nothing may cross them
        self.lines: list[Box] = []  # cells of lines: a text may not cover them
        left, top, right, bottom = box
        for tick in x.marks():
            at = self.place(tick, y.low)
            sheet.line([(at[0], top), at], PALE)
            sheet.text((at[0], bottom + 6), f"{tick:g}", anchor="mt")
        for tick in y.marks():
            at = self.place(x.low, tick)
            sheet.line([at, (right, at[1])], PALE)
            sheet.text((left - 6, at[1]), f"{tick:g}", anchor="rm")
        sheet.line([(left, top), (left, bottom), (right, bottom), (right, top), (left, top)], GREY)
        sheet.text(((left + right) / 2, bottom + 27), x.name, anchor="mt")
        sheet.upright((left - 52, (top + bottom) / 2), y.name)
        sheet.text((left, top - 8), title, anchor="lb", size=TITLE)

    def place(self, x: float, y: float) -> Point:
        """Return the pixels of a point."""
        left, top, right, bottom = self.box
        return left + self.x.share(x) * (right - left), bottom - self.y.share(y) * (bottom - top)

    def line(self, points: Sequence[Point], colour: str) -> None:
        """Draw a line through points."""
        pixels = [self.place(*point) for point in points]
        for start, end in itertools.pairwise(pixels):
            steps = max(1, int(math.dist(start, end) / 6))
            cells = (_between(start, end, i / steps) for i in range(steps + 1))
            self.lines += [_around(cell, (4, 4)) for cell in cells]
            self.sheet.line([start, end], colour, 2)

    def marker(self, x: float, y: float, colour: str) -> None:
        """Mark a point."""
        at = self.place(x, y)
        self.sheet.marker(at, colour)
        self.taken.append(_around(at, (2 * MARKER + 2, 2 * MARKER + 2)))

    def legend(self, at: Point, colours: Mapping[str, str]) -> None:
        """Write names beside dots of their colours, in a column whose top left is at a pixel."""
        for row, (text, colour) in enumerate(colours.items()):
            x, y = at[0], at[1] + row * (TEXT + 6)
            self.sheet.marker((x, y), colour)
            self.sheet.text((x + 12, y), text)
            width = self.sheet.size(text)[0]
            self.taken.append((x - MARKER, y - TEXT / 2, x + 12 + width, y + TEXT / 2))

    def labels(self, named: Sequence[tuple[float, float, str]]) -> None:
        """Write texts beside points, apart from lines, markers and each other.

        Each takes the nearest place that is free. One that lies further off is joined to its point
        by a thin line.
        """
        pixels = [self.place(x, y) for x, y, _ in named]
        crowd = [sum(math.dist(at, other) < 60 for other in pixels) for at in pixels]
        crowded_first = sorted(range(len(named)), key=lambda i: -crowd[i])
        for x, y, text in (named[i] for i in crowded_first):
            at, (width, height) = self.place(x, y), self.sheet.size(text)
            spots = list(_spots(at, (width + 4, height + 2)))
            tries = (s for mercy in range(3) for s in spots if self._free(s, mercy))
            spot = next(tries, spots[0])
            if spot.tied and spot.tie:
                self.sheet.line([spot.tie[0], spot.tie[-1]], GREY, 0.75)
                self.lines += [_around(p, (3, 3)) for p in spot.tie]
            self.sheet.text(spot.middle, text, anchor="mm")
            self.taken.append(spot.box)

    def _free(self, spot: _Spot, mercy: int) -> bool:
        """Say whether a text fits there; mercy lets it cover lines (1), its tie cross all (2)."""
        left, top, right, bottom = self.box
        box = spot.box
        if not (left < box[0] and box[2] < right and top < box[1] and box[3] < bottom):
            return False
        if any(_overlap(box, other) for other in self.taken + (mercy < 1) * self.lines):
            return False
        # markers that touch the point's own may be crossed: else a heap of them has no labels
        beyond = [p for p in spot.tie if math.dist(p, spot.point) > 3 * MARKER]
        cells = [_around(p, (2, 2)) for p in beyond] if spot.tied and mercy < 2 else []
        return not any(_overlap(cell, other) for cell in cells for other in self.taken)


@dataclass(frozen=True)
class _Spot:
    """A place for a text: the point it names, its middle and size, whether a line joins both."""

    point: Point
    middle: Point
    size: Point
    tied: bool

    @property
    def box(self) -> Box:
        """The box of the text."""
        return _around(self.middle, self.size)

    @property
    def tie(self) -> list[Point]:
        """Points of the line from the marker to the edge of the text."""
        way = [_between(self.point, self.middle, i / 60) for i in range(61)]
        far = [p for p in way if math.dist(p, self.point) > MARKER + 3]
        return [p for p in far if not _overlap(_around(p, (2, 2)), self.box)]


def _spots(at: Point, size: Point) -> Iterator[_Spot]:
    """Yield where a text may lie, in rings, the nearest first."""
    for ring in range(20):
        for step in range(32):
            angle = 2 * math.pi * step / 32
            reach = MARKER + 2 + 8 * ring
            cos, sin = math.cos(angle), math.sin(angle)
            dx = cos * reach + size[0] / 2 * max(-1.0, min(1.0, 2 * cos))
            dy = sin * reach + size[1] / 2 * max(-1.0, min(1.0, 2 * sin))
            yield _Spot(at, (at[0] + dx, at[1] + dy), size, tied=ring > 0)


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _around(middle: Point, size: Point) -> Box:
    (x, y), (width, height) = middle, size
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
