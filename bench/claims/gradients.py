"""What is left of G's gradient where D is close to its optimum (arXiv:1701.04862, figures 2 and 3).

An untrained G and the digits have supports that do not touch. G stays; D alone is trained for more
and more steps, and each time |grad_theta L_G| is measured on 16 batches: its mean, and the spread
of the batches around their mean gradient. ``orders`` are powers of ten between the first look,
after one step, and the last. The same two dense players for all losses.
"""

from __future__ import annotations

import math

import numpy as np
from common import Claim, Row, main

from tinygan import data, random, recipes
from tinygan.autograd import Tensor, grad
from tinygan.gan import Alternating, Game, new_game, with_objective
from tinygan.kernels.arrays import Array

DATA, BATCH, BATCHES = "digits:8", 64, 16
LOOKS = (1, 10, 100, 1000, 2000)  # steps of D
SETTINGS = {"batch": BATCH, "hidden_g": 64, "hidden_d": 64, "nz": 16, "dropout": 0.0, "lr": 1e-3}


def looks(loss: str, reg: str, seed: int) -> dict[int, tuple[float, float]]:
    """Train D alone; return the norm of G's gradient and its spread, by steps of D."""
    recipe = with_objective(recipes.get("gan"), loss=loss, reg=reg)
    dataset = data.load(DATA)
    game = new_game(recipe, dataset.shape, seed=seed, config=recipe.config(**SETTINGS))
    step, batches = recipe.step, data.Batches(dataset, BATCH, seed=seed)
    assert isinstance(step, Alternating)
    found = {}
    for game.step in range(1, LOOKS[-1] + 1):
        game.streams.step, game.metrics = game.step, {}
        with random.using(game.streams):
            z = game.latent(BATCH)
            loss_d = step.d_loss(game, Tensor(next(batches)), z)
            step.descend(game, "D", grad(loss_d, game.opt_d.params))
            if game.step in LOOKS:
                found[game.step] = look(step, game)
        game.forget_fake()
    return found


def look(step: Alternating, game: Game) -> tuple[float, float]:
    """Return the mean norm of G's gradient, and the root mean square of what differs by batch."""
    each = np.stack([gradient(step, game) for _ in range(BATCHES)])
    apart = np.linalg.norm(each - each.mean(0), axis=1)
    return float(np.linalg.norm(each, axis=1).mean()), float(np.sqrt(np.mean(apart**2)))


def gradient(step: Alternating, game: Game) -> Array:
    """Return grad_theta L_G of a batch. Shapes: -> (P,)."""
    loss_g = step.g_loss(game, game.latent(BATCH))
    grads = grad(loss_g, game.opt_g.params)
    return np.concatenate([g.numpy().ravel() for g in grads]).astype(np.float64)


def measured(loss: str, reg: str, seed: int) -> Row:
    """Return by how many orders the gradient and its spread grow; negative where they fall."""
    found = looks(loss, reg, seed)
    (norm, spread), (last, last_spread) = found[LOOKS[0]], found[LOOKS[-1]]
    return {
        "orders": math.log10(last / norm),
        "spread_orders": math.log10(last_spread / spread),
        "norms": {str(steps): norm for steps, (norm, _) in found.items()},
        "spreads": {str(steps): spread for steps, (_, spread) in found.items()},
    }


def _claim(
    name: str,
    loss: str,
    says: str,
    *,
    threshold: float,
    paper: str,
    reg: str = "",
    falls: bool = False,
    of_spread: bool = False,
) -> Claim:
    return Claim(
        name=f"gradient-{name}",
        recipe="",
        says=says,
        quantity="spread_orders" if of_spread else "orders",
        unit="orders of magnitude",
        sense="<=" if falls else ">=",
        threshold=threshold,
        paper=paper,
        budget=f"{LOOKS[-1]} steps of a dense D on {DATA}",
        measure=lambda seed: measured(loss, reg, seed),
    )


CLAIMS = (
    _claim(
        "minimax",
        "minimax",
        "the gradient of the saturating loss vanishes before a strong D",
        threshold=-2.0,
        falls=True,
        paper="-5 after 4,000 steps of DCGAN's D (figure 2)",
    ),
    _claim(
        "nonsaturating",
        "nonsaturating",
        "the gradient of the non-saturating loss does not",
        threshold=0.0,
        paper="grows (figure 3)",
    ),
    _claim(
        "nonsaturating-spread",
        "nonsaturating",
        "but it differs more and more from batch to batch",
        threshold=1.0,
        of_spread=True,
        paper="its variance grows (figure 3)",
    ),
    _claim(
        "clip",
        "wasserstein",
        "the gradient of a clipped critic does not vanish",
        threshold=-0.5,
        reg="clip:0.01",
        paper="stays (arXiv:1701.07875, figure 2)",
    ),
    _claim(
        "gp",
        "wasserstein",
        "the gradient of a penalised critic does not vanish",
        threshold=-0.5,
        reg="gp:10",
        paper="stays (arXiv:1704.00028)",
    ),
)

if __name__ == "__main__":
    main(CLAIMS)
