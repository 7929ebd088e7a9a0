"""Procedures around a step: who moves, what D judges, and bits that stay when a run goes on."""

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest

from tinygan import data, nn, optim
from tinygan.errors import OptionError
from tinygan.gan import (
    Game,
    Recipe,
    alternating,
    fit,
    new_game,
    procedure_warnings,
    with_objective,
    with_procedures,
)
from tinygan.recipes import get

TINY = {
    "dcgan": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 8},
    "gan": {"batch": 8, "hidden_g": 8, "hidden_d": 6, "nz": 4},
    "sngan": {
        "arch": "dcgan",
        "batch": 8,
        "ngf": 4,
        "ndf": 4,
        "nz": 4,
        "g_batch": 12,
        "n_critic": 2,
    },
    "feature_matching": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 4},
    "cgan": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 4, "num_classes": 10},
    "acgan": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 4, "num_classes": 10},
    "wgan": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 4, "n_critic": 1, "n_critic_burst": 2},
    "unrolled": {"batch": 8, "nz": 4, "unrolling": 2},
}


def trained(name, steps=3, state=None, *, loss="", reg="", **procedures):
    recipe = with_procedures(with_objective(get(name), loss=loss, reg=reg), **procedures)
    config = recipe.config(**TINY[name])
    batches = data.Batches(data.load("digits:8"), config.batch, seed=1)
    if state is not None:
        batches.restore(state["batches"])
    resume = None if state is None else state["game"]
    source = batches.with_labels() if recipe.labelled else batches
    for game in fit(recipe, source, steps=steps, config=config, resume=resume):  # noqa: B007
        pass
    return game, {"batches": batches.state(), "game": game.state()}


def bits(state):
    return {name: x.tobytes() for name, x in state["game"][0].items()}, state["game"][1]


def test_nothing_asked_for_is_the_recipe_itself():
    assert with_procedures(get("dcgan")) is get("dcgan")
    assert with_procedures(get("dcgan"), pool=3).summary == get("dcgan").summary


# --- TTUR ---


def test_ttur_sets_ds_rate_to_a_multiple_of_gs_under_a_schedule_too():
    recipe = with_procedures(get("sngan"), ttur=4)
    batches = data.Batches(data.load("digits:8"), 8, seed=1)
    config = recipe.config(**TINY["sngan"], lr=1e-3, decay_steps=10)
    rates = [
        (game.opt_g.lr, game.opt_d.lr) for game in fit(recipe, batches, steps=3, config=config)
    ]
    np.testing.assert_allclose(rates, [[s * 1e-3, s * 4e-3] for s in (1.0, 0.9, 0.8)])


def test_ttur_fits_a_step_of_its_own():
    game, _ = trained("unrolled", ttur=0.5)
    assert game.opt_d.lr == 0.5 * game.opt_g.lr


# --- a game whose D writes down what it judges ---


class Point(nn.Module):
    """G: a learned point, whatever z is."""

    def __init__(self):
        self.point = nn.Parameter(np.zeros((1, 2), np.float32))

    def forward(self, z):
        return z[:, :2] * 0.0 + self.point


class Scribe(nn.Linear):
    """D: linear, with a list of what it judged in training mode."""

    def forward(self, x):
        if self.training:
            vars(self).setdefault("judged", []).append(x.numpy())
        return super().forward(x).reshape(-1)


def setup(config, data_shape):
    G, D = Point(), Scribe(2, 1)
    return Game(G, D, optim.SGD(G.parameters(), 1.0), optim.SGD(D.parameters(), 1e-3), 2)


def d_loss(game, real, z):
    return game.D(game.fake(z).detach()).mean()


def g_loss(game, z):
    return game.G(z).sum()  # moves its point by -1 times the batch


@dataclass(frozen=True)
class Config:
    batch: int = 4


@pytest.mark.parametrize("share_z", [False, True])
def test_d_judges_a_mixture_of_old_fakes_and_g_descends_on_its_own_new_ones(share_z):
    recipe = Recipe("plain", "none", setup, alternating(d_loss, g_loss, share_z=share_z), Config)
    batches = itertools.repeat(np.zeros((4, 2), np.float32))
    for game in fit(with_procedures(recipe, pool=6), batches, steps=40):  # noqa: B007
        pass
    ages = [-(x[:, 0] / 4) for x in game.D.judged]  # steps at which G made them, from 0 on
    assert len(ages) == 40
    np.testing.assert_array_equal(ages[0], 0)  # the pool is empty: new ones alone
    old = np.concatenate([step - made for step, made in enumerate(ages)][2:])
    assert (old >= 0).all()
    assert 0.3 < (old > 0).mean() < 0.7  # p = 1/2
    np.testing.assert_array_equal(game.G.point.data, -160)  # the pool never stands for G's own


def test_without_a_pool_d_judges_new_fakes_alone():
    recipe = Recipe("plain", "none", setup, alternating(d_loss, g_loss), Config)
    batches = itertools.repeat(np.zeros((4, 2), np.float32))
    for game in fit(recipe, batches, steps=5):  # noqa: B007
        pass
    assert [x[0, 0] for x in game.D.judged] == [0, -4, -8, -12, -16]


def test_g_stands_still_while_d_gets_its_head_start():
    recipe = with_procedures(get("gan"), pretrain_d=3)
    batches = data.Batches(data.load("digits:8"), 8, seed=1)
    config = recipe.config(**TINY["gan"])
    seen = []
    for game in fit(recipe, batches, steps=5, config=config):
        seen.append((game.opt_g.step_count, game.opt_d.step_count, "pretraining" in game.metrics))
    assert seen == [(0, 1, True), (0, 2, True), (0, 3, True), (1, 4, False), (2, 5, False)]
    start = new_game(recipe, (1, 8, 8), config=config)
    held = trained("gan", steps=3, pretrain_d=3)[0]
    for p, q in zip(start.opt_g.params, held.opt_g.params, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


# --- augmentation, and all together ---


@pytest.mark.parametrize("name", [name for name in TINY if name != "unrolled"])
def test_diff_augment_changes_the_training_of_every_image_recipe(name):
    _, plain = trained(name)
    game, augmented = trained(name, augment="diff")
    assert bits(plain) != bits(augmented)
    assert list(plain["game"][0]) == list(augmented["game"][0])  # no other names in a checkpoint
    assert all(math.isfinite(x) for x in game.metrics.values())


@pytest.mark.parametrize("name", ["dcgan", "sngan", "feature_matching", "cgan", "acgan"])
def test_ada_reports_its_p_and_adjusts_it_at_every_fourth_step(name):
    recipe = with_procedures(get(name), augment="ada:-0.99/0.5")  # a target that is passed
    config = recipe.config(**TINY[name])
    batches = data.Batches(data.load("digits:8"), config.batch, seed=1)
    source = batches.with_labels() if recipe.labelled else batches
    rows = [dict(game.metrics) for game in fit(recipe, source, steps=9, config=config)]
    assert [i for i, row in enumerate(rows, 1) if "ada_r" in row] == [4, 8]
    rise = 4 * config.batch * getattr(config, "n_critic", 1) / 500
    assert all(row["ada_r"] > -0.99 for row in rows if "ada_r" in row)
    expected = [0] * 3 + [rise] * 4 + [2 * rise] * 2
    np.testing.assert_allclose([row["ada_p"] for row in rows], expected)


def test_a_run_goes_on_bit_for_bit_with_its_pool_and_its_adapted_augmentation():
    chosen = {"pool": 12, "ttur": 2, "pretrain_d": 2, "augment": "ada:-0.99/0.2,flip"}
    chosen |= {"loss": "hinge", "reg": "r1:1,adv:0.05,dropout:0.2"}
    _, straight = trained("dcgan", steps=10, **chosen)
    _, half = trained("dcgan", steps=6, **chosen)  # between two changes of p
    assert half["game"][1]["ada.p"] > 0
    assert half["game"][1]["ada.images"] == 16
    assert half["game"][0]["pool.images"].shape == (12, 1, 8, 8)
    _, whole = trained("dcgan", steps=10, state=half, **chosen)
    assert bits(straight) == bits(whole)
    half["game"][0]["pool.images"] += 0.5  # the pool does steer the run
    _, other = trained("dcgan", steps=10, state=half, **chosen)
    assert bits(straight) != bits(other)


# --- bad input ---


def test_misfits_are_named_in_one_line():
    cases = [
        ("wgan", {"pool": 5}, "wgan has a step of its own: --pool fits recipes that alternate"),
        ("cgan", {"pool": 5}, "cgan has a step of its own"),
        ("unrolled", {"pretrain_d": 5}, "--pretrain-d fits recipes that alternate"),
        ("dcgan", {"ttur": -1}, "--ttur -1: D's learning rate over G's, above 0, fits"),
        ("dcgan", {"ttur": float("inf")}, "--ttur inf"),
        ("dcgan", {"pool": -1}, "numbers from 0 up fit"),
        ("infogan", {"pool": 5}, "infogan: --pool does not suit it: D guesses the codes"),
        ("vae_gan", {"augment": "diff"}, "vae_gan: --augment does not suit it: D's features"),
        ("semi_supervised", {"augment": "diff"}, "semi_supervised: --augment does not suit it"),
        ("ebgan", {"augment": "diff"}, "its D is an autoencoder"),
        ("wgan_gp", {"augment": "ada"}, "nothing under the loss Wasserstein: diff fits"),
        ("lsgan", {"augment": "ada"}, "nothing under the loss least squares"),
    ]
    for name, procedures, line in cases:
        with pytest.raises(OptionError, match=line):
            with_procedures(get(name), **procedures)
    chosen = with_objective(get("dcgan"), loss="wasserstein")
    with pytest.raises(OptionError, match="nothing under the loss wasserstein"):
        with_procedures(chosen, augment="ada")
    with_procedures(with_objective(get("wgan_gp"), loss="hinge"), augment="ada")


@pytest.mark.parametrize(
    ("name", "shape", "procedures", "line"),
    [
        ("gan", (2,), {"augment": "diff"}, r"it takes images, and these are of shape \(2,\)"),
        ("pacgan", (1, 8, 8), {"augment": "diff"}, "does not judge samples one by one"),
        ("veegan", (2,), {"pool": 4}, "does not judge samples one by one"),
    ],
)
def test_data_that_do_not_fit_are_refused_when_a_game_is_set_up(name, shape, procedures, line):
    with pytest.raises(OptionError, match=line):
        new_game(with_procedures(get(name), **procedures), shape)


def test_a_head_start_under_the_saturating_loss_is_warned_of():
    minimax = with_objective(get("gan"), loss="minimax")
    (line,) = procedure_warnings(minimax, pretrain_d=5)
    assert "no slope left for G" in line
    assert procedure_warnings(minimax) == []
    assert procedure_warnings(get("gan"), pretrain_d=5) == []


def test_a_pool_and_a_curriculum_go_together():
    game, _ = trained("dcgan", pool=4, curriculum="blur:1/2")
    assert "forward" not in vars(game.G)
