"""The Dirac-GAN: which training converges, and how fast (arXiv:1801.04406, sections 2 to 4).

Data lie at 0, G makes the number theta whatever z is, and D(x) = psi x. Descent turns around the
equilibrium theta = psi = 0; with a = -phi_g'(0) and b = phi_fake'(0) of the losses' phi, the field
has the eigenvalues +- i sqrt(a b) there, and what adds t to its trace damps both to t / 2. Each
training is a run of the product's loop, losses and regularisers from a point of the unit circle
that the seed chooses. ``distance`` is the mean of |(theta, psi)| over the last 250 of 1,000 steps,
which are two turns.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from common import Claim, Row, main

from tinygan import nn, ops, optim, random, recipes
from tinygan.autograd import Tensor
from tinygan.gan import Game, Recipe, fit, game_field, get_loss, with_objective
from tinygan.kernels.arrays import Array, Shape

STEPS, LAST = 1000, 250
RATE = 0.1  # h, the learning rate of both players
REALS = np.zeros((1024, 1), np.float32)  # all alike: as many as instance noise wants draws
GAMMA_R, GAMMA_C, STD, UNROLLING, ETA = 0.3, 1.0, 1.0, 5, 0.1
LOSS = "nonsaturating"  # a = b = 1/2


class Point(nn.Module):
    """G: the number theta, whatever z is. Shapes: z (N, 1) -> (N, 1)."""

    def __init__(self, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(np.full((1, 1), theta, np.float32))

    def forward(self, z: Tensor) -> Tensor:
        """Return theta for each z."""
        return ops.broadcast_to(self.theta, z.shape)


class Slope(nn.Module):
    """D(x) = psi x. Shapes: x (N, 1) -> (N, 1)."""

    def __init__(self, psi: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(np.full((1, 1), psi, np.float32))

    def forward(self, x: Tensor) -> Tensor:
        """Judge numbers."""
        return x @ self.psi


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a step of the game reads; ``consensus`` and ``unrolled`` have steps of their own.

    Attributes:
        loss: name of the losses of simultaneous descent.
        gamma: consensus optimisation's weight.
        unrolling: updates of D that G looks ahead.
        eta: their size.
    """

    loss: str = "minimax"
    gamma: float = GAMMA_C
    unrolling: int = UNROLLING
    eta: float = ETA


def setup(config: Config, data_shape: Shape) -> Game:
    """Put both players on the unit circle."""
    angle = 2 * math.pi * float(random.current().stream("start").uniform(1)[0])
    G, D = Point(math.cos(angle)), Slope(math.sin(angle))
    return Game(G, D, optim.SGD(G.parameters(), RATE), optim.SGD(D.parameters(), RATE), nz=1)


def simultaneous(game: Game, batches: Iterator[Array]) -> dict[str, float]:
    """Move both players at once."""
    real, loss = Tensor(next(batches)), get_loss(game.config.loss)
    real_logit, fake_logit = game.D(real), game.D(game.G(game.latent(len(REALS))))
    losses = loss.g_loss(fake_logit, None), loss.d_loss(real_logit, fake_logit)
    v = game_field(losses, (game.opt_g.params, game.opt_d.params))
    game.opt_g.step(v[:1])
    game.opt_d.step(v[1:])
    return {"loss_g": float(losses[0]), "loss_d": float(losses[1])}


DIRAC = Recipe("dirac", "arXiv:1801.04406", setup, recipes.get("gan").step, Config)


def _with(loss: str = LOSS, reg: str = "") -> Recipe:
    return with_objective(DIRAC, loss=loss, reg=reg)


TRAININGS = {
    "simultaneous": replace(DIRAC, step=simultaneous),
    "alternating": _with("minimax"),
    "nonsaturating": _with(),
    "clip": _with("wasserstein", "clip:0.5"),
    "gp": _with("wasserstein", "gp:1"),
    "r1": _with(reg=f"r1:{GAMMA_R}"),
    "r2": _with(reg=f"r2:{GAMMA_R}"),
    "noise": _with(reg=f"noise:{STD}"),
    "consensus": replace(DIRAC, step=recipes.get("consensus").step),
    "unrolled": replace(DIRAC, step=recipes.get("unrolled").step),
}


def path(training: str, seed: int, *, steps: int = STEPS, **settings: str) -> Array:
    """Return where a training leads. Shapes: -> (steps, 2), theta and psi."""
    games = fit(
        TRAININGS[training],
        itertools.repeat(REALS),
        steps=steps,
        seed=seed,
        config=Config(**settings),
    )
    return np.array([[p.item() for p in both(game)] for game in games])


def both(game: Game) -> Sequence[Tensor]:
    """Return theta and psi."""
    return [*game.opt_g.params, *game.opt_d.params]


def ending(training: str, seed: int) -> Row:
    """Train, and measure the distance from the equilibrium at the end."""
    away = np.hypot(*path(training, seed).T)
    return {"distance": float(away[-LAST:].mean()), "first": float(away[:LAST].mean())}


def kept(training: str, seed: int) -> Row:
    """Add how much of the distance is left."""
    found = ending(training, seed)
    return found | {"kept": found["distance"] / found["first"]}


# --- rates: what a step multiplies the distance by, near the equilibrium ---


def expected_rates() -> dict[str, float]:
    """Return minus the logarithms of the factors, by hand.

    D moves, then G: the matrix of a step has the determinant 1 - h t, and its eigenvalues are a
    conjugate pair, so the factor is its root. Both at once: the factor is |1 - h lambda|.
    """
    damped = math.sqrt(1 - RATE * GAMMA_R)
    pull = UNROLLING * ETA / 4
    at_once = {
        "consensus": GAMMA_C / 4 + 0.5j,
        "unrolled": pull + 1j * math.sqrt(0.25 - pull**2),
    }
    factors = {"r1": damped, "r2": damped}
    factors |= {name: abs(1 - RATE * eigenvalue) for name, eigenvalue in at_once.items()}
    return {name: -math.log(factor) for name, factor in factors.items()}


def rate_of(away: Array, *, below: float = 0.1, above: float = 1e-5) -> float:
    """Fit how fast the logarithm of a distance falls, where descent is linear and not yet done."""
    near = np.flatnonzero((away < below) & (away > above))
    return -float(np.polyfit(near, np.log(away[near]), 1)[0])


def rates(seed: int) -> Row:
    """Compare each rate with the one by hand."""
    measured = {name: rate_of(np.hypot(*path(name, seed).T)) for name in expected_rates()}
    errors = {name: abs(measured[name] / rate - 1) for name, rate in expected_rates().items()}
    return {"error": max(errors.values()), "rates": measured, "by_hand": expected_rates()}


def spiral(seed: int) -> Row:
    """Compare the growth under simultaneous descent of Wasserstein losses with (1 + h^2)^(1/2)."""
    away = np.hypot(*path("simultaneous", seed, steps=LAST, loss="wasserstein").T)
    growth = math.log(away[-1] / away[0]) / (len(away) - 1)
    return {"error": abs(growth / (0.5 * math.log1p(RATE**2)) - 1), "growth": growth}


def _converges(training: str, says: str, *, threshold: float, note: str = "") -> Claim:
    return Claim(
        name=f"dirac-{training}",
        recipe="",
        says=f"{says} converges",
        quantity="distance",
        unit="from the equilibrium",
        sense="<=",
        threshold=threshold,
        paper="converges",
        budget=f"{STEPS} steps",
        measure=lambda seed: ending(training, seed),
        note=note,
    )


def _stays(training: str, says: str, *, threshold: float, note: str = "") -> Claim:
    claim = _converges(training, says, threshold=threshold, note=note)
    return replace(claim, says=f"{says} does not converge", sense=">=", paper="does not converge")


def _keeps(training: str, says: str, *, paper: str, threshold: float, note: str = "") -> Claim:
    return Claim(
        name=f"dirac-{training}",
        recipe="",
        says=says,
        quantity="kept",
        unit="of the distance from the equilibrium are left",
        sense=">=",
        threshold=threshold,
        paper=paper,
        budget=f"{STEPS} steps",
        measure=lambda seed: kept(training, seed),
        note=note,
    )


def _by_hand(name: str, says: str, *, threshold: float, steps: int) -> Claim:
    return Claim(
        name=f"dirac-{name}",
        recipe="",
        says=says,
        quantity="error",
        unit="relative error",
        sense="<=",
        threshold=threshold,
        paper="eigenvalues in closed form",
        budget=f"{steps} steps",
        measure=rates if name == "rates" else spiral,
    )


CLAIMS = (
    _keeps(
        "simultaneous",
        "simultaneous descent of minimax losses leaves the equilibrium",
        paper="distance grows (lemma 2.3)",
        threshold=1.0,
    ),
    _keeps(
        "alternating",
        "alternating descent of minimax losses goes round",
        paper="cycles (lemma 2.4)",
        threshold=0.95,
    ),
    _keeps(
        "nonsaturating",
        "alternating descent of non-saturating losses has no rate of convergence",
        paper="slower than any exponential",
        threshold=0.1,
        note="a unit of time takes 2 theta psi tanh(theta psi / 2) off |(theta, psi)|^2, which is "
        "of fourth order: the distance falls as 1 / sqrt(t)",
    ),
    _by_hand(
        "spiral",
        "simultaneous descent of Wasserstein losses grows by (1 + h^2)^(1/2) a step",
        threshold=0.001,
        steps=LAST,
    ),
    _converges("r1", f"R1 of weight {GAMMA_R}", threshold=1e-3),
    _converges("r2", f"R2 of weight {GAMMA_R}", threshold=1e-3),
    _converges("consensus", f"consensus optimisation of weight {GAMMA_C:g}", threshold=1e-3),
    _converges("unrolled", f"unrolling of {UNROLLING} steps of {ETA}", threshold=1e-3),
    _converges(
        "noise",
        f"instance noise of standard deviation {STD:g}",
        threshold=0.05,
        note=f"noise of {len(REALS)} samples a batch: the equilibrium is reached but for its rest",
    ),
    _by_hand(
        "rates",
        "R1, R2, consensus and unrolling converge as fast as their eigenvalues say",
        threshold=0.05,
        steps=STEPS,
    ),
    _stays("clip", "a WGAN clipped at 0.5", threshold=0.25),
    _stays("gp", "a WGAN-GP of weight 1", threshold=0.5),
)

if __name__ == "__main__":
    main(CLAIMS)
