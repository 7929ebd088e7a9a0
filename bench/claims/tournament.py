"""Six losses under five regularisers on one small net: which pair makes the best digits?

    python bench/claims/tournament.py [--seeds 3] [--first 0] [--only LOSS] [--json FILE]

DCGAN's networks of 16 channels, without batch norm in D (a penalty on slopes needs samples that
are judged alone), 16-pixel digits, batch 64, Adam(2e-4, 0.5), one D step a G step, 3,000 steps.
Every 500 steps the Frechet distance of 2,000 samples to the data in the features of
``digits_lenet`` is taken; shown are the last and the best. Weights of regularisers are the defaults
of ``gan.regularisers`` but r1's, which is 1: of these settings none was tuned. Pairs whose line is
in the file are skipped, so a tournament that was stopped goes on.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path

from common import Row, append, figure, read_lines

from tinygan import data, recipes
from tinygan.errors import DivergedError
from tinygan.gan import fit, with_objective
from tinygan.metrics.fid import frechet_distance_of_features
from tinygan.metrics.house_nets import house_net

LOSSES = ("minimax", "nonsaturating", "least_squares", "wasserstein", "hinge", "relativistic")
REGS = ("none", "gp", "r1:1", "dragan", "sn")
RESULTS = Path(__file__).parents[1] / "results" / "tournament.jsonl"
STEPS, EVERY, SAMPLES, WIDTH = 3000, 500, 2000, 16


def play(loss: str, reg: str, seed: int, *, steps: int = STEPS, every: int = EVERY) -> Row:
    """Train one pair once; return its distances, the last of which stands for the whole."""
    recipe = with_objective(recipes.get("wgan_gp"), loss=loss, reg="" if reg == "none" else reg)
    config = recipe.config(
        n_critic=1, lr=2e-4, beta2=0.999, nz=64, ngf=WIDTH, ndf=WIDTH, lambda_gp=0.0
    )
    net, digits = house_net("digits_lenet"), data.load("digits:16")
    real = net.embed(digits.arrays).features
    start, distances = time.process_time(), []
    batches = data.Batches(digits, config.batch, seed=seed)
    try:
        for game in fit(recipe, batches, steps=steps, seed=seed, config=config):
            if game.step % every == 0:
                fake = net.embed(game.sample(SAMPLES)).features
                distances.append(round(frechet_distance_of_features(real, fake), 3))
    except DivergedError as error:
        return {"loss": loss, "reg": reg, "seed": seed, "diverged": str(error), "fd": distances}
    seconds = round(time.process_time() - start, 1)
    return {"loss": loss, "reg": reg, "seed": seed, "fd": distances, "cpu_seconds": seconds}


def table(rows: list[Row]) -> str:
    """Write the table of the page: last (best) of each pair, the best pair's in bold."""
    by_pair: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_pair.setdefault((row["loss"], row["reg"]), []).append(row)
    whole = {pair: its for pair, its in by_pair.items() if all("cpu_seconds" in r for r in its)}
    last = {pair: statistics.mean(r["fd"][-1] for r in its) for pair, its in whole.items()}
    best = min(last, key=last.__getitem__, default=None)
    lines = [f"| loss | {' | '.join(REGS)} |", f"|---|{'---|' * len(REGS)}"]
    for loss in LOSSES:
        cells = [_cell(by_pair.get((loss, reg), []), (loss, reg) == best) for reg in REGS]
        lines.append(f"| {loss} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(rows: list[Row], bold: bool) -> str:
    if not rows:
        return "not measured"
    whole = [row["fd"] for row in rows if "cpu_seconds" in row]
    diverged = f", {len(rows) - len(whole)} diverged" if len(whole) < len(rows) else ""
    if not whole:
        return f"all {len(rows)} diverged"
    last, best = (figure([pick(fd) for fd in whole]) for pick in (lambda fd: fd[-1], min))
    return f"**{last}** ({best}){diverged}" if bold else f"{last} ({best}){diverged}"


def main() -> None:
    """Play the pairs that the file lacks, seed by seed, and append a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", choices=LOSSES, help="one loss")
    parser.add_argument("--json", type=Path, default=RESULTS)
    args = parser.parse_args()
    played = {(row["loss"], row["reg"], row["seed"]) for row in read_lines(args.json)}
    for seed in range(args.first, args.first + args.seeds):
        for loss, reg in itertools.product([args.only] if args.only else LOSSES, REGS):
            if (loss, reg, seed) in played:
                continue
            row = play(loss, reg, seed)
            append(row, args.json)
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
