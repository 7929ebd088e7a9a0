"""The games of StyleGAN and StyleGAN2: their losses, when penalties are due, what is state."""

import numpy as np
import pytest

from tinygan import Tensor, data, random
from tinygan.autograd import grad
from tinygan.errors import OptionError
from tinygan.gan import fit, new_game, r1, with_objective
from tinygan.gan.path_length import path_lengths
from tinygan.recipes import get
from tinygan.recipes import stylegan as one
from tinygan.recipes import stylegan2 as two

TINY = {"batch": 8, "nz": 4, "nw": 6, "mapping_layers": 2, "nf": 2, "nf_max": 4}


def games(name, steps, **changes):
    """Yield the game after each step."""
    config = get(name).config(**TINY | changes)
    batches = data.Batches(data.load("digits:8"), config.batch, seed=1)
    return fit(get(name), batches, steps=steps, config=config)


def played(name, steps, **changes):
    *_, game = games(name, steps, **changes)
    return game


def test_stylegan_has_the_logistic_losses_and_half_of_gamma_r1():
    game = new_game(get("stylegan"), (1, 8, 8), config=one.Config(**TINY, gamma_r1=3.0))
    x, z = Tensor(data.load("digits:8").take(np.arange(8))), game.latent(8)
    with random.using(random.Streams(5)):
        loss = float(one.d_loss(game, x, z))
    fake = game.fake(z)
    real_logit, fake_logit = game.D(x).data, game.D(fake).data
    logistic = np.log1p(np.exp(-real_logit)).mean() + np.log1p(np.exp(fake_logit)).mean()
    penalty = float(r1(game.D, x, gamma_r1=3.0))
    assert loss == pytest.approx(logistic + penalty, rel=1e-4)
    assert game.metrics["penalty"] == pytest.approx(penalty, rel=1e-4)
    expected = np.log1p(np.exp(-fake_logit)).mean()
    assert float(one.g_loss(game, z)) == pytest.approx(expected, rel=1e-4)


def test_without_gamma_there_is_no_penalty():
    game = played("stylegan", 1, gamma_r1=0.0)
    assert "penalty" not in game.metrics
    free = played("stylegan2", 3, gamma_r1=0.0, pl=0.0)
    assert (free.opt_d.step_count, free.opt_g.step_count) == (3, 3)
    assert (free.opt_d.lr, free.opt_g.lr) == (2e-3, 2e-3)
    assert free.extra["path_length"].pl_mean == 0.0


def test_stylegan_takes_other_losses_and_stylegan2_refuses_them():
    changed = with_objective(get("stylegan"), loss="hinge", reg="r1:1/4")
    game = new_game(changed, (1, 8, 8), config=one.Config(**TINY))
    assert changed.loss == "hinge"
    assert game.D is not None
    with pytest.raises(OptionError, match="stylegan2 has a step of its own"):
        with_objective(get("stylegan2"), loss="hinge")


def test_path_lengths_are_due_at_every_4th_step_and_r1_at_every_16th():
    lengths, moves, seen = [], [], (0, 0)
    for game in games("stylegan2", 18):
        lengths.append("path_length" in game.metrics)
        now = (game.opt_d.step_count, game.opt_g.step_count)
        moves.append((now[0] - seen[0], now[1] - seen[1]))
        seen = now
    assert [k for k, due in enumerate(lengths) if due] == [0, 4, 8, 12, 16]
    assert [k for k, move in enumerate(moves) if move[0] == 2] == [0, 16]
    assert [k for k, move in enumerate(moves) if move[1] == 2] == [0, 4, 8, 12, 16]


def test_adam_s_constants_are_those_of_lazy_penalties():
    game = new_game(get("stylegan2"), (1, 8, 8), config=two.Config(**TINY))
    assert game.opt_d.lr == pytest.approx(2e-3 * 16 / 17)
    assert game.opt_g.lr == pytest.approx(2e-3 * 4 / 5)
    assert game.opt_d.betas == pytest.approx((0.0, 0.99 ** (16 / 17)))
    assert game.opt_g.betas == pytest.approx((0.0, 0.99 ** (4 / 5)))
    eager = two.Config(**TINY, r1_interval=1, pl_interval=1)
    game = new_game(get("stylegan2"), (1, 8, 8), config=eager)
    assert (game.opt_d.lr, game.opt_g.betas) == (2e-3, (0.0, 0.99))


def test_the_path_penalty_is_lambda_times_the_spread_of_half_a_batch():
    config = two.Config(**TINY, pl=3.0, mixing=0.0)
    game = new_game(get("stylegan2"), (1, 8, 8), config=config)
    with random.using(game.streams):
        found = float(two.path_penalty(game, 8, (1, 8, 8)))
        game.streams.step = 0  # its numbers again
        z = Tensor(game.streams.stream("z").normal((4, 4)))
        noise = game.streams.stream("path_length").normal((4, 1, 8, 8))
        lengths = path_lengths(game.G.synthesis, game.G.styles(z), noise=noise).data
    mean = 0.01 * lengths.mean()
    assert game.extra["path_length"].pl_mean == pytest.approx(mean, rel=1e-4)
    assert found == pytest.approx(3.0 * ((lengths - mean) ** 2).mean(), rel=1e-4)
    assert game.metrics["path_length"] == pytest.approx(lengths.mean(), rel=1e-4)


@pytest.mark.parametrize("name", ["stylegan", "stylegan2"])
def test_the_running_means_are_state_and_samples_survive_a_restart(name):
    game = played(name, 5)
    tensors, scalars = game.state()
    assert {"G.w_avg", "ema.w_avg"} <= tensors.keys()
    assert tensors["G.w_avg"].any()
    np.testing.assert_array_equal(tensors["G.w_avg"], tensors["ema.w_avg"])
    if name == "stylegan2":
        assert scalars["path_length.pl_mean"] > 0
    again = new_game(get(name), (1, 8, 8), config=game.config, resume=(tensors, scalars))
    np.testing.assert_array_equal(again.sample(4), game.sample(4))
    np.testing.assert_array_equal(game.sample(4), game.sample(4))


def test_the_mapping_learns_a_hundred_times_slower():
    first, game = played("stylegan", 1), played("stylegan", 2)
    layer, rgb = game.G.mapping.main[1], game.G.to_rgb
    assert layer.lr_multiplier == 0.01
    assert layer.weight.data.std() > 30 * rgb.weight.data.std()
    # Adam moves a number by lr / sqrt(1 - beta2) a step at most, however it is scaled in use
    moved = np.abs(layer.weight.data - first.G.mapping.main[1].weight.data).max()
    assert 0 < moved <= 1e-2


@pytest.mark.parametrize("name", ["stylegan", "stylegan2"])
def test_the_paper_s_settings_make_its_networks(name):
    config = get(name).presets["paper"]
    assert (config.nz, config.nw, config.nf_max, config.mapping_layers) == (512, 512, 512, 8)
    assert (config.gamma_r1, config.mixing, config.beta2) == (10.0, 0.9, 0.99)
    game = new_game(get(name), (3, 32, 32), config=config)  # 1024 pixels: see the networks' tests
    assert game.G.widths == {"stylegan": [128, 64, 32, 16], "stylegan2": [256, 128, 64, 32]}[name]
    with random.using(random.Streams(0)):
        image = game.G.eval()(game.latent(1))
    assert image.shape == (1, 3, 32, 32)
    assert game.D(image).shape == (1,)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("stylegan", {"batch": 6}),
        ("stylegan", {"gamma_r1": -1.0}),
        ("stylegan2", {"batch": 6}),
        ("stylegan2", {"pl": -1.0}),
        ("stylegan2", {"pl_interval": 0}),
        ("stylegan2", {"r1_interval": 0}),
        ("stylegan2", {"pl_shrink": 0}),
    ],
)
def test_settings_that_do_not_fit_are_refused(name, changes):
    with pytest.raises(OptionError, match=rf"{name}: .* fit"):
        new_game(get(name), (1, 16, 16), config=get(name).config(**TINY | changes))


def test_a_step_of_stylegan2_is_its_two_losses_in_order():
    # without penalties, mixing and noise a step is two Adam steps that can be taken by hand
    changes = {"gamma_r1": 0.0, "pl": 0.0, "mixing": 0.0}
    game = played("stylegan2", 1, **changes)
    by_hand = new_game(get("stylegan2"), (1, 8, 8), config=two.Config(**TINY | changes))
    batches = data.Batches(data.load("digits:8"), 8, seed=1)
    by_hand.streams.step = 1
    with random.using(by_hand.streams):
        loss_d = two.d_loss(by_hand, Tensor(next(iter(batches))))
        by_hand.opt_d.step(grad(loss_d, by_hand.opt_d.params))
        by_hand.opt_g.step(grad(two.g_loss(by_hand, 8), by_hand.opt_g.params))
    for player in ("G", "D"):
        mine, theirs = (g.parts()[player].state_dict() for g in (game, by_hand))
        for key, value in mine.items():
            np.testing.assert_allclose(value, theirs[key], atol=1e-6, err_msg=key)
