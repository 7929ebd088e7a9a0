"""BigGAN on digits: does it make the class that it is asked for, and what does truncation trade?

The embedded digits at 16 pixels; samples come from the moving average of G. The judge is
``digits_lenet``, the feature net that ships with tinygan: it knows 99.9 % of these digits.
Precision and recall are those of arXiv:1904.06991, k = 3, in its features, of as many samples as
there are digits. Both rows of a seed are of the same training, that of ``bench/trainings.py``.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from common import Claim, Row, main
from trainings import TRAININGS, dataset, train

from tinygan.gan import Game
from tinygan.metrics.house_nets import house_net
from tinygan.metrics.prdc import prdc

ASKED, PSI = 2000, 0.5
TRAINING = TRAININGS["biggan"]
BUDGET = f"{TRAINING.steps} steps of batch 32, 16 channels"


@cache
def trained(seed: int) -> Game:
    """Train once a seed; return the last game."""
    *_, game = train("biggan", seed=seed)
    return game


def label_agreement(seed: int) -> Row:
    """Return how many percent of the samples are what was asked for, and the worst class's."""
    y = np.arange(ASKED) % 10
    told = (
        house_net("digits_lenet")
        .embed(trained(seed).sample(ASKED, labels=y))
        .probabilities.argmax(1)
    )
    right = [100 * float((told[y == k] == k).mean()) for k in range(10)]
    return {"agreement": float(np.mean(right)), "worst_class": min(right), "steps": TRAINING.steps}


def truncation_trade(seed: int) -> Row:
    """Return precision gained and recall lost by |z| <= psi, and the smaller of the two."""
    net, digits, game = house_net("digits_lenet"), dataset(TRAINING.data), trained(seed)
    real = net.embed(digits.take(np.arange(len(digits)))).features
    y = np.arange(len(digits)) % 10
    whole, cut = (
        prdc(real, net.embed(game.sample(len(y), labels=y, truncation=psi)).features)
        for psi in (None, PSI)
    )
    gained, lost = cut.precision - whole.precision, whole.recall - cut.recall
    return {
        "trade": min(gained, lost),
        "precision": [whole.precision, cut.precision],
        "recall": [whole.recall, cut.recall],
        "psi": PSI,
        "steps": TRAINING.steps,
    }


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
    main(CLAIMS)
