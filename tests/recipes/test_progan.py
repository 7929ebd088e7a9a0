"""ProGAN's game: its schedule, which layers move when, and what the losses are made of."""

import numpy as np
import pytest

from tinygan import Tensor, data
from tinygan.errors import OptionError
from tinygan.gan import fit, gradient_penalty, new_game, with_objective
from tinygan.recipes import get
from tinygan.recipes.progan import d_loss, g_loss, growth_at

RECIPE = get("progan")
TINY = {"batch": 8, "nz": 4, "nf": 2, "stage_kimg": 0.016, "fade_kimg": 0.032}


def games(steps, on="digits:16", **changes):
    """Yield the game after each step."""
    config = RECIPE.config(**TINY | changes)
    batches = data.Batches(data.load(on), config.batch, seed=1)
    return fit(RECIPE, batches, steps=steps, config=config)


@pytest.mark.parametrize(
    ("kimg", "growth"),
    [(0, 0), (1, 0), (2, 0), (3, 0.25), (4, 0.5), (6, 1), (7.5, 1), (8, 1), (9, 1.25), (12, 2),
     (99, 2)],
)  # fmt: skip
def test_growth_stays_for_a_stage_and_rises_while_a_block_fades_in(kimg, growth):
    assert growth_at(kimg, 2, RECIPE.config(stage_kimg=2, fade_kimg=4)) == growth


def test_growth_without_fading_jumps_and_without_growing_is_whole():
    jump = RECIPE.config(stage_kimg=2, fade_kimg=0)
    assert [growth_at(k, 2, jump) for k in (0, 1.9, 2, 3.9, 4)] == [0, 0, 1, 1, 2]
    assert growth_at(0.0, 3, RECIPE.config(stage_kimg=0, fade_kimg=0)) == 3
    assert growth_at(0.0, 3, RECIPE.config(grow=False)) == 3


def test_the_growth_of_a_step_is_that_of_the_images_before_it():
    seen = [game.metrics["growth"] for game in games(14)]
    expected = [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1.25, 1.5, 1.75, 2, 2]
    assert seen == pytest.approx(expected)


def test_layers_stay_as_they_are_until_their_stage_comes():
    at = {}
    for game in games(5):
        assert game.ema is not None
        at[game.step] = {
            **{f"G.{k}": a for k, a in game.G.state_dict().items()},
            **{f"D.{k}": a for k, a in game.D.state_dict().items()},
            **{f"ema.{k}": a for k, a in game.ema.state_dict().items()},
        }
    moved = {k for k in at[1] if (at[3][k] != at[1][k]).any()}
    assert all(".0." in k.partition("blocks")[2] or "rgb.0." in k for k in moved)
    assert {k.partition(".")[0] for k in moved} == {"G", "D", "ema"}
    moved = {k for k in at[1] if (at[5][k] != at[3][k]).any()}
    assert {"G.rgb.1.weight", "D.rgb.1.0.weight", "ema.rgb.1.weight"} <= moved
    untouched = {k for k in at[5] if "blocks.2." in k or "rgb.2." in k}
    assert untouched
    assert not moved & untouched
    for k in untouched:  # and the average of what never moved is that
        if k.startswith("ema."):
            np.testing.assert_array_equal(at[5][k], at[5][k.replace("ema.", "G.")])


def test_both_optimizers_begin_anew_when_a_block_is_added_and_go_on_in_between():
    seen = []
    for game in games(11):  # growth rises above 0 at step 4, and above 1 at step 10
        assert set(game.opt_g.steps) == set(game.opt_d.steps)
        seen.append(game.opt_g.steps[0])
    assert seen == [1, 2, 3, 1, 2, 3, 4, 5, 6, 1, 2]
    assert game.opt_g.step_count == 11


def test_losses_are_wasserstein_with_penalty_and_drift_at_the_side_of_the_stage():
    config = RECIPE.config(**TINY | {"lambda_gp": 3.0, "drift": 0.5})
    game = new_game(RECIPE, (1, 16, 16), config=config)
    game.G.grow(1)
    game.D.grow(1)
    x = data.load("digits:16").take(np.arange(8))
    z = game.latent(8)
    loss = float(d_loss(game, Tensor(x), z))
    real = Tensor(x.reshape(8, 1, 8, 2, 8, 2).mean((3, 5)))
    fake = Tensor(game.G(z).data[:, :, ::2, ::2])  # whose pixels are repeated
    judged, faked = game.D(real).data, game.D(fake).data
    by_hand = faked.mean() - judged.mean() + 0.5 * (judged**2).mean()
    assert float(g_loss(game, z)) == pytest.approx(-faked.mean(), rel=1e-4)
    game.streams.step = 0  # its numbers again
    alpha = game.streams.stream("alpha").uniform(8)
    penalty = float(gradient_penalty(game.D, real, fake, alpha=alpha))
    assert game.metrics["penalty"] == pytest.approx(penalty, rel=1e-4)
    assert loss == pytest.approx(by_hand + 3.0 * penalty, rel=1e-4)
    assert game.metrics["w_distance"] == pytest.approx(judged.mean() - faked.mean(), rel=1e-4)


def test_samples_in_the_middle_of_growth_are_the_same_after_a_restart():
    *_, game = games(5)
    again = new_game(RECIPE, (1, 16, 16), config=game.config, resume=game.state())
    np.testing.assert_array_equal(again.sample(4), game.sample(4))
    blocks = game.sample(4).reshape(4, 8, 2, 8, 2)
    assert (blocks == blocks[:, :, :1, :, :1]).all()  # 8 pixels, each repeated


@pytest.mark.parametrize("changes", [{"batch": 6}, {"stage_kimg": -1}, {"fade_kimg": -0.5}])
def test_settings_that_do_not_fit_are_refused(changes):
    with pytest.raises(OptionError, match=r"progan: .*fit"):
        new_game(RECIPE, (1, 16, 16), config=RECIPE.config(**TINY | changes))


def test_points_and_other_losses_are_refused():
    with pytest.raises(OptionError, match="ProGAN makes square images"):
        new_game(RECIPE, (2,))
    with pytest.raises(OptionError, match="progan has a step of its own"):
        with_objective(RECIPE, loss="hinge")
