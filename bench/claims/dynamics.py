"""Players that turn with a game's rotation, where plain descent spirals away.

The bilinear game min_x max_y x^T A y has its equilibrium at 0, and descent of both players at once
multiplies the distance in the plane of A's singular value s by (1 + h^2 s^2)^(1/2): it grows. A is
8 x 8 with singular values between 0.5 and 1, and the seed chooses it and the start. ``kept`` is
what is left of the distance from 0.

On the ring of eight Gaussians consensus optimisation is compared with the same descent without its
pull: the field ||v||^2 / 2 over the last 100 steps, and the modes that are reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from statistics import mean
from typing import Any

import numpy as np
from common import Claim, Row, main
from toys import modes_of

from tinygan import data, nn, ops, optim, recipes
from tinygan.autograd import Tensor
from tinygan.gan import fit, game_field
from tinygan.kernels.arrays import Array
from tinygan.random import Stream

SIZE, STEPS, RATE = 8, 1000, 0.3
ADAM = {"lr": 0.05, "betas": (0.5, 0.9)}  # the betas of arXiv:1802.10551's GANs
CONSENSUS: dict[str, Any] = {"batch": 128, "hidden": 32, "lr": 1e-3}
RING_STEPS, FIELD_STEPS, LAST = 1500, 600, 100
Make = Callable[[Iterable[Tensor]], optim.Optimizer]

OPTIMIZERS: dict[str, Make] = {
    "sgd": lambda p: optim.SGD(p, RATE),
    "extragradient": lambda p: optim.Extragradient(optim.SGD(p, RATE)),
    "optimistic": lambda p: optim.Optimistic(optim.SGD(p, RATE)),
    "lookahead": lambda p: optim.Lookahead(optim.SGD(p, RATE), k=5, alpha=0.5),
    "adam": lambda p: optim.Adam(p, **ADAM),
    "extra-adam": lambda p: optim.ExtraAdam(p, **ADAM),
    "optimistic-adam": lambda p: optim.OptimisticAdam(p, **ADAM),
    "lookahead-adam": lambda p: optim.Lookahead(optim.Adam(p, **ADAM), k=5, alpha=0.5),
}


def matrix(stream: Stream) -> Array:
    """Draw A: two random rotations, and singular values from U(0.5, 1)."""
    turns = [np.linalg.qr(stream.normal((SIZE, SIZE), dtype=np.float64))[0] for _ in range(2)]
    values = 0.5 + 0.5 * stream.uniform(SIZE, dtype=np.float64)
    return (turns[0] * values) @ turns[1]


def bilinear(name: str, seed: int, *, steps: int = STEPS) -> Row:
    """Let both players step at once; return how far they are in the end."""
    stream = Stream(seed, "bilinear")
    A = Tensor(matrix(stream))
    x, y = (nn.Parameter(stream.normal(SIZE, dtype=np.float64)) for _ in range(2))
    both = OPTIMIZERS[name]([x]), OPTIMIZERS[name]([y])
    start = distance(x, y)
    turns = ("extrapolate", "step") if isinstance(both[0], optim.Extragradient) else ("step",)
    for _ in range(steps):
        for turn in turns:
            payoff = ops.sum(ops.matmul(x, A) * y)
            v = game_field((payoff, -payoff), (x, y))
            for player, g in zip(both, v, strict=True):
                getattr(player, turn)([g])
    return {"kept": distance(x, y) / start, "gradients": steps * len(turns)}


def distance(x: Tensor, y: Tensor) -> float:
    """Return |(x, y)|."""
    return float(np.hypot(np.linalg.norm(x.numpy()), np.linalg.norm(y.numpy())))


def extra_adam(seed: int) -> Row:
    """Compare ExtraAdam with Adam, which gets as many gradients: twice as many steps."""
    adam, extra = bilinear("adam", seed, steps=2 * STEPS), bilinear("extra-adam", seed)
    return {"nearer": adam["kept"] / extra["kept"], "adam": adam, "extra_adam": extra}


def field(gamma: float, seed: int) -> float:
    """Return ||v||^2 / 2 on the ring, the mean over the last steps."""
    recipe = recipes.get("consensus")
    config = recipe.config(gamma=gamma, **CONSENSUS)
    batches = data.Batches(data.load("ring"), config.batch, seed=seed)
    games = fit(recipe, batches, steps=FIELD_STEPS, seed=seed, config=config)
    return mean([game.metrics["half_norm"] for game in games][-LAST:])


def fields(seed: int) -> Row:
    """Compare the field without and with consensus optimisation's pull."""
    alone, pulled = field(0.0, seed), field(1.0, seed)
    return {"smaller": alone / pulled, "alone": alone, "pulled": pulled}


def _bilinear(name: str, says: str, *, paper: str) -> Claim:
    return Claim(
        name=f"bilinear-{name}",
        recipe="",
        says=f"{says} converges on a bilinear game",
        quantity="kept",
        unit="of the distance are left",
        sense="<=",
        threshold=1e-3,
        paper=paper,
        budget=f"{STEPS} steps of {RATE}",
        measure=lambda seed: bilinear(name, seed),
    )


CLAIMS = (
    replace(
        _bilinear("sgd", "", paper="diverges (arXiv:1802.10551, section 3)"),
        says="simultaneous descent spirals away on a bilinear game",
        sense=">=",
        threshold=1.0,
    ),
    _bilinear("extragradient", "extragradient", paper="converges (arXiv:1802.10551, section 3)"),
    _bilinear("optimistic", "optimistic descent", paper="converges (arXiv:1711.00141, section 3)"),
    _bilinear(
        "lookahead",
        "Lookahead with k = 5, alpha = 0.5 around both players",
        paper="converges (arXiv:2006.14567, section 4)",
    ),
    Claim(
        name="bilinear-extra-adam",
        recipe="",
        says="ExtraAdam ends nearer to the equilibrium of a bilinear game than Adam",
        quantity="nearer",
        unit="times nearer",
        sense=">=",
        threshold=2.0,
        paper="nearer (arXiv:1802.10551, figure 3)",
        budget=f"{STEPS} steps of {ADAM['lr']}, and twice as many of Adam",
        measure=extra_adam,
        note="steps of Adam do not become shorter as gradients do, so both end on a cycle",
    ),
    Claim(
        name="consensus-ring",
        recipe="consensus",
        says="consensus optimisation reaches the modes of the ring",
        quantity="modes",
        unit="of 8 modes",
        sense=">=",
        threshold=7.5,
        paper="all 8 (arXiv:1705.10461, figure 2, 20k steps)",
        budget=f"{RING_STEPS} steps (8 %)",
        measure=lambda seed: modes_of(
            "consensus", "ring", steps=RING_STEPS, seed=seed, gamma=1.0, **CONSENSUS
        ),
        note="batch 128, 32 units, gamma 1 and ten times the authors' rate, for the small budget",
    ),
    Claim(
        name="consensus-field",
        recipe="",
        says="its pull makes the field fall, which stays large without",
        quantity="smaller",
        unit="times smaller",
        sense=">=",
        threshold=10.0,
        paper="simultaneous descent oscillates (arXiv:1705.10461, figure 2)",
        budget=f"{FIELD_STEPS} steps, the settings of consensus-ring",
        measure=fields,
    ),
    Claim(
        name="extragradient-ring",
        recipe="extragradient",
        says="extragradient reaches the modes of the ring",
        quantity="modes",
        unit="of 8 modes",
        sense=">=",
        threshold=7.5,
        paper="-",
        budget=f"{RING_STEPS} steps",
        measure=lambda seed: modes_of("extragradient", "ring", steps=RING_STEPS, seed=seed),
    ),
)

if __name__ == "__main__":
    main(CLAIMS)
