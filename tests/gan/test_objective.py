"""Recipes under other losses and with regularisers: the same game, whatever the words for it."""

from dataclasses import replace

import numpy as np
import pytest

from tinygan import data, nn
from tinygan.errors import OptionError
from tinygan.gan import (
    LOSSES,
    REGULARISERS,
    fit,
    new_game,
    objective_warnings,
    with_objective,
)
from tinygan.recipes import get

TINY = {
    "dcgan": {"batch": 8, "ngf": 4, "ndf": 4, "nz": 8},
    "wgan_gp": {"batch": 6, "ngf": 4, "ndf": 4, "nz": 8, "n_critic": 2},
    "gan": {"batch": 8, "hidden_g": 8, "hidden_d": 6, "nz": 4},
}


def trained(name, steps=3, state=None, *, changes=None, **objective):
    recipe = with_objective(get(name), **objective)
    config = recipe.config(**TINY[name] | (changes or {}))
    batches = data.Batches(data.load("digits:8"), config.batch, seed=1)
    if state is not None:
        batches.restore(state["batches"])
    resume = None if state is None else state["game"]
    for game in fit(recipe, batches, steps=steps, config=config, resume=resume):  # noqa: B007
        pass
    return game, {"batches": batches.state(), "game": game.state()}


def bits(state):
    return {name: x.tobytes() for name, x in state["game"][0].items()}, state["game"][1]


def test_the_loss_of_dcgan_by_its_name_gives_the_bits_of_dcgan():
    _, own = trained("dcgan")
    _, named = trained("dcgan", loss="nonsaturating")
    assert bits(own) == bits(named)


def test_noise_and_smoothing_by_name_give_the_bits_of_dcgans_own():
    _, own = trained("dcgan", changes={"noise": 0.2, "smooth": 0.1})
    _, named = trained("dcgan", loss="nonsaturating", reg="noise:0.2,smooth:0.1")
    assert bits(own) == bits(named)


def test_wgan_gp_put_together_from_its_parts_is_wgan_gp():
    own, _ = trained("wgan_gp")
    named, _ = trained("wgan_gp", loss="wasserstein", reg="gp:10")
    assert named.opt_d.step_count == 6
    assert named.metrics["reg_gp"] == pytest.approx(10 * own.metrics["penalty"], rel=1e-4)
    for p, q in zip(own.opt_d.params, named.opt_d.params, strict=True):
        # reals and fakes in one pass in place of two: sums round apart, and Adam's first steps
        # divide a small gradient by its own size
        np.testing.assert_allclose(p.data, q.data, atol=1e-5)


def test_a_penalty_is_added_to_a_recipes_own_losses():
    plain, _ = trained("gan", steps=1)
    penalised, _ = trained("gan", steps=1, reg="r1:4")
    penalty = penalised.metrics["reg_r1"]
    assert penalty > 0
    assert penalised.metrics["loss_d"] == pytest.approx(plain.metrics["loss_d"] + penalty)


def test_regularisers_come_on_top_of_a_loss_that_was_chosen_before():
    together, both = trained("wgan_gp", loss="relativistic", reg="r1:2")
    chosen = with_objective(get("wgan_gp"), loss="relativistic")
    later = with_objective(chosen, reg="r1:2")
    config = later.config(**TINY["wgan_gp"])
    batches = data.Batches(data.load("digits:8"), config.batch, seed=1)
    for game in fit(later, batches, steps=3, config=config):  # noqa: B007
        pass
    assert game.metrics == together.metrics
    assert bits({"game": game.state()}) == bits(both)


def test_nothing_asked_for_is_the_recipe_itself():
    assert with_objective(get("dcgan")) is get("dcgan")
    assert with_objective(get("dcgan"), loss="hinge").summary == get("dcgan").summary


REGS = ("", "r1:1/2,lecam", "gp,clip", "r2,dragan,noise", "sn,ortho,grad_norm,decay", "adv,dropout")


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_trains_dcgan_under_every_regulariser(loss):
    tried = {part.split(":")[0] for reg in REGS for part in reg.split(",") if part}
    assert tried == set(REGULARISERS) - {"smooth"}  # which has a test of its own
    for reg in REGS:
        game, state = trained("dcgan", loss=loss, reg=reg)
        assert all(np.isfinite(x).all() for x in state["game"][0].values()), reg
        assert {"loss_d", "loss_g", "d_real", "d_fake"} <= game.metrics.keys()


@pytest.mark.parametrize("loss", ["relativistic", "cramer"])
def test_a_loss_of_g_that_sees_reals_takes_those_of_the_last_d_step(loss):
    game, _ = trained("wgan_gp", steps=2, loss=loss, reg="gp")
    assert np.isfinite(game.metrics["loss_g"])


def test_a_run_goes_on_bit_for_bit_with_lecams_averages_and_lazy_r1():
    objective = {"loss": "hinge", "reg": "r1:10/3,lecam:0.3,noise:0.1,ortho/2"}
    _, straight = trained("dcgan", steps=7, **objective)
    _, half = trained("dcgan", steps=4, **objective)
    assert {"lecam.real", "lecam.fake"} <= half["game"][1].keys()
    _, whole = trained("dcgan", steps=7, state=half, **objective)
    assert bits(straight) == bits(whole)
    half["game"][1]["lecam.fake"] += 0.5  # the averages do steer the run
    _, other = trained("dcgan", steps=7, state=half, **objective)
    assert bits(straight) != bits(other)


# --- bad input ---


def test_misfits_are_named_in_one_line():
    cases = [
        ("unrolled", {"loss": "hinge"}, "unrolled has a step of its own"),
        ("consensus", {"reg": "r1"}, "consensus has a step of its own"),
        ("dcgan", {"reg": "lecam"}, "--reg lecam acts inside the loss.*--loss nonsaturating"),
        ("dcgan", {"reg": "noise:0.1"}, "--reg noise acts inside the loss"),
        ("dcgan", {"loss": "hinge", "reg": "smooth"}, "the loss hinge has no target"),
        ("dcgan", {"loss": "ebgan"}, "autoencoder"),
    ]
    for name, objective, line in cases:
        with pytest.raises(OptionError, match=line):
            with_objective(get(name), **objective)
    ebgan = replace(get("dcgan"), name="ebgan")
    with pytest.raises(OptionError, match="error of an autoencoder, low for reals"):
        with_objective(ebgan, loss="hinge")


def with_d(D):
    recipe = get("gan")

    def setup(config, data_shape):
        game = recipe.setup(config, data_shape)
        game.D = D
        return game

    return new_game(with_objective(replace(recipe, setup=setup), loss="w"), (3,))


class Outputs(nn.Module):
    """D: whatever it is told to return."""

    def __init__(self, fn, *layers):
        self.fn = fn
        self.layers = list(layers)

    def forward(self, x):
        return self.fn(x)


@pytest.mark.parametrize(
    ("D", "line"),
    [
        (Outputs(lambda x: x), r"D of two samples is \(2, 3\); logits of shape \(2,\) fit"),
        (Outputs(lambda x: (x, x)), "D of two samples is tuple"),
        (Outputs(lambda x, y: x), "does not judge samples one by one"),
        (Outputs(lambda x: x.reshape(5, 2)), "does not judge samples one by one"),
        (nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), "ends in a sigmoid"),
    ],
)
def test_a_d_without_logits_is_refused(D, line, monkeypatch):
    monkeypatch.setitem(LOSSES, "w", LOSSES["wasserstein"])
    with pytest.raises(OptionError, match=line):
        with_d(D)


def warnings_of(name, **objective):
    recipe = with_objective(get(name), **objective)
    game = new_game(recipe, (1, 16, 16), config=recipe.config(**TINY[name]))
    return objective_warnings(recipe, game, **objective)


def test_batch_norm_under_a_gradient_penalty_is_warned_of_with_its_reason():
    (line,) = warnings_of("dcgan", loss="hinge", reg="r1:10/16,noise")
    assert "warning: dcgan's D has batch norm" in line
    assert "depends on the whole batch" in line
    assert warnings_of("wgan_gp", reg="r1") == []
    assert warnings_of("dcgan", loss="hinge", reg="noise,lecam") == []


def test_dropout_on_top_of_dropout_is_warned_of():
    (line,) = warnings_of("gan", reg="dropout:0.2")
    assert line == "warning: gan's D has dropout of its own: --reg dropout is on top"
    assert warnings_of("dcgan", reg="dropout:0.2") == []


def test_an_unbounded_critic_and_a_replaced_penalty_are_warned_of():
    lines = warnings_of("wgan_gp", loss="wasserstein")
    assert len(lines) == 2
    assert "nothing bounds D's slope: add --reg gp" in lines[0]
    assert "wgan_gp's lambda_gp=10.0 belongs to its own loss" in lines[1]
    assert warnings_of("wgan_gp", loss="wasserstein", reg="gp:5") == []
    assert warnings_of("dcgan", loss="cramer", reg="sn") == []
    assert len(warnings_of("dcgan", loss="cramer")) == 1
