"""Recipes on the kernels that are not C++: they train, and a step is that of the C++ kernels.

A step's numbers differ by the order of their sums alone. A sum of K float32 products is off by K
eps of the sum of their magnitudes at most, a pass through L layers by L times that, and a step is a
pass forward and one back (under a gradient penalty, a derivative of a derivative, four passes). So
the updates of two backends differ by 2 L K eps of their norm at most, or by 4 L K eps, where
nothing cancels; K is the longest sum of the nets, over a batch and its pixels.
"""

import contextlib

import numpy as np
import pytest
from conftest import require

from tinygan import data, kernels, optim, random
from tinygan.errors import NoKernelError
from tinygan.gan import Source, advance, fit, new_game
from tinygan.kernels.registry import tracing
from tinygan.recipes import get

EPS = float(np.finfo(np.float32).eps)
PLAIN = {"batch": 8, "nz": 4, "ngf": 4, "ndf": 4}
# recipe: data, settings, layers of both players, the longest sum (batch x pixels x channels)
CASES = {
    "wgan_gp": ("ring", {"batch": 8, "nz": 4, "hidden": 8, "n_critic": 1}, 16, 8 * 8),
    "dcgan": ("digits:16", PLAIN, 6, 8 * 64 * 4),
    "acgan": ("digits:8", PLAIN | {"num_classes": 10}, 6, 8 * 16 * 8),
    "pacgan": ("digits:8", PLAIN, 5, 8 * 16 * 8),
    "gan": ("digits:8", {"batch": 8, "nz": 4, "hidden_g": 16, "hidden_d": 16}, 6, 8 * 64),
}
ON = [(name, ("numba", "numpy")) for name in CASES if name != "gan"] + [("gan", ("numpy",))]


def parts(name):
    recipe = get(name)
    spec, settings, _, _ = CASES[name]
    config = recipe.config(**settings)
    dataset = data.load(spec)
    batches = data.Batches(dataset, config.batch, seed=1)
    return recipe, config, dataset.shape, batches.with_labels() if recipe.labelled else batches


def weights(game):
    return {k: x for k, x in game.state()[0].items() if k[:2] in ("G.", "D.") and x.dtype == "f4"}


def updates_of_a_step(name, backends, xp=np):
    """Return what one step adds to each weight.

    Both players descend by SGD: Adam's first step is the sign of the gradient, which rounding alone
    decides where the gradient is nothing.
    """
    recipe, config, shape, batches = parts(name)
    with (
        kernels.use_backend(*backends) if backends else contextlib.nullcontext(),
        random.using(random.Streams(3, xp)),
    ):
        game = new_game(recipe, shape, seed=3, config=config)
        game.opt_g = optim.SGD(game.G.parameters(), 0.1)
        game.opt_d = optim.SGD(game.D.parameters(), 0.1)
        before = weights(game)
        advance(recipe, game, Source(batches, xp))
    return {k: x.astype("f8") - before[k] for k, x in weights(game).items()}


@pytest.mark.parametrize(("name", "backends"), ON)
def test_a_recipe_trains_on_other_kernels(name, backends):
    require(backends[0])
    recipe, config, shape, batches = parts(name)
    with kernels.use_backend(*backends):
        for game in fit(recipe, batches, steps=2, config=config, data_shape=shape):
            assert all(np.isfinite(x) for x in game.metrics.values())
        assert np.isfinite(game.sample(3)).all()


@pytest.mark.parametrize(("name", "backends"), ON)
def test_a_step_is_that_of_the_cpp_kernels(name, backends):
    require("cpp")
    require(backends[0])
    assert_the_step_of_cpp(name, updates_of_a_step(name, backends))


def assert_the_step_of_cpp(name, ours):
    """Hold the updates of a step against those of the C++ kernels, by the bound of the module."""
    theirs = updates_of_a_step(name, ("cpp", "numpy"))
    _, _, layers, longest = CASES[name]
    bound = (4 if name == "wgan_gp" else 2) * layers * longest * EPS
    assert bound < 0.01  # so the test sees a kernel that is off by a percent
    for player in ("G.", "D."):
        mine, other = (
            np.concatenate([x.ravel() for k, x in sorted(u.items()) if k.startswith(player)])
            for u in (ours, theirs)
        )
        moved = np.linalg.norm(other)
        assert moved > 0
        assert np.linalg.norm(mine - other) <= bound * moved, player


@pytest.mark.parametrize("name", CASES)
def test_a_step_on_an_emulated_gpu_is_that_of_the_cpp_kernels(name, emulated_gpu):
    require("cpp")
    ran = set()
    with tracing(lambda kernel, *_: ran.add(kernel.key)):
        ours = updates_of_a_step(name, (), emulated_gpu)
    assert not [key for key in ran if "/cuda/" not in key]  # nothing fell back to a reference
    assert_the_step_of_cpp(name, ours)


def test_numba_alone_lacks_what_numpy_is_there_for():
    require("numba")
    recipe, config, shape, batches = parts("dcgan")
    with kernels.use_backend("numba"), pytest.raises(NoKernelError):
        # Numba has no Adam: with NumPy's behind it, as above, nothing is left to C++
        next(fit(recipe, batches, steps=1, config=config, data_shape=shape))
