"""The blur of a curriculum against closed forms, and the game that it is laid around."""

import math

import numpy as np
import pytest

from tinygan import Tensor, data, random
from tinygan.errors import OptionError
from tinygan.gan import (
    Blur,
    Watch,
    advance,
    diffuse,
    fit,
    new_game,
    with_curriculum,
    with_objective,
)
from tinygan.gan.curriculum import heat_matrix
from tinygan.gan.source import Source
from tinygan.recipes import get
from tinygan.testing import check_grads

TINY = {
    "dcgan": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 8},
    "wgan_gp": {"batch": 6, "ngf": 4, "ndf": 4, "nz": 8, "n_critic": 2},
    "feature_matching": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 8},
    "cgan": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 8, "num_classes": 10},
}


def images(n=3, c=2, h=6, w=9):
    return random.Stream(0, "x").normal((n, c, h, w), np.float64)


def trained(name, steps, spec, state=None, **objective):
    recipe = with_curriculum(with_objective(get(name), **objective), spec)
    config = recipe.config(**TINY[name], half_life_kimg=1.0)
    dataset = data.load("digits:8")
    batches = data.Batches(dataset, config.batch, seed=1)
    if state is not None:
        batches.restore(state[1])
    served = batches.with_labels() if recipe.labelled else batches
    resume = None if state is None else state[0]
    for game in fit(  # noqa: B007 - the last one is asked for
        recipe, served, steps=steps, config=config, resume=resume, data_shape=dataset.shape
    ):
        pass
    return game, (game.state(), batches.state())


def bits(state):
    (tensors, scalars), cursor = state
    return {name: x.tobytes() for name, x in tensors.items()}, scalars, cursor


# --- the blur ---


def test_without_blur_the_image_itself_comes_back():
    x = Tensor(images())
    assert diffuse(x, 0.0) is x
    np.testing.assert_allclose(heat_matrix(7, 0.0), np.eye(7), atol=1e-14)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 4.0])
def test_the_mean_colour_stays_and_values_stay_in_their_range(sigma):
    x = images()
    y = diffuse(Tensor(x), sigma).data
    np.testing.assert_allclose(y.mean((2, 3)), x.mean((2, 3)), atol=1e-12)
    matrix = heat_matrix(6, sigma)
    assert matrix.min() >= -1e-15
    np.testing.assert_allclose(matrix.sum(1), 1.0, atol=1e-12)


def test_two_blurs_are_one_of_the_root_of_both_squares():
    x = Tensor(images())
    np.testing.assert_allclose(diffuse(diffuse(x, 0.9), 1.2).data, diffuse(x, 1.5).data, atol=1e-12)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_a_lone_pixel_far_from_the_border_spreads_to_the_variance(sigma):
    row = heat_matrix(81, sigma)[40]
    assert row @ (np.arange(81) - 40.0) ** 2 == pytest.approx(sigma**2)


def test_a_blur_is_many_small_steps_of_the_heat_equation():
    # u <- u + dt L u with mirrored neighbours: the definition, up to dt
    x, sigma, small = images(1, 1, 6, 6), 1.1, 4000
    u, dt = x.copy(), sigma**2 / 2 / small
    for _ in range(small):
        p = np.pad(u, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
        around = p[..., 2:, 1:-1] + p[..., :-2, 1:-1] + p[..., 1:-1, 2:] + p[..., 1:-1, :-2]
        u = u + dt * (around - 4 * u)
    np.testing.assert_allclose(diffuse(Tensor(x), sigma).data, u, atol=1e-3)


def test_the_blur_can_be_differentiated_to_the_third_order():
    check_grads(lambda x: diffuse(x, 0.8), [images(1, 1, 3, 4)], order=3)


# --- the schedule ---


def test_sigma_falls_in_a_line_to_nothing():
    blur = Blur.parse("blur:2/4")
    assert [blur.at(step) for step in (1, 2, 3, 4, 5, 6, 100)] == [2, 1.5, 1, 0.5, 0, 0, 0]


@pytest.mark.parametrize(
    "spec", ["blur", "blur:2", "blur:0/5", "blur:2/0", "blur:-1/5", "blur:1.2.3/5", "blur:./2",
             "mean:2/5", "blur:2/5.5"],
)  # fmt: skip
def test_a_spec_that_does_not_fit_is_refused(spec):
    with pytest.raises(OptionError, match="blur:SIGMA/STEPS fits"):
        with_curriculum(get("dcgan"), spec)


# --- the game ---


def test_no_curriculum_is_the_recipe_itself():
    assert with_curriculum(get("dcgan"), "") is get("dcgan")
    assert with_curriculum(get("dcgan"), "blur:2/9").summary == get("dcgan").summary


def test_the_losses_see_reals_and_fakes_with_the_same_blur():
    recipe = with_curriculum(get("dcgan"), "blur:2/4")
    config = recipe.config(**TINY["dcgan"])
    dataset = data.load("digits:8")
    game = new_game(recipe, dataset.shape, config=config)
    raw = next(data.Batches(dataset, 8, seed=1))
    seen = []
    judge = game.D.forward
    vars(game.D)["forward"] = lambda x: (seen.append(x.data.copy()), judge(x))[1]
    game.step = game.streams.step = 3  # where sigma is 1
    z = Tensor(game.streams.stream("z").normal((8, 8)))
    fake = game.G(z).data  # in training mode, as in the step: by the same weights
    game.streams.step = 3
    with random.using(game.streams):
        recipe.step(game, iter([raw]))
    both = np.concatenate([raw, fake])
    np.testing.assert_allclose(seen[0], diffuse(Tensor(both), 1.0).data, atol=1e-5)
    assert "forward" not in vars(game.G)


@pytest.mark.parametrize("name", TINY)
def test_every_kind_of_recipe_trains_under_it_and_samples_stay_sharp(name):
    _, before = trained(name, 2, "")
    game, after = trained(name, 2, "blur:2/8")
    assert bits(before) != bits(after)
    assert game.metrics["blur"] == 1.75
    again = new_game(get(name), (1, 8, 8), config=game.config, resume=after[0])
    np.testing.assert_array_equal(again.sample(4), game.sample(4))  # by a recipe without blur


def test_from_its_end_on_the_game_is_the_recipes_own():
    _, state = trained("dcgan", 3, "blur:2/3")
    blurred, one = trained("dcgan", 6, "blur:2/3", state)
    plain, other = trained("dcgan", 6, "", state)
    assert bits(one) == bits(other)
    assert "blur" not in blurred.metrics
    assert blurred.metrics == plain.metrics


@pytest.mark.parametrize("name", ["dcgan", "cgan"])
def test_a_run_goes_on_bit_for_bit_in_the_middle_of_it(name):
    _, straight = trained(name, 6, "blur:1.5/5")
    _, half = trained(name, 3, "blur:1.5/5")
    _, whole = trained(name, 6, "blur:1.5/5", half)
    assert bits(straight) == bits(whole)


def test_it_goes_around_a_named_loss_and_regularisers():
    game, _ = trained("dcgan", 2, "blur:2/8", loss="hinge", reg="r1:1")
    assert {"blur", "reg_r1", "loss_d"} <= game.metrics.keys()


def test_a_run_that_is_watched_has_the_same_bits():
    recipe = with_curriculum(get("dcgan"), "blur:2/8")
    config = recipe.config(**TINY["dcgan"])
    game = new_game(recipe, (1, 8, 8), config=config)
    source = Source(data.Batches(data.load("digits:8"), 8, seed=1))
    with Watch(game) as watch:
        advance(recipe, game, source)
    assert math.isfinite(watch.report(source.before)["d_fake_before"])
    other = new_game(recipe, (1, 8, 8), config=config)
    advance(recipe, other, Source(data.Batches(data.load("digits:8"), 8, seed=1)))
    assert {k: a.tobytes() for k, a in game.state()[0].items()} == {
        k: a.tobytes() for k, a in other.state()[0].items()
    }


def test_steps_of_their_own_and_points_are_refused():
    for name in ("progan", "consensus"):
        with pytest.raises(OptionError, match=f"{name} has a step of its own"):
            with_curriculum(get(name), "blur:2/5")
    recipe = with_curriculum(get("gan"), "blur:2/5")
    with pytest.raises(OptionError, match="it blurs images, the data have"):
        new_game(recipe, (2,))
