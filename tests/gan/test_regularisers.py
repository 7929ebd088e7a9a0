"""Regularisers against closed forms: linear players, weights by hand."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from tinygan import nn, optim, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import OptionError, StateError
from tinygan.gan import (
    REGULARISERS,
    Game,
    LeCam,
    Recipe,
    Regulariser,
    adversarial,
    alternating,
    fit,
    orthogonal,
    parse_regularisers,
    with_objective,
)

REAL = np.array([[1.0, 2.0], [-1.0, 0.5], [0.0, 3.0], [2.0, -2.0]], np.float32)
W = np.array([[0.6, -0.8]], np.float32) * 3  # of length 3
LR = 0.125


class Fixed(nn.Module):
    """G: a learned point, whatever z is."""

    def __init__(self):
        self.point = nn.Parameter(np.array([[0.5, -0.25]], np.float32))

    def forward(self, z):
        return z[:, :2] * 0.0 + self.point


def setup(config, data_shape):
    G, D = Fixed(), nn.Linear(2, 1)
    D.weight.assign_(W.copy())
    D.bias.assign_(np.zeros(1, np.float32))
    return Game(G, D, optim.SGD(G.parameters(), LR), optim.SGD(D.parameters(), LR), 3)


def zero(game, *args):
    """A loss that pulls at nobody, so that a step shows the regulariser alone."""
    return (game.D.weight.sum() + game.D.bias.sum() + game.G.point.sum()) * 0.0


@dataclass(frozen=True)
class Config:
    batch: int = 4


RECIPE = Recipe("still", "none", setup, alternating(zero, zero), Config)


def after(reg, steps=1, loss="", recipe=RECIPE):
    batches = itertools.repeat(REAL)
    for game in fit(with_objective(recipe, loss=loss, reg=reg), batches, steps=steps):  # noqa: B007
        pass
    return game


def weight(reg, **kwargs):
    return after(reg, **kwargs).D.weight.data


# --- penalties of a linear D: its slope is W everywhere ---


@pytest.mark.parametrize("reg", ["r1:2", "r2:2"])
def test_r1_and_r2_of_a_linear_d_pull_its_weight_by_gamma(reg):
    game = after(reg)  # gamma / 2 |W|^2, of slope gamma W
    np.testing.assert_allclose(game.D.weight.data, W - LR * 2 * W, rtol=1e-6)
    assert game.metrics[f"reg_{reg[:2]}"] == pytest.approx(9.0)


@pytest.mark.parametrize("reg", ["gp:0.5", "dragan:0.5"])
def test_one_centred_penalties_of_a_linear_d_pull_its_weight_towards_length_one(reg):
    game = after(reg)  # lambda (|W| - 1)^2, of slope 2 lambda (|W| - 1) W / |W|
    np.testing.assert_allclose(game.D.weight.data, W - LR * 2 * 0.5 * 2 * W / 3, rtol=1e-6)
    assert game.metrics[f"reg_{reg.split(':')[0]}"] == pytest.approx(0.5 * 4.0)


def test_lazy_penalty_acts_at_every_nth_step_n_times_as_strong():
    w = W.astype(float)
    for step in range(5):
        w = w - (LR * 3 * 0.1 * w if step % 3 == 0 else 0)
        np.testing.assert_allclose(weight("r1:0.1/3", steps=step + 1), w, rtol=1e-5)


def test_penalties_add_up():
    pull = LR * (0.2 * W + 0.3 * W)
    np.testing.assert_allclose(weight("r1:0.2,r2:0.3"), W - pull, rtol=1e-6)


# --- what acts on gradients and weights ---


def steep(game, *args):
    """A loss of slope 3 in each weight of D and 4 in its bias, and of slope 2 in G's point."""
    return game.D.weight.sum() * 3.0 + game.D.bias.sum() * 4.0 + game.G.point.sum() * 2.0


STEEP = Recipe("steep", "none", setup, alternating(steep, steep), Config)


def test_gradients_of_a_player_are_clipped_by_their_common_norm():
    game = after("grad_norm:1", recipe=STEEP)
    norm = np.sqrt(3**2 + 3**2 + 4**2)
    np.testing.assert_allclose(game.D.weight.data, W - LR * 3 / norm, rtol=1e-5)
    np.testing.assert_allclose(game.D.bias.data, -LR * 4 / norm, rtol=1e-5)
    np.testing.assert_allclose(game.G.point.data, [[0.5, -0.25]] - LR * np.sqrt(0.5), rtol=1e-5)
    free, bound = after("", recipe=STEEP), after("grad_norm:100", recipe=STEEP)
    np.testing.assert_array_equal(free.D.weight.data, bound.D.weight.data)


def test_weight_decay_pulls_both_players_to_zero():
    game = after("decay:0.5")
    np.testing.assert_allclose(game.D.weight.data, W * (1 - LR * 0.5), rtol=1e-6)
    np.testing.assert_allclose(game.G.point.data, np.array([[0.5, -0.25]]) * (1 - LR * 0.5))


def test_gradient_regularisers_act_in_the_order_given():
    decayed = 3 + 0.5 * W
    then = np.sqrt((decayed**2).sum() + 4**2)
    np.testing.assert_allclose(
        weight("decay:0.5,grad_norm:1", recipe=STEEP), W - LR * decayed / then, rtol=1e-5
    )
    clipped = 3 / np.sqrt(34) + 0.5 * W
    np.testing.assert_allclose(
        weight("grad_norm:1,decay:0.5", recipe=STEEP), W - LR * clipped, rtol=1e-5
    )


def test_weights_of_d_are_clipped_after_its_step_and_those_of_g_are_not():
    game = after("clip:0.01", recipe=STEEP)
    np.testing.assert_allclose(game.D.weight.data, [[0.01, -0.01]])
    np.testing.assert_allclose(game.D.bias.data, [-0.01])
    assert abs(game.G.point.data).max() > 0.1


# --- what acts inside the loss ---


def test_instance_noise_has_the_standard_deviation_asked_for_on_all_that_d_judges():
    seen = []

    def recording_setup(config, data_shape):
        game = setup(config, data_shape)
        forward = game.D.forward

        def record(x):
            seen.append(x.data.copy())
            return forward(x)

        game.D.forward = record
        return game

    recipe = Recipe("still", "none", recording_setup, RECIPE.step, Config)
    after("noise:0.3", steps=200, loss="hinge", recipe=recipe)
    judged = [x for x in seen if len(x) in (4, 8)]  # the blank pair of the check is 2
    of_reals = np.concatenate([x[:4] - REAL for x in judged if len(x) == 8])
    assert of_reals.std() == pytest.approx(0.3, abs=0.03)  # 1,600 numbers: 6 standard errors
    of_g_step = np.concatenate([x[1:] - x[:1] for x in judged if len(x) == 4])
    assert of_g_step.std() == pytest.approx(0.3 * np.sqrt(2), abs=0.06)
    assert not np.array_equal(judged[0], judged[2])


def test_label_smoothing_stops_d_at_the_logit_of_its_target():
    smoothed = weight("smooth:0.1", loss="nonsaturating")
    sigmoid = 1 / (1 + np.exp(-(REAL @ W[0])))
    fake = np.array([0.5, -0.25])
    pull = ((sigmoid - 0.9)[:, None] * REAL).mean(0) + fake / (1 + np.exp(-(fake @ W[0])))
    np.testing.assert_allclose(smoothed[0], W[0] - LR * pull, rtol=1e-5)


def test_adversarial_noise_moves_logits_of_a_linear_d_by_eps_times_its_slopes_length():
    # |w|_1 = 4.2: reals lose eps |w|_1, fakes win it, and the loss is the mean of before and after
    eps, length = 0.05, 4.2
    logit, fake = (REAL @ W[0]).astype(float), float(W[0] @ [0.5, -0.25])

    def loss(real, fake):
        return np.log1p(np.exp(-real)).mean() + np.log1p(np.exp(fake))

    plain, moved = loss(logit, fake), loss(logit - eps * length, fake + eps * length)
    game = after("adv:0.05", loss="nonsaturating")
    assert game.metrics["reg_adv"] == pytest.approx(moved)
    assert game.metrics["loss_d"] == pytest.approx((plain + moved) / 2)


def test_adversarial_noise_goes_up_the_slope_by_eps_in_each_number():
    x = Tensor(np.array([[1.0, -2.0, 0.0]]))
    moved = adversarial(lambda t: (t * t).sum(), x, 0.25)
    np.testing.assert_array_equal(moved.data, [[1.25, -2.25, 0.0]])
    assert not moved.requires_grad


def test_lecam_pulls_logits_towards_the_other_sides_moving_average():
    lecam = LeCam(decay=0.75)
    first = lecam(Tensor(np.array([1.0, 3.0])), Tensor(np.array([-2.0, 0.0])))
    assert lecam.means == (2.0, -1.0)
    assert float(first) == pytest.approx((4 + 16) / 2 + (16 + 4) / 2)
    r = Tensor(np.array([4.0, 8.0]), requires_grad=True)
    f = Tensor(np.array([3.0, 3.0]), requires_grad=True)
    second = lecam(r, f)
    assert lecam.means == (0.75 * 2 + 0.25 * 6, 0.75 * -1 + 0.25 * 3)  # 3 and 0
    assert float(second) == pytest.approx((16 + 64) / 2 + 0.0)
    slope_r, slope_f = grad(second, [r, f])
    np.testing.assert_allclose(slope_r.data, [4.0, 8.0])  # 2 (r - m_f) / 2
    np.testing.assert_allclose(slope_f.data, [0.0, 0.0])


def test_lecam_gives_its_averages_back():
    lecam, other = LeCam(), LeCam()
    assert lecam.state_dict() == {}
    lecam(Tensor(np.array([1.0])), Tensor(np.array([2.0])))
    other.load_state_dict(lecam.state_dict())
    assert other.means == (1.0, 2.0)
    other.load_state_dict({})
    assert other.means is None
    with pytest.raises(StateError, match="averages real and fake"):
        other.load_state_dict({"real": 1.0})


# --- what acts on a network ---


def test_orthogonal_penalty_is_off_the_diagonal_and_by_output():
    layer = nn.Linear(2, 3)
    layer.weight.assign_(np.array([[1.0, 2.0], [3.0, 0.0], [0.0, 5.0]], np.float32))
    value = orthogonal(layer)  # inner products 3, 10 and 0, each there twice
    assert float(value) == pytest.approx(2 * (9 + 100))
    slope = grad(value, layer.weight).data[0]
    np.testing.assert_allclose(slope, 4 * (3 * np.array([3.0, 0]) + 10 * np.array([0, 5.0])))
    with random.using(random.Streams(1)):
        plain, transposed = nn.Conv2d(3, 4, 2), nn.ConvTranspose2d(3, 4, 2)
    transposed.weight.assign_(plain.weight.data.swapaxes(0, 1).copy())
    assert float(orthogonal(transposed)) == pytest.approx(float(orthogonal(plain)))
    rows = plain.weight.data.reshape(4, -1)
    gram = rows @ rows.T
    assert float(orthogonal(plain)) == pytest.approx(((gram - np.diag(np.diag(gram))) ** 2).sum())
    with pytest.raises(OptionError, match="ortho: ReLU has no convolution"):
        orthogonal(nn.ReLU())


def dense_setup(config, data_shape):
    game = setup(config, data_shape)
    game.G = nn.Linear(3, 2, bias=False)
    game.G.weight.assign_(np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]], np.float32))
    game.opt_g = optim.SGD(game.G.parameters(), LR)
    return game


def still(game, *args):
    return (game.D.weight.sum() + game.D.bias.sum() + game.G.weight.sum()) * 0.0


DENSE = Recipe("dense", "none", dense_setup, alternating(still, still), Config)


def test_orthogonal_penalty_reaches_g_and_spares_d():
    game = after("ortho:0.5", recipe=DENSE)  # 0.5 * 2 (w0 w1)^2, of slope 2 (w0 w1) w1 in w0
    moved = [[1 - LR * 2, -LR * 2, 0.0], [1 - LR * 2, 1.0, 0.0]]
    np.testing.assert_allclose(game.G.weight.data, moved, rtol=1e-6)
    np.testing.assert_array_equal(game.D.weight.data, W)


def test_lazy_penalty_of_g_counts_the_steps_of_g():
    once = after("ortho:0.5", recipe=DENSE).G.weight.data
    for steps in (1, 2):  # twice as strong, at the first of two
        lazy = after("ortho:0.25/2", steps=steps, recipe=DENSE).G.weight.data
        np.testing.assert_array_equal(lazy, once)
    assert not np.array_equal(after("ortho:0.25/2", steps=3, recipe=DENSE).G.weight.data, once)


def test_n_critic_of_the_recipe_is_kept():
    recipe = Recipe("thrice", "none", setup, alternating(zero, zero, 3), Config)
    game = after("r1:2", recipe=recipe)
    assert (game.opt_d.step_count, game.opt_g.step_count) == (3, 1)
    np.testing.assert_allclose(game.D.weight.data, W * (1 - LR * 2) ** 3, rtol=1e-6)


def test_spectral_norm_makes_a_linear_d_of_slope_one():
    game = after("sn", steps=3, loss="hinge")
    x, w = Tensor(REAL, requires_grad=True), game.D.weight_orig.data
    slope = grad(game.D(x).sum(), x).data[0]
    np.testing.assert_allclose(slope, w[0] / np.linalg.norm(w), rtol=1e-5)
    assert not np.array_equal(w, W)
    assert game.opt_d.params[0] is game.D.weight_orig


def deep():
    """D of three layers whose second gives its input back."""
    net = nn.Sequential(nn.Linear(2, 400), nn.Linear(400, 400, bias=False), nn.Linear(400, 1))
    net[0].weight.assign_(np.zeros((400, 2), np.float32))
    net[0].bias.assign_(np.ones(400, np.float32))
    net[1].weight.assign_(np.eye(400, dtype=np.float32))
    return net


def test_dropout_keeps_its_share_of_hidden_units_and_scales_them_up():
    D = deep()
    parse_regularisers("dropout:0.3")[0].kind.module(D, 0.3)
    with random.using(random.Streams(0)):
        h = D[1](D[0](Tensor(np.ones((50, 2), np.float32)))).data
        again = D[1](D[0](Tensor(np.ones((50, 2), np.float32)))).data
    np.testing.assert_allclose(np.unique(h), [0, 1 / 0.7], rtol=1e-6)
    # 20,000 units: five standard deviations
    assert (h > 0).mean() == pytest.approx(0.7, abs=5 * np.sqrt(0.21 / 20_000))
    assert not np.array_equal(h, again)
    np.testing.assert_array_equal(D[0](Tensor(np.ones((50, 2), np.float32))).data, 1)  # D's input


def test_dropout_is_off_in_evaluation_mode_and_draws_from_its_stream():
    D = deep()
    x = Tensor(np.ones((5, 2), np.float32))
    plain = D(x).data
    parse_regularisers("dropout")[0].kind.module(D, 0.3)
    assert list(D.state_dict()) == list(deep().state_dict())
    with random.using(random.Streams(0)):
        first = D(x).data
    with random.using(random.Streams(0)):
        np.testing.assert_array_equal(D(x).data, first)
    assert not np.array_equal(first, plain)
    np.testing.assert_array_equal(D.eval()(x).data, plain)


def test_a_d_without_a_hidden_layer_has_nothing_to_drop():
    with pytest.raises(OptionError, match="dropout: Linear has no hidden layer"):
        after("dropout")


# --- the syntax ---


def test_the_syntax_is_name_weight_interval():
    assert parse_regularisers("r1:10/16, lecam:0.3,grad-norm:5,sn") == (
        Regulariser("r1", 10.0, 16),
        Regulariser("lecam", 0.3),
        Regulariser("grad_norm", 5.0),
        Regulariser("sn", 0.0),
    )
    assert parse_regularisers("gp/4") == (Regulariser("gp", 10.0, 4),)
    assert parse_regularisers("") == ()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("dropout:1", "dropout:1: a weight above 0 below 1 fits"),
        ("adv:0.1/4", "adv acts at every step"),
        ("r3", "no regulariser 'r3': perhaps you meant r"),
        ("xyzzy", "no regulariser 'xyzzy': there are clip, gp"),
        ("r1:", "regulariser 'r1:': NAME"),
        ("r1,", "regulariser '': NAME"),
        ("r1:ten", "regulariser r1:ten: a weight above 0 fits"),
        ("r1:-1", "regulariser r1:-1: a weight above 0 fits"),
        ("r1:0", "regulariser r1:0: a weight above 0 fits"),
        ("r1:nan", "regulariser r1:nan: a weight above 0 fits"),
        ("r1:inf", "regulariser r1:inf: a weight above 0 fits"),
        ("smooth:0.5", "regulariser smooth:0.5: a weight above 0 below 0.5 fits"),
        ("sn:2", "regulariser sn:2: sn takes no weight"),
        ("r1:10/0", "regulariser r1/0: a number of steps, 1 or more, fits"),
        ("r1:10/x", "regulariser r1/x: a number of steps"),
        ("clip:0.01/4", "regulariser clip acts at every step: gp, r1, r2, dragan, ortho take /N"),
        ("r1:1,gp,r1:2", "regulariser r1 is there twice"),
    ],
)
def test_misfits_are_one_line(text, line):
    with pytest.raises(OptionError) as found:
        parse_regularisers(text)
    assert line in str(found.value)
    assert "\n" not in str(found.value)


def test_every_regulariser_has_one_hook():
    for name, kind in REGULARISERS.items():
        hooks = (kind.d_penalty, kind.g_penalty, kind.gradients, kind.weights, kind.module)
        assert sum(hook is not None for hook in hooks) + kind.in_loss == 1, name
