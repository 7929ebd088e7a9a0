"""Short trainings of the image recipes, a few CPU minutes each: what claims and gallery share.

Widths are small and images have 16 pixels, as a digit of the embedded set has no more than 8 that
tell. Settings that are not named are the recipe's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from tinygan import data, recipes
from tinygan.gan import Game, Recipe, fit
from tinygan.runs.setup import with_data

DIGITS = "digits:16"


@dataclass(frozen=True, kw_only=True)
class Training:
    """One training.

    Attributes:
        steps: of the recipe.
        data: what to load.
        settings: fields of the recipe's configuration that differ from its defaults.
    """

    steps: int
    data: str = DIGITS
    settings: dict[str, Any] = field(default_factory=dict)

    def but(self, **settings: Any) -> Training:
        """Return the training with other settings."""
        return Training(steps=self.steps, data=self.data, settings=self.settings | settings)


_SMALL = {"batch": 32, "lr": 5e-4, "ngf": 16, "ndf": 16, "half_life_kimg": 5.0}
_NARROW = {"batch": 32, "ngf": 16, "ndf": 16}
_CODED = {"batch": 64, "ngf": 32, "ndf": 16, "nz": 20, "half_life_kimg": 3.0}
_STYLES = {
    "batch": 16, "nf": 16, "nf_max": 32, "nz": 32, "nw": 32, "mapping_layers": 4,
    "half_life_kimg": 2.0,
}  # fmt: skip

TRAININGS = {
    "gan": Training(
        steps=1500, settings={"batch": 50, "lr": 5e-4, "hidden_g": 256, "half_life_kimg": 5.0}
    ),
    "dcgan": Training(steps=2000, settings={**_SMALL, "nz": 24, "noise": 0.2}),
    "lsgan": Training(steps=1000, settings=_SMALL),
    "wgan_gp": Training(steps=600, settings=_SMALL),
    "dragan": Training(steps=3000, settings=_SMALL),
    "sngan": Training(
        steps=1000,
        settings={**_SMALL, "arch": "dcgan", "g_batch": 32, "n_critic": 2, "decay_steps": 0},
    ),
    "relativistic": Training(steps=1000, settings=_SMALL),
    "began": Training(  # 64 pixels: a longer code lets D copy any image, and k stays at 0
        steps=700,
        data="digits:8",
        settings={
            "batch": 32,
            "lr": 5e-4,
            "gamma": 0.7,
            "lambda_k": 0.05,
            "nz": 16,
            "nf": 16,
            "half_life_kimg": 5.0,
        },
    ),
    "ebgan": Training(steps=1000, settings=_SMALL),
    "minibatch": Training(steps=1500, settings={**_SMALL, "lr": 2e-4, "distances": 16}),
    "feature_matching": Training(steps=1500, settings=_SMALL),
    "cgan": Training(steps=4000, settings=_SMALL),
    "acgan": Training(steps=1500, settings=_SMALL),
    "projection": Training(
        steps=1000, data="digits:8", settings={**_SMALL, "lr": 2e-3, "n_critic": 1}
    ),
    "sagan": Training(
        steps=2000,
        settings={**_NARROW, "nz": 16, "lr": 1e-3, "lr_d": 2e-3, "half_life_kimg": 2.0},
    ),
    "biggan": Training(
        steps=800,
        settings={
            **_NARROW,
            "nz": 16,
            "shared": 16,
            "n_critic": 1,
            "lr": 1e-3,
            "lr_d": 1e-3,
            "half_life_kimg": 2.0,
        },
    ),
    "stylegan": Training(steps=4000, settings={**_STYLES, "lr": 2e-3, "gamma_r1": 1.0}),
    "stylegan2": Training(steps=4000, settings={**_STYLES, "lr": 4e-3, "gamma_r1": 0.3}),
    "unrolled": Training(
        steps=1500,
        data="digits:8",
        settings={
            "unrolling": 3,
            "batch": 64,
            "lr": 5e-4,
            "lr_d": 5e-4,
            "eta": 0.01,
            "nz": 32,
            "hidden": 256,
            "half_life_kimg": 5.0,
        },
    ),
    "consensus": Training(
        steps=4000, settings={"batch": 64, "lr": 3e-4, "gamma": 0.1, "half_life_kimg": 5.0}
    ),
    "extragradient": Training(steps=1000, settings={**_NARROW, "half_life_kimg": 5.0}),
    "veegan": Training(
        steps=2000, settings={"batch": 64, "lr": 5e-4, "nz": 20, "half_life_kimg": 5.0}
    ),
    "wgan": Training(steps=1500, settings={**_SMALL, "lr": 2e-4}),
    "infogan": Training(steps=1000, settings={"ngf": 32, "ndf": 16, "lr_d": 1e-4}),
    "pacgan": Training(steps=1000, settings=_SMALL),
    "bigan": Training(
        steps=2000, settings={"batch": 50, "lr": 5e-4, "hidden": 256, "half_life_kimg": 5.0}
    ),
    "semi_supervised": Training(
        steps=600, settings={"hidden_d": 400, "hidden_g": 200, "half_life_kimg": 3.0}
    ),
    # sigma: the best of 0.3, 0.5, 0.7, 1 and the likeliest, for seeds that are not reported
    "vae": Training(steps=600, settings={**_CODED, "sigma": 0.7}),
    "vae_gan": Training(steps=600, settings=_CODED),
    "progan": Training(
        steps=1800,
        settings={
            "nf": 16,
            "nf_max": 64,
            "nz": 32,
            "lr": 4e-3,
            "stage_kimg": 0.8,
            "fade_kimg": 1.6,
        },
    ),
    "cogan": Training(
        steps=4000,
        data="half-inverted:digits:16",
        settings={"batch": 64, "ngf": 32, "ndf": 32, "half_life_kimg": 5.0},
    ),
    "stargan": Training(
        steps=1000,
        data="painted:digits:16",
        settings={
            "ngf": 16,
            "ndf": 16,
            "blocks": 2,
            "lr": 5e-4,
            "n_critic": 2,
            "lambda_rec": 100.0,
            "lambda_id": 100.0,
            "decay_steps": 1000,
        },
    ),
    "age_editing": Training(
        steps=4000,
        data="slanted:digits:16",
        settings={"ngf": 32, "ndf": 32, "half_life_kimg": 5.0},
    ),
    "text_to_image": Training(
        steps=8000,
        data="captioned:digits:16",
        settings={"batch": 32, "ngf": 32, "ndf": 32, "half_life_kimg": 5.0},
    ),
    "video": Training(
        steps=6000,
        data="moving:digits:12",
        settings={
            "ngf": 32,
            "ndf": 32,
            "motion": 3,
            "lr": 5e-4,
            "noise": 0.2,
            "half_life_kimg": 2.0,
        },
    ),
}


@cache
def dataset(spec: str) -> data.Dataset:
    """Load a data set once."""
    return data.load(spec)


def train(
    name: str, training: Training | None = None, *, seed: int, recipe: Recipe | None = None
) -> Iterator[Game]:
    """Yield the game after each step of a training.

    Args:
        name: of the recipe.
        training: None takes the one of ``TRAININGS``.
        seed: of the run, and of the order of its batches.
        recipe: the recipe itself, where it has been changed.
    """
    training, recipe = training or TRAININGS[name], recipe or recipes.get(name)
    samples = dataset(training.data)
    config = with_data(recipe, recipe.config(**training.settings), samples)
    batches = data.Batches(samples, config.batch, seed=seed)
    source = batches.with_labels() if recipe.labelled else batches
    return fit(recipe, source, steps=training.steps, seed=seed, config=config)
