"""A captured step: the bits of eager steps, on a pretended GPU whose streams record a tape."""

import numpy as np
import pytest
from strict_arrays import strictcupy

from tinygan import data, ops, optim, random
from tinygan.errors import CaptureError
from tinygan.gan import Recipe, fit
from tinygan.gan.captured import WARM_UP
from tinygan.recipes import get

STEPS = WARM_UP + 5  # two eager, a traced one, the recorded one, three replays
TINY = {
    "gan": ("digits:8", {"batch": 4, "hidden_g": 6, "hidden_d": 4, "nz": 4}),
    "dcgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "half_life_kimg": 0.1}),
    "wgan_gp": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "n_critic": 2}),
    "sngan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "arch": "dcgan"}),
    "cgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "acgan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "biggan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4, "n_critic": 1}),
    "infogan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "dragan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
    "unrolled": ("ring", {"batch": 8, "hidden": 6, "nz": 4, "unrolling": 2}),
    "consensus": ("ring", {"batch": 8, "nz": 4}),
    "vae_gan": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}),
}
REFUSED = {
    "wgan": ("ring", {"batch": 8}, "depends on the number of the step"),
    "began": ("digits:8", {"batch": 4, "nf": 2, "nz": 4}, r"balance \(Balance\) has state"),
    "extragradient": ("digits:8", {"batch": 4, "ngf": 2, "ndf": 2, "nz": 4}, "ExtraAdam"),
    "srgan": ("digits:16", {"batch": 4, "ngf": 2, "ndf": 2, "blocks": 1}, r"phi \(PerceptualNet\)"),
}


def states(name, *, capture, steps=STEPS, recipe=None):
    """Return the game's state and metrics after each step."""
    spec, settings, *_ = (TINY | REFUSED)[name]
    recipe = recipe or get(name)
    dataset = data.load(spec)
    classes = {"num_classes": 10} if recipe.labelled else {}
    config = recipe.config(**classes, **settings)
    batches = data.Batches(dataset, config.batch, seed=1)
    source = batches.with_labels() if recipe.labelled else batches
    found = []
    with random.using(random.Streams(3, strictcupy)):
        games = fit(recipe, source, steps=steps, seed=3, config=config, capture=capture)
        for game in games:
            arrays, numbers = game.state()
            found.append((arrays, numbers, dict(game.metrics)))
    return found


@pytest.mark.parametrize("name", TINY)
def test_replays_have_the_bits_of_eager_steps(name, emulated_gpu):
    captured, eager = states(name, capture=True), states(name, capture=False)
    for n, (ours, theirs) in enumerate(zip(captured, eager, strict=True), 1):
        assert ours[1] == theirs[1], f"step {n}"
        assert ours[2] == theirs[2], f"step {n}"
        for key, array in theirs[0].items():
            np.testing.assert_array_equal(ours[0][key], array, err_msg=f"step {n}: {key}")


@pytest.mark.parametrize("name", REFUSED)
def test_a_recipe_that_the_host_steers_is_refused_with_the_reason(name, emulated_gpu):
    with pytest.raises(CaptureError, match=REFUSED[name][2]):
        states(name, capture=True)


def test_a_schedule_s_rate_reaches_a_replayed_step(emulated_gpu):
    def setup(config, data_shape):
        game = get("gan").setup(config, data_shape)
        game.schedules.append((game.opt_g, optim.ExponentialDecay(0.5)))
        return game

    plain = get("gan")
    recipe = Recipe("gan", plain.paper, setup, plain.step, plain.config)
    captured = states("gan", capture=True, recipe=recipe)
    eager = states("gan", capture=False, recipe=recipe)
    assert captured[-1][1]["opt_g.lr"] == eager[-1][1]["opt_g.lr"] < captured[0][1]["opt_g.lr"]
    for key, array in eager[-1][0].items():
        np.testing.assert_array_equal(captured[-1][0][key], array, err_msg=key)


def changed(step):
    plain = get("gan")
    return Recipe("gan", plain.paper, plain.setup, step, plain.config)


def test_a_step_that_looks_at_a_value_says_after_which_op(emulated_gpu):
    def step(game, batches):
        metrics = get("gan").step(game, batches)
        if ops.mean(game.G(game.latent(2))) > 100:
            raise AssertionError
        return metrics

    with pytest.raises(CaptureError, match=r"reads the value of a tensor.* \(after op 'greater'"):
        states("gan", capture=True, recipe=changed(step))


def test_a_metric_that_the_host_computes_is_named(emulated_gpu):
    def step(game, batches):
        metrics = get("gan").step(game, batches)
        return {**metrics, "twice": 2 * metrics["loss_d"]}

    with pytest.raises(CaptureError, match="the host computes metric 'twice'"):
        states("gan", capture=True, recipe=changed(step))


def test_a_step_that_asks_for_its_number_is_refused(emulated_gpu):
    def step(game, batches):
        metrics = get("gan").step(game, batches)
        if game.step % 2:
            next(batches)
        return metrics

    with pytest.raises(CaptureError, match=r"depends on the number of the step \(game.step\)"):
        states("gan", capture=True, recipe=changed(step))


def test_a_pool_on_the_host_is_named(emulated_gpu):
    class Pool:
        def state_dict(self):
            return {}

        def load_state_dict(self, state):
            pass

    def setup(config, data_shape):
        game = get("gan").setup(config, data_shape)
        game.extra["pool"] = Pool()
        return game

    plain = get("gan")
    recipe = Recipe("gan", plain.paper, setup, plain.step, plain.config)
    with pytest.raises(CaptureError, match=r"pool \(Pool\) has state on the host"):
        states("gan", capture=True, recipe=recipe)


def test_an_optimizer_that_decides_on_the_host_is_named(emulated_gpu):
    def setup(config, data_shape):
        game = get("gan").setup(config, data_shape)
        game.opt_g = optim.Lookahead(game.opt_g)
        return game

    plain = get("gan")
    recipe = Recipe("gan", plain.paper, setup, plain.step, plain.config)
    with pytest.raises(CaptureError, match=r"opt_g \(Lookahead\) decides on the host"):
        states("gan", capture=True, recipe=recipe)


def test_the_cpu_has_nothing_to_capture():
    recipe, dataset = get("gan"), data.load("digits:8")
    games = fit(recipe, data.Batches(dataset, 4, seed=0), steps=STEPS, capture=True)
    with pytest.raises(CaptureError, match="it runs on the CPU"):
        list(games)


def test_a_tensor_that_is_replaced_between_steps_is_noticed(emulated_gpu):
    recipe = get("gan")
    config = recipe.config(**TINY["gan"][1])
    batches = data.Batches(data.load("digits:8"), 4, seed=1)
    with random.using(random.Streams(3, strictcupy)):
        games = fit(recipe, batches, steps=STEPS, seed=3, config=config, capture=True)
        for _ in range(STEPS - 1):
            game = next(games)
        weight = game.D.parameters()[0]
        weight.assign_(weight.data.copy())
        with pytest.raises(CaptureError, match="was given another array"):
            next(games)
