"""Which modes of the ring and the grid a recipe recovers, by the protocol of PacGAN's table 1.

    python bench/claims/toys.py --recipe pacgan [--on ring,grid] [--seeds 3] [--steps 40000]
                                [--set pack=1 ...] [--json FILE]

After the last step 2,500 samples are drawn, as in the paper (arXiv:1712.04086, section 4.1):
recovered modes, the share of samples within 3 sigma of a centre, and KL(modes || uniform). Each
seed is a training of its own; the last line of a toy has mean and standard error over the seeds.
The paper trains for 400,000 steps on 100,000 points, and takes ten seeds.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from ast import literal_eval
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # the benchmarks' own modules

import timing

from tinygan import data, recipes
from tinygan.data.toys import TOYS
from tinygan.errors import TinyganError
from tinygan.gan import fit
from tinygan.metrics.modes import toy_modes

SAMPLES = 2500  # of the paper


def train(
    name: str, toy: str, *, steps: int, seed: int, settings: dict[str, Any]
) -> dict[str, Any]:
    """Train one game and count the modes of its last generator."""
    recipe = recipes.get(name)
    config = recipe.config(**settings)
    batches = data.Batches(data.load(toy), config.batch, seed=seed)
    start = time.process_time()
    for game in fit(recipe, batches, steps=steps, seed=seed, config=config):  # noqa: B007
        pass
    found = toy_modes(game.sample(SAMPLES), TOYS[toy].centres, sigma=TOYS[toy].sigma)
    return {
        "seed": seed,
        "modes": found.recovered,
        "of": found.total,
        "high_quality": found.high_quality,
        "kl": found.kl,
        "cpu_seconds": round(time.process_time() - start, 1),
    }


def summary(rows: list[dict[str, Any]]) -> str:
    """Write means over the seeds, with standard errors where there are several."""
    parts = []
    for key, scale, unit in (("modes", 1, ""), ("high_quality", 100, " % good"), ("kl", 1, " KL")):
        values = [scale * row[key] for row in rows]
        spread = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
        parts.append(f"{statistics.mean(values):.2f} +- {spread:.2f}{unit}")
    return f"modes of {rows[0]['of']}: " + ", ".join(parts)


def setting(text: str) -> tuple[str, Any]:
    """Read ``name=value``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r}: name=value fits")
    try:
        return name.replace("-", "_"), literal_eval(value)
    except (SyntaxError, ValueError):
        raise argparse.ArgumentTypeError(f"{value!r} of {name}: a number fits") from None


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Read the command line, and refuse what does not fit in one line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", required=True, help="as tinygan recipes lists it")
    parser.add_argument("--on", default="ring,grid", help="toys, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, help="trainings a toy")
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--set", type=setting, nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", type=Path, help="append one line a training to this file")
    args = parser.parse_args(given)
    try:
        config = recipes.get(args.recipe).config
    except TinyganError as error:
        parser.error(str(error))
    args.toys, args.settings = args.on.split(","), dict(args.set)
    with_modes = [name for name, toy in TOYS.items() if len(toy.centres)]
    known = [field.name for field in dataclasses.fields(config)]
    for kind, names, fit_ in (
        ("toy", args.toys, with_modes),
        ("setting", args.settings, known),
    ):
        for name in names:
            if name not in fit_:
                parser.error(f"no {kind} {name!r}: one of {', '.join(fit_)} fits")
    if args.seeds < 1 or args.steps < 1:
        parser.error("--seeds and --steps: 1 or more fit")
    return args


def main() -> None:
    """Train, print and append a JSON line a training."""
    args = arguments()
    context = timing.environment() | {
        "bench": "toys",
        "recipe": args.recipe,
        "settings": args.settings,
        "steps": args.steps,
        "samples": SAMPLES,
    }
    for toy in args.toys:
        rows = []
        for seed in range(args.seeds):
            row = train(args.recipe, toy, steps=args.steps, seed=seed, settings=args.settings)
            rows.append(row)
            print(f"{args.recipe} {toy} {row}", flush=True)
            if args.json:
                with args.json.open("a") as out:
                    out.write(json.dumps(context | {"toy": toy} | row) + "\n")
        print(f"{args.recipe} on {toy} after {args.steps} steps: {summary(rows)}")


if __name__ == "__main__":
    main()
