"""BigGAN on digits: does it make the class that it is asked for, and what does truncation trade?

The embedded digits at 16 pixels; samples come from the moving average of G. The judge is
``digits_lenet``, the feature net that ships with tinygan: it knows 99.9 % of these digits.
Precision and recall are those of arXiv:1904.06991, k = 3, in its features, of as many samples as
there are digits. Both rows of a seed are of the same training.

    python bench/claims/biggan.py --picture docs/gallery/biggan.png      # the picture of that page
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
from common import Claim, Row, main

from tinygan import Tensor, data, no_grad, recipes
from tinygan.gan import Game, fit
from tinygan.gan.game import draw_latent, evaluating
from tinygan.kernels.arrays import Array
from tinygan.metrics.house_nets import house_net
from tinygan.metrics.prdc import prdc
from tinygan.random import Stream
from tinygan.runs.grids import make_grid, save_png

DATA, STEPS, ASKED, PSI = "digits:16", 800, 2000, 0.5
SETTINGS = {
    "batch": 32, "ngf": 16, "ndf": 16, "nz": 16, "shared": 16, "n_critic": 1, "lr": 1e-3,
    "lr_d": 1e-3, "half_life_kimg": 2.0,
}  # fmt: skip
BUDGET = f"{STEPS} steps of batch 32, 16 channels"


@cache
def trained(seed: int) -> Game:
    """Train once a seed; return the last game."""
    recipe = recipes.get("biggan")
    config = recipe.config(num_classes=10, **SETTINGS)
    batches = data.Batches(data.load(DATA), config.batch, seed=seed).with_labels()
    for game in fit(recipe, batches, steps=STEPS, seed=seed, config=config):  # noqa: B007
        pass
    return game


def made(game: Game, y: Array, *, psi: float | None = None) -> Array:
    """Make samples of the classes ``y`` with the averaged G."""
    assert game.ema is not None
    z = draw_latent(Stream(game.streams.seed, "sample"), (len(y), game.nz), psi)
    with no_grad(), evaluating(game.ema.module) as net:
        return net(Tensor(z), y).numpy()


def label_agreement(seed: int) -> Row:
    """Return how many percent of the samples are what was asked for, and the worst class's."""
    y = np.arange(ASKED) % 10
    told = house_net("digits_lenet").embed(made(trained(seed), y)).probabilities.argmax(1)
    right = [100 * float((told[y == k] == k).mean()) for k in range(10)]
    return {"agreement": float(np.mean(right)), "worst_class": min(right), "steps": STEPS}


def truncation_trade(seed: int) -> Row:
    """Return precision gained and recall lost by |z| <= psi, and the smaller of the two."""
    net, digits = house_net("digits_lenet"), data.load(DATA)
    real = net.embed(digits.take(np.arange(len(digits)))).features
    y = np.arange(len(digits)) % 10
    whole, cut = (
        prdc(real, net.embed(made(trained(seed), y, psi=psi)).features) for psi in (None, PSI)
    )
    gained, lost = cut.precision - whole.precision, whole.recall - cut.recall
    return {
        "trade": min(gained, lost),
        "precision": [whole.precision, cut.precision],
        "recall": [whole.recall, cut.recall],
        "psi": PSI,
        "steps": STEPS,
    }


def picture(path: str) -> None:
    """Write ten samples of each class, a row each, of the training of seed 0."""
    save_png(path, make_grid(made(trained(0), np.arange(100) // 10), nrow=10))


CLAIMS = (
    Claim(
        name="biggan-labels",
        recipe="biggan",
        says="an independent classifier finds the class that was asked for",
        quantity="agreement",
        unit="%",
        sense=">=",
        threshold=95.0,
        paper="no such figure (ImageNet)",
        budget=BUDGET,
        measure=label_agreement,
    ),
    Claim(
        name="biggan-truncation",
        recipe="biggan",
        says=f"|z| <= {PSI} trades recall for precision: the smaller of the two changes",
        quantity="trade",
        unit="of 1",
        sense=">=",
        threshold=0.02,
        paper="figure 2: variety falls as fidelity rises, ImageNet",
        budget=BUDGET,
        measure=truncation_trade,
        note="0.02 is two standard errors of a difference of two precisions of 1,797 samples. Of "
        "the same trainings as `biggan-labels`, whose CPU time is left out.",
    ),
)

if __name__ == "__main__":
    if sys.argv[1:2] == ["--picture"]:
        picture(sys.argv[2])
    else:
        main(CLAIMS)
