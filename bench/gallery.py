"""Make ``docs/gallery/``: a grid of samples of each training, and the page that lists them.

    python bench/gallery.py [NAME ...] [--seed 0]
    python bench/gallery.py --claim srgan-kodak --picture FILE

NAME is one of ``trainings.TRAININGS``, all by default: a recipe joins the gallery by an entry
there. The grid holds 64 samples of the averaged G where there is one, or ten of each class in
columns (of more classes a hundred samples in order); films are rows of frames. Of a recipe that
translates sixteen rows are shown: the source, in each of its domains. The second form takes over a
picture that a claim's script has written, with what the claim's last row of that seed says of its
training. Each picture leaves a line in ``bench/results/gallery.jsonl``, and the page is made of
those lines.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "claims"))

import numpy as np
import timing
from common import read
from trainings import TRAININGS, dataset, train

from tinygan.gan import Game
from tinygan.kernels.arrays import Array
from tinygan.runs import pictures
from tinygan.runs.grids import make_grid, save_png

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "gallery"
ROWS = ROOT / "bench" / "results" / "gallery.jsonl"
TAKEN = ("steps", "seed", "cpu_seconds", "settings")  # of a claim's row
SIDE = 32  # pixels of a sample in the picture, or more where it has more
HEAD = """# Gallery

What the recipes make after short trainings on one CPU thread; `bench/trainings.py` has their
settings. Samples are not chosen, and some are poor: `began` has lost digits, `semi_supervised`
matches features and not looks, and `bigan`, `consensus`, `gan`, `unrolled` and `veegan` are dense
networks.
`python bench/gallery.py NAME` makes a picture again, and this page. Longer trainings are those of
`bench/claims/`. `srgan` and `esrgan` show parts of photographs 19 to 24 of the Kodak suite,
released by the Eastman Kodak Company for unrestricted usage: bicubic, after training on pixels,
after training as a GAN, original. `pix2pix` shows emoji that it was not trained on, of Noto Emoji
(Google, Apache-2.0): 32 pixels enlarged, G's 128, original. `cyclegan` shows test digits of MNIST,
how G colours them, and how F whitens them from other colours.

| | recipe | data | steps | seed | CPU | a step | with |
|---|---|---|---|---|---|---|---|
"""


def save_picture(name: str, game: Game, *, cpu_seconds: float) -> None:
    """Write the grid of a trained game, and its line."""
    training, path = TRAININGS[name], FOLDER / f"{name}.png"
    samples = dataset(training.data)
    if game.translation is not None or pictures.is_film(samples.shape):
        game.dataset = samples
        pictures.save_game(path, game, samples)
    else:
        save_png(path, grid_of(game))
    row = {"name": name, "data": training.data, "steps": game.step, "seed": game.streams.seed}
    note(row | {"cpu_seconds": round(cpu_seconds, 1), "settings": training.settings})


def note(row: dict[str, Any]) -> None:
    """Write a picture's line, and of what the row doesn't say of its machine that of this one."""
    with ROWS.open("a") as out:
        out.write(json.dumps(timing.environment() | row) + "\n")


def take_picture(claim: str, picture: Path, *, seed: int) -> None:
    """Take over the picture of a claim's training, and write its line: srgan's, of srgan-kodak."""
    name, _, of = claim.partition("-")
    last = next(row for row in read().get(claim, ()) if row["seed"] == seed)
    shutil.copyfile(picture, FOLDER / f"{name}.png")
    note({"name": name, "data": of} | {key: last[key] for key in (*TAKEN, *timing.environment())})


def grid_of(game: Game) -> Array:
    """Lay out samples of a game, of all classes where G is given one."""
    rows, columns, labels = 8, 8, None
    classes = getattr(game.G, "num_classes", 0)
    if classes:
        rows, columns, k = 10, 10, np.arange(100)
        labels = k % classes if classes <= columns else k * classes // 100
    samples = game.sample(rows * columns, labels=labels)
    times = max(1, SIDE // samples.shape[-1])
    return make_grid(samples.repeat(times, axis=2).repeat(times, axis=3), nrow=columns)


def page() -> str:
    """Write the page: of each picture the last line counts."""
    lines = ROWS.read_text().splitlines() if ROWS.exists() else []
    last: dict[str, dict[str, Any]] = {row["name"]: row for row in map(json.loads, lines)}
    return HEAD + "".join(
        f"| ![{name}]({name}.png) | `{name}` | {row['data']} | {row['steps']} | {row['seed']} "
        f"| {row['cpu_seconds']:.0f} s | {1e3 * row['cpu_seconds'] / row['steps']:.0f} ms "
        f"| {settings(row['settings'])} |\n"
        for name, row in sorted(last.items())
    )


def settings(given: dict[str, Any]) -> str:
    """Write settings as the command line takes them, as code; nothing where there are none."""
    flags = " ".join(map(_flag, given, given.values()))
    return f"`{flags}`" if flags else ""


def _flag(name: str, value: Any) -> str:
    name = name.replace("_", "-")
    return f"--{'' if value else 'no-'}{name}" if isinstance(value, bool) else f"--{name} {value}"


def main() -> None:
    """Train what the command line names, and write pictures and page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="trainings; all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--claim", metavar="CLAIM", help="whose picture to take over")
    parser.add_argument("--picture", type=Path, help="that picture")
    args = parser.parse_args()
    if bool(args.claim) != bool(args.picture):
        parser.error("--claim and --picture: both or none of them")
    if args.claim:
        take_picture(args.claim, args.picture, seed=args.seed)
    for name in () if args.claim else args.names or TRAININGS:
        start = time.process_time()
        for game in train(name, seed=args.seed):  # noqa: B007
            pass
        save_picture(name, game, cpu_seconds=time.process_time() - start)
    (FOLDER / "README.md").write_text(page())


if __name__ == "__main__":
    main()
