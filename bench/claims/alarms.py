"""Whether the alarms of a run ring when something is wrong, and only then.

Each planted fault is a short run of a small net with one thing broken; the right alarm must be
among those that it raises, on nine seeds of ten. Healthy runs of the same lengths must raise none.
The overfitting alarm is judged on samples, since a net of this size cannot memorise: fakes that are
training points with a little noise, against fresh ones. No threshold is tuned here: they are
constants of ``tinygan.runs.alarms``, chosen with seeds 0 to 9. The rows are those of fresh seeds:

    python bench/claims/alarms.py --first 100
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import Claim, Row, main

from tinygan import ops
from tinygan.errors import DivergedError
from tinygan.gan import Game, Recipe, alternating, alternating_labelled
from tinygan.kernels.arrays import Array
from tinygan.metrics import Pair, side
from tinygan.random import Stream
from tinygan.recipes import cgan, get
from tinygan.runs.alarms import Alarms
from tinygan.runs.setup import Settings
from tinygan.runs.train import train

POINTS = {"batch": 64, "hidden_g": 32, "hidden_d": 32}
IMAGES = {"batch": 32, "hidden_g": 64, "hidden_d": 32, "nz": 8, "lr": 1e-3}
DCGAN = {"batch": 32, "ngf": 8, "ndf": 8, "nz": 8, "lr": 1e-3}
SURE = IMAGES | {"n_critic": 10, "dropout": 0.0}
Plant = Callable[[Recipe], Recipe]


@dataclass(frozen=True)
class Case:
    """A run, and the alarm that it should raise; "" for none.

    Attributes:
        expected: kind of the alarm.
        data: of the run.
        steps: of the run; it is measured six times, and looked at forty times.
        recipe: name of the recipe.
        config: of the recipe.
        plant: breaks the recipe.
    """

    expected: str
    data: str
    steps: int
    recipe: str
    config: dict[str, Any]
    plant: Plant = lambda recipe: recipe


def run(case: Case, seed: int, *, samples: int = 512) -> list[dict[str, Any]]:
    """Train a case in a folder of its own; return the rows of ``alarms.jsonl``."""
    recipe = case.plant(get(case.recipe))
    settings = Settings(
        data=case.data,
        steps=case.steps,
        seed=seed,
        snap=case.steps,
        metrics_every=case.steps // 6,
        metrics="prdc",
        metrics_n=samples,
        diagnose_every=max(1, case.steps // 40),
    )
    with tempfile.TemporaryDirectory() as folder:
        training = train(recipe, settings, recipe.config(**case.config), outdir=folder)
        try:
            for _ in training:
                pass
        except DivergedError:
            pass
        return training.run.read_rows("alarms")


# --- faults ---


def frozen(player: str) -> Plant:
    """Give a player an optimizer that moves nothing: Keras 3 does so to a D set untrainable."""

    def _plant(recipe: Recipe) -> Recipe:
        def _setup(config: Any, shape: Any) -> Game:
            game = recipe.setup(config, shape)
            (game.opt_d if player == "D" else game.opt_g).lr = 0.0
            return game

        return dataclasses.replace(recipe, setup=_setup)

    return _plant


def saturating(recipe: Recipe) -> Recipe:
    """Let G climb L_D itself, against a D that takes ten long descents for each of G's."""

    def _g_loss(game: Game, z: Any) -> Any:
        return ops.saturating_g_loss(game.D(game.G(z)))

    step = alternating(recipe.step.d_loss, _g_loss)  # type: ignore[attr-defined]
    return dataclasses.replace(recipe, setup=_outpaced(recipe), step=step)


def saturating_by_class(recipe: Recipe) -> Recipe:
    """Do the same to cGAN."""

    def _g_loss(game: Game, fake: Any) -> Any:
        return ops.saturating_g_loss(game.D(*fake))

    step = alternating_labelled(cgan.d_loss, _g_loss)
    return dataclasses.replace(recipe, setup=_outpaced(recipe), step=step)


def _outpaced(recipe: Recipe) -> Callable[[Any, Any], Game]:
    def _setup(config: Any, shape: Any) -> Game:
        game = recipe.setup(config, shape)
        game.opt_g.lr *= 0.1
        game.opt_d.lr *= 5.0
        return game

    return _setup


def deaf(recipe: Recipe) -> Recipe:
    """Cut G off from z: it makes one picture."""

    def _step(game: Game, batches: Iterator[Array]) -> dict[str, float]:
        metrics = recipe.step(game, batches)
        first = next(iter(game.G.parameters()))
        first.assign_(np.zeros_like(first.data))
        return metrics

    return dataclasses.replace(recipe, step=_step)


def two_modes(recipe: Recipe) -> Recipe:
    """Show the right half of the plane's lowest modes alone: G learns two of the ring's eight."""

    def _seen(batches: Iterator[Array]) -> Iterator[Array]:
        for batch in batches:
            angle = np.arctan2(batch[:, 1], batch[:, 0])
            kept = batch[np.abs(angle - np.pi / 8) < np.pi / 4]
            yield np.resize(kept, batch.shape) if len(kept) else batch

    def _step(game: Game, batches: Iterator[Array]) -> dict[str, float]:
        return recipe.step(game, _seen(batches))

    return dataclasses.replace(recipe, step=_step)


def not_a_number(recipe: Recipe) -> Recipe:
    """Break a loss at step 7."""

    def _step(game: Game, batches: Iterator[Array]) -> dict[str, float]:
        metrics = recipe.step(game, batches)
        return metrics | ({"loss_d": float("nan")} if game.step == 7 else {})

    return dataclasses.replace(recipe, step=_step)


FAULTS = {
    "frozen D": Case("frozen D", "ring", 40, "gan", POINTS, frozen("D")),
    "frozen G": Case("frozen G", "digits:8", 40, "gan", IMAGES, frozen("G")),
    "saturated D": Case("saturated", "digits:8", 80, "gan", SURE, saturating),
    "saturated D of classes": Case("saturated", "digits:8", 80, "cgan", DCGAN, saturating_by_class),
    "G deaf to z": Case("mode collapse", "digits:8", 80, "gan", IMAGES, deaf),
    "two modes of eight": Case("mode collapse", "ring", 1200, "gan", POINTS, two_modes),
    "NaN": Case("diverged", "ring", 40, "gan", POINTS, not_a_number),
}
HEALTHY = {
    "gan, ring": Case("", "ring", 600, "gan", POINTS),
    "gan, digits": Case("", "digits:8", 600, "gan", IMAGES),
    "dcgan, digits": Case("", "digits:8", 400, "dcgan", DCGAN),
    "cgan, digits": Case("", "digits:8", 400, "cgan", DCGAN),
}


def verdict(expected: str, raised: list[str]) -> Row:
    """Say whether that alarm, or for "" none, is what was raised."""
    return {"right": float(expected in raised if expected else not raised), "raised": raised}


def judged(case: Case, seed: int) -> Row:
    """Run a case and judge its alarms."""
    return verdict(case.expected, [row["alarm"] for row in run(case, seed)])


def overfitting(seed: int, noise: float | None, *, n: int = 400, d: int = 16) -> set[str]:
    """Measure fakes three times; they are training points plus noise, or fresh points for None."""
    stream, alarms = Stream(seed, "copies"), Alarms()
    train, held_out, fresh, more = (stream.normal((n, d)) for _ in range(4))
    fake = fresh if noise is None else train + noise * more
    pair = Pair(side(None, train), side(None, fake), None, held_out=side(None, held_out))
    return {alarm.kind for step in (1, 2, 3) for alarm in alarms.measure(step, pair)}


def _claim(name: str, expected: str, budget: str, measure: Callable[[int], Row]) -> Claim:
    return Claim(
        name="alarm-" + name.lower().replace(",", "").replace(" ", "-"),
        recipe="",
        says=f"raises {expected}" if expected else "raises nothing",
        quantity="right",
        unit="of the runs",
        sense=">=",
        threshold=0.9 if expected else 1.0,
        paper="-",
        budget=budget,
        measure=measure,
        seeds=10,
    )


def _of_case(name: str, case: Case) -> Claim:
    budget = f"{case.recipe} on {case.data}, {case.steps} steps"
    return _claim(name, case.expected, budget, lambda seed: judged(case, seed))


def _of_samples(name: str, noise: float | None) -> Claim:
    expected = "overfitting" if noise else ""
    return _claim(
        name,
        expected,
        "3 times 400 samples of 16 dimensions",
        lambda seed: verdict(expected, sorted(overfitting(seed, noise))),
    )


CLAIMS = (
    *(_of_case(name, case) for name, case in (FAULTS | HEALTHY).items()),
    _of_samples("copies of the data", 0.05),
    _of_samples("fresh samples", None),
)

if __name__ == "__main__":
    main(CLAIMS)
