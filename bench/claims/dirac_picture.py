"""Draw the paths of the Dirac-GAN's trainings: ``docs/gallery/dirac.png``.

python bench/claims/dirac_picture.py
"""

from __future__ import annotations

from pathlib import Path

import dirac_gan
import numpy as np
from plots import COLOURS, TITLE, Sheet

PAGE = Path(__file__).parents[2] / "docs" / "gallery" / "dirac.png"
STEPS, SEED = 600, 0
SIDE, GAP, HEAD, COLUMNS = 180, 12, 26, 5  # pixels of a panel
REACH = 2.0  # both axes show -2 to 2
TITLES = {
    "simultaneous": "at once",
    "alternating": "in turn",
    "nonsaturating": "non-saturating",
    "clip": "WGAN, clipped",
    "gp": "WGAN-GP",
    "r1": "R1",
    "r2": "R2",
    "noise": "instance noise",
    "consensus": "consensus",
    "unrolled": "unrolled",
}


def main() -> None:
    """Draw a panel a training: theta to the right, psi up, the equilibrium in the middle."""
    rows = -(-len(TITLES) // COLUMNS)
    sheet = Sheet(COLUMNS * (SIDE + GAP) + GAP, rows * (SIDE + HEAD + GAP) + GAP)
    for place, (training, title) in enumerate(TITLES.items()):
        row, column = divmod(place, COLUMNS)
        left, top = GAP + column * (SIDE + GAP), GAP + HEAD + row * (SIDE + HEAD + GAP)
        panel(sheet, left, top, title, dirac_gan.path(training, SEED, steps=STEPS))
    sheet.save(PAGE)


def panel(sheet: Sheet, left: int, top: int, title: str, points: np.ndarray) -> None:
    """Draw a frame, the axes and a path in it."""
    right, bottom, middle = left + SIDE, top + SIDE, SIDE / 2
    frame = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    sheet.line(frame, "#8a8a8a")
    sheet.line([(left + middle, top), (left + middle, bottom)], "#e6e6e6")
    sheet.line([(left, top + middle), (right, top + middle)], "#e6e6e6")
    sheet.text((left + middle, top - 6), title, anchor="mb", size=TITLE)
    inside = np.clip(points / REACH, -1, 1) * middle
    pixels = [(left + middle + x, top + middle - y) for x, y in inside]
    sheet.line(pixels, COLOURS[0], 1.2)
    sheet.marker(pixels[-1], COLOURS[1])


if __name__ == "__main__":
    main()
