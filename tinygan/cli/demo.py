"""``tinygan demo``: train a DCGAN on the embedded digits, and judge its samples.

The judge is a small net trained on the real digits (metrics/classifier.py): mean top probability
says how much the samples look like digits to it, the histogram whether all ten are there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..kernels.arrays import Array
from ..metrics import digit_classifier, digit_fidelity
from ..recipes import get
from ..runs.device import computing
from ..runs.pictures import write_summary
from ..runs.setup import Settings
from ..runs.train import Training, train
from .arguments import parse
from .exits import OK, UsageError
from .watch import watch

PIXELS = 16
SETTINGS = {
    "batch": 64,
    "lr": 5e-4,
    "nz": 24,
    "ngf": 32,
    "ndf": 64,
    "noise": 0.2,  # 1,797 images are few: without it D soon knows them all
    "half_life_kimg": 10.0,
}
SAMPLES = 500
SAMPLE_SEED = 1
METRIC = "metric-fd_digits_net"


@dataclass(frozen=True)
class Options:
    """How long, where to.

    Attributes:
        steps: number of steps; 3,000 make good digits, more make better ones.
        seed: determines every random number.
        outdir: folder that gets the numbered run folder.
        device: auto, cpu or cuda.
    """

    steps: int = 3_000
    seed: int = 0
    outdir: str = "runs"
    device: str = "auto"


def run(args: list[str]) -> int:
    """Run the verb."""
    options = parse("tinygan demo", Options, args)
    if options.steps < 1:
        raise UsageError(f"--steps {options.steps}: use 1 or more")
    recipe = get("dcgan")
    settings = Settings(
        data=f"digits:{PIXELS}", steps=options.steps, seed=options.seed, device=options.device
    )
    config = recipe.config(**SETTINGS)
    training = train(recipe, settings, config, outdir=options.outdir, desc="demo")
    code = watch(training)
    if code != OK:
        return code
    with computing(settings.backend):
        judge(training, training.game.sample(SAMPLES, seed=SAMPLE_SEED))
    return OK


def judge(training: Training, samples: Array) -> None:
    """Print how good the samples are, by which protocol, and keep it with the run."""
    found = digit_fidelity(samples, digit_classifier(samples.shape[2]))
    weights = "averaged weights (EMA)" if training.game.ema is not None else "last weights"
    protocol: dict[str, Any] = {
        "step": training.game.step,
        **found,
        "protocol": "mean top probability and Frechet distance in the features of a net trained "
        "on four fifths of the UCI digits; not FID",
        "n_real": len(training.dataset),
        "weights": weights,
        "sample_seed": SAMPLE_SEED,
    }
    training.run.append_row(protocol, METRIC)
    write_summary(training.run)
    run, sure = training.run, found["top_probability"]
    print(f"grid            {run.fakes_path(training.game.step)}")
    print(f"curves          {run.path / 'curves.png'}")
    print(f"top probability {sure:.3f} (mean of {found['n']} samples)")
    print(f"classes         {found['classes']} of 10; samples a class {found['histogram']}")
    print(f"fd_digits_net   {found['fd_digits_net']:.2f} (to {protocol['n_real']} real digits)")
    print(f"protocol        {protocol['protocol']}; {weights};")
    print(f"                the net gets {100 * found['accuracy']:.1f} % of held-out digits right")
