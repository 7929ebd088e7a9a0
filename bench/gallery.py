"""Make ``docs/gallery/``: a grid of samples of each training, and the page that lists them.

    python bench/gallery.py [NAME ...] [--seed 0]

NAME is one of ``trainings.TRAININGS``, all by default: a recipe joins the gallery by an entry
there. The grid holds 64 samples of the averaged G where there is one, or ten of each class in
columns; each picture leaves a line in ``bench/results/gallery.jsonl``, and the page is made of
those lines. Of a recipe that translates sixteen rows are shown: source, output, target, and where
it translates back too, what it makes of its own outputs.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import timing
from trainings import TRAININGS, train

from tinygan.gan import Game
from tinygan.runs.grids import make_grid, save_png
from tinygan.runs.pictures import beside, translations

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "gallery"
ROWS = ROOT / "bench" / "results" / "gallery.jsonl"
SIDE = 32  # pixels of a sample in the picture, or more where it has more
HEAD = """# Gallery

What the recipes make after short trainings on one CPU thread; `bench/trainings.py` has their
settings. Samples are not chosen, and some are poor: `began` has lost digits, `semi_supervised`
matches features and not looks, `bigan` and `gan` are dense networks. `python bench/gallery.py NAME` makes a picture again, and this page.

| | recipe | data | steps | seed | CPU | with |
|---|---|---|---|---|---|---|
"""


def shown(game: Game) -> tuple[np.ndarray, int]:
    """Return the images of a picture, and how many a line has."""
    if game.translation is not None:
        translated = list(translations(game, 16))
        return beside(translated), 2 * len(translated)
    classes = getattr(game.G, "num_classes", 0)
    if classes:
        return game.sample(100, labels=np.arange(100) % classes), 10
    return game.sample(64), 8


def save_picture(name: str, game: Game, *, cpu_seconds: float) -> None:
    """Write the grid of a trained game, and its line."""
    samples, columns = shown(game)
    times = max(1, SIDE // samples.shape[-1])
    large = samples.repeat(times, axis=2).repeat(times, axis=3)
    save_png(FOLDER / f"{name}.png", make_grid(large, nrow=columns))
    training = TRAININGS[name]
    row = {"name": name, "data": training.data, "steps": game.step, "seed": game.streams.seed}
    row |= {"cpu_seconds": round(cpu_seconds, 1), "settings": training.settings}
    with ROWS.open("a") as out:
        out.write(json.dumps(row | timing.environment()) + "\n")


def page() -> str:
    """Write the page: of each picture the last line counts."""
    lines = ROWS.read_text().splitlines() if ROWS.exists() else []
    last: dict[str, dict[str, Any]] = {row["name"]: row for row in map(json.loads, lines)}
    return HEAD + "".join(
        f"| ![{name}]({name}.png) | `{name}` | {row['data']} | {row['steps']} | {row['seed']} "
        f"| {row['cpu_seconds']:.0f} s | `{settings(row['settings'])}` |\n"
        for name, row in sorted(last.items())
    )


def settings(given: dict[str, Any]) -> str:
    """Write settings as the command line takes them."""
    return " ".join(f"--{key.replace('_', '-')} {value}" for key, value in given.items())


def main() -> None:
    """Train what the command line names, and write pictures and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="trainings; all by default")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name in args.names or TRAININGS:
        start = time.process_time()
        for game in train(name, seed=args.seed):  # noqa: B007
            pass
        save_picture(name, game, cpu_seconds=time.process_time() - start)
    (FOLDER / "README.md").write_text(page())


if __name__ == "__main__":
    main()
