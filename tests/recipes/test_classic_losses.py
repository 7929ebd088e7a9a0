"""The losses of the classic recipes, worked out by hand on two samples, and their own settings."""

import types

import numpy as np
import pytest

from tinygan import data, nn, ops, optim, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import OptionError
from tinygan.gan import Game, fit, new_game
from tinygan.gan.networks import EBGANDiscriminator
from tinygan.nn import Parameter
from tinygan.recipes import (
    began,
    dragan,
    ebgan,
    feature_matching,
    get,
    lsgan,
    minibatch,
    relativistic,
    sngan,
    wgan,
)

REAL, FAKE = [0.5, 2.0], [-1.0, 0.25]  # two samples each; with D(x) = x these are the logits


class Given(nn.Module):
    """G: the given samples, whatever z is."""

    def __init__(self, samples):
        self.samples = Parameter(np.reshape(np.array(samples, dtype=np.float64), (2, -1)))

    def forward(self, z):
        return self.samples * 1.0


class Slope(nn.Module):
    """D(x) = psi x + shift, psi = 1 at first."""

    def __init__(self, psi=1.0, shift=0.0):
        self.psi, self.shift = Parameter(np.full((1, 1), psi)), shift

    def forward(self, x):
        return (x @ self.psi + self.shift).reshape(-1)


def game_of(fake=FAKE, D=None, lr=0.1, **config):
    G, D = Given(fake), D or Slope()
    game = Game(G, D, optim.SGD(G.parameters(), lr), optim.SGD(D.parameters(), lr), 1)
    game.config = types.SimpleNamespace(**config)
    return game


def column(values):
    return Tensor(np.reshape(np.array(values, dtype=np.float64), (2, -1)))


def losses(recipe, game, real=REAL):
    z = game.latent(2)
    return float(recipe.d_loss(game, column(real), z)), float(recipe.g_loss(game, z))


def endless(real):
    while True:
        yield column(real).data


def softplus(x):
    return np.log1p(np.exp(np.array(x)))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ((0, 1, 1), (0.5 * (0.25 + 1) / 2 + 0.5 * (1 + 0.0625) / 2, 0.5 * (4 + 0.5625) / 2)),
        ((-1, 1, 0), (0.5 * (0.25 + 1) / 2 + 0.5 * (0 + 1.5625) / 2, 0.5 * (1 + 0.0625) / 2)),
    ],
    ids=["0-1", "Pearson"],
)
def test_lsgan_is_half_the_squared_distance_to_the_targets(targets, expected):
    game = game_of(**dict(zip("abc", targets, strict=True)))
    assert losses(lsgan, game) == pytest.approx(expected)


def test_sngan_is_the_hinge_and_g_has_a_batch_of_its_own():
    # relu(1 - .5), relu(1 - 2); relu(1 - 1), relu(1 + .25); -(-1 + .25) / 2
    assert losses(sngan, game_of(g_batch=2)) == pytest.approx((0.25 + 0.625, 0.375))
    drawn = []
    game = game_of(g_batch=7)
    game.G = lambda z: drawn.append(z.shape) or column(FAKE)
    sngan.g_loss(game, game.latent(3))
    assert drawn == [(7, 1)]


@pytest.mark.parametrize(
    ("form", "loss_d", "loss_g"),
    [
        # r = x - mean fake = .875, 2.375; f = fake - mean x = -2.25, -1
        (
            "standard",
            softplus([-0.875, -2.375]).mean() + softplus([-2.25, -1.0]).mean(),
            softplus([2.25, 1.0]).mean() + softplus([0.875, 2.375]).mean(),
        ),
        (
            "least_squares",
            (0.125**2 + 1.375**2) / 2 + (1.25**2 + 0) / 2,
            (3.25**2 + 2.0**2) / 2 + (1.875**2 + 3.375**2) / 2,
        ),
        ("hinge", (0.125 + 0) / 2, (3.25 + 2.0) / 2 + (1.875 + 3.375) / 2),
    ],
)
def test_relativistic_losses_compare_with_the_mean_of_the_others(form, loss_d, loss_g):
    real, fake = Tensor(np.array(REAL)), Tensor(np.array(FAKE))
    for shift in (0.0, 5.0):  # only differences count
        up, down = real + shift, fake + shift
        game = game_of(down.data, form=form)
        assert float(relativistic.d_loss(game, column(up.data), None)) == pytest.approx(loss_d)
        assert float(relativistic.g_loss(game, None, column(up.data))) == pytest.approx(loss_g)


def test_a_relativistic_step_moves_both_players_as_worked_out_by_hand():
    # data at 0, fakes at t: L_D = 2 softplus(psi t), and L_G = 2 softplus(-psi t) for equal fakes
    t, psi, lr = 0.7, -0.4, 0.05
    game = game_of([t, t], Slope(psi), lr, form="standard", n_critic=1)
    relativistic.RECIPE.step(game, endless([0.0, 0.0]))
    new_psi = psi - lr * 2 * t / (1 + np.exp(-psi * t))
    assert game.D.psi.item() == pytest.approx(new_psi, rel=1e-12)
    new_t = t + lr * new_psi / (1 + np.exp(new_psi * t))  # half of -2 psi sigmoid: a fake each
    np.testing.assert_allclose(game.G.samples.data, new_t, rtol=1e-12)


def test_wgan_descends_the_critics_difference_and_clips_afterwards():
    game = game_of(D=Slope(0.004), lr=1e-3, clip=0.01)
    loss = wgan.critic_step(game, column(REAL))
    assert loss == pytest.approx(0.004 * (-0.375 - 1.25))
    assert game.D.psi.item() == pytest.approx(0.004 + 1e-3 * 1.625)  # inside the bounds
    for _ in range(10):
        wgan.critic_step(game, column(REAL))
    assert game.D.psi.item() == 0.01
    assert float(ops.wasserstein_g_loss(game.D(game.G(None)))) == pytest.approx(0.00375)


def test_wgan_bursts_in_the_first_25_steps_and_in_every_500th():
    config = wgan.Config()
    steps = [wgan.critic_steps(config, step) for step in range(1, 1002)]
    bursts = [i for i, n in enumerate(steps) if n == 100]  # counted from 0, as the authors do
    assert bursts == [*range(25), 500, 1000]
    assert set(steps) == {5, 100}
    assert wgan.critic_steps(wgan.Config(burst_every=0, warm_up=0), 1) == 5


def test_weights_of_wgans_critic_lie_within_the_clip_and_pile_up_there():
    config = wgan.Config(batch=16, hidden=8, nz=4, lr=1e-3, n_critic_burst=20)
    batches = data.Batches(data.load("ring"), 16, seed=0)
    *_, game = fit(wgan.RECIPE, batches, steps=3, config=config)
    weights = np.concatenate([p.data.ravel() for p in game.D.parameters()])
    assert np.abs(weights).max() == np.float32(0.01)
    assert (np.abs(weights) == np.float32(0.01)).mean() > 0.5
    assert max(np.abs(p.data).max() for p in game.G.parameters()) > 0.01


def test_dragan_adds_the_penalty_of_a_constant_slope():
    game = game_of(D=Slope(3.0), lambda_gp=10.0, c=0.5)
    plain = softplus([-1.5, -6.0]).mean() + softplus([-3.0, 0.75]).mean()
    loss_d, loss_g = losses(dragan, game)
    assert loss_d == pytest.approx(plain + 10 * (3 - 1) ** 2)
    assert loss_g == pytest.approx(softplus([3.0, -0.75]).mean())
    assert game.metrics["penalty"] == pytest.approx(4.0)


class FirstEntry(EBGANDiscriminator):
    """A sample (energy, code 1, code 2), scaled."""

    def __init__(self):
        self.scale = Parameter(np.ones(()))

    def energy_and_code(self, x):
        y = x * self.scale
        return y[:, 0], y[:, 1:]


def test_ebgan_stops_pushing_at_the_margin_and_pulls_codes_apart():
    # codes (1, 0) and (3, 3): the squared cosine is 1/2 for both pairs
    game = game_of([[0.5, 1, 0], [1.5, 3, 3]], FirstEntry(), margin=1.0, lambda_pt=0.1)
    loss_d, loss_g = losses(ebgan, game, [[0.2, 0, 1], [0.4, 1, 0]])
    assert loss_d == pytest.approx((0.2 + 0.4) / 2 + (0.5 + 0) / 2)
    assert loss_g == pytest.approx((0.5 + 1.5) / 2 + 0.1 * 0.5)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([[1, 0], [0, 2]], 0),
        ([[1, 1], [2, 2]], 1),
        ([[1, 1], [-2, -2]], 1),
        ([[1, 0], [0, 1], [1, 1]], (0 + 2 * 0.5 + 2 * 0.5) / 6),
        ([[0, 0], [0, 1]], 0),
    ],
)
def test_the_pulling_away_term_is_the_mean_squared_cosine_of_pairs(codes, expected):
    found = ebgan.pulling_away(Tensor(np.array(codes, dtype=np.float64)))
    assert float(found) == pytest.approx(expected, abs=1e-9)


def test_a_began_step_moves_d_g_and_k_as_worked_out_by_hand():
    game = game_of([1.0, 3.0], Slope(0.5), 0.1, gamma=0.5, lambda_k=0.25)
    game.extra["balance"] = began.Balance(0.3)
    metrics = began.step(game, endless([2.0, 6.0]))
    # L(x) = .5 * 4, L(G(z)) = .5 * 2; the slopes of psi are the means of the samples
    assert metrics["loss_d"] == pytest.approx(2.0 - 0.3 * 1.0)
    psi = 0.5 - 0.1 * (4.0 - 0.3 * 2.0)
    assert game.D.psi.item() == pytest.approx(psi)
    assert metrics["loss_g"] == pytest.approx(psi * 2.0)
    np.testing.assert_allclose(game.G.samples.data.ravel(), np.array([1, 3]) - 0.1 * psi / 2)
    assert metrics["k"] == pytest.approx(0.3 + 0.25 * (0.5 * 2.0 - psi * 2.0))
    assert metrics["convergence"] == pytest.approx(2.0 + abs(0.5 * 2.0 - psi * 2.0))


def test_k_of_began_stays_between_0_and_1_and_is_saved_with_the_game():
    balance = began.Balance(0.9)
    for fake, expected in ((-9.0, 1.0), (9.0, 0.0)):
        balance.update(real=1.0, fake=fake, gamma=0.5, lambda_k=1.0)
        assert balance.k == expected
    config = began.Config(nf=2, nz=3)
    game = new_game(began.RECIPE, (1, 8, 8), config=config)
    game.extra["balance"].k = 0.375
    other = new_game(began.RECIPE, (1, 8, 8), config=config, resume=game.state())
    assert other.extra["balance"].k == 0.375


def test_minibatch_discrimination_counts_the_samples_that_lie_close():
    config = minibatch.Config(batch=2, nz=1, hidden=1, distances=1, kernel_dims=1)
    D = new_game(minibatch.RECIPE, (1,), config=config).D
    for p in D.parameters():  # every layer and the head add up their inputs, M = h
        p.assign_(np.full(p.shape, 0.0 if p.ndim == 1 else 1.0, np.float32))
    game = game_of([1.0, 1.0], D)
    # logit_i = h_i + exp(-|h_i - h_j|), h = x where x >= 0; reals and fakes apart
    real = np.array([0.5, 2.0]) + np.exp(-1.5)
    loss_d, loss_g = losses(minibatch, game)
    assert loss_d == pytest.approx(softplus(-real).mean() + softplus(1.0 + 1.0))
    assert loss_g == pytest.approx(softplus(-2.0))


def test_feature_matching_compares_means_and_moments_of_constant_reals():
    real, fake = column([[0, 2], [2, 4]]), column([[1, 1], [1, 1]])
    one = feature_matching.matching_loss([real], [fake])
    assert float(one) == pytest.approx((0 + 4) / 2)  # means (1, 3) and (1, 1)
    two = feature_matching.matching_loss([real], [fake], moments=2)
    assert float(two) == pytest.approx(2 + 1)  # variances (1, 1) and (0, 0)
    skewed = column([[0, 0], [4, 4]])
    both = feature_matching.matching_loss([real, skewed], [fake, fake], moments=3)
    assert float(both) == pytest.approx(3 + (1 + 16 + 0))  # means 2 and 1, variance 4, third 0
    a, b = Tensor(real.data, requires_grad=True), Tensor(fake.data, requires_grad=True)
    ga, gb = grad(feature_matching.matching_loss([a], [b]), [a, b])
    assert not ga.data.any()
    np.testing.assert_allclose(gb.data, [[0, -1], [0, -1]])  # 2 / n_l * difference / N


def test_every_layer_of_sngans_d_has_a_largest_singular_value_of_one():
    for arch in ("resnet", "dcgan"):
        config = sngan.Config(arch=arch, ngf=2, ndf=4, nz=3)
        D = new_game(sngan.RECIPE, (1, 8, 8), config=config).D
        x = Tensor(random.Stream(0, "x").normal((2, 1, 8, 8)))
        for _ in range(60):  # power iterations
            D(x)
        state = D.state_dict()
        names = [key.removesuffix("_orig") for key in state if key.endswith("_orig")]
        assert len(names) == sum(isinstance(m, nn.Conv2d | nn.Linear) for m in D.modules())
        for name in names:
            w = state[f"{name}_orig"]
            rows = w.reshape(len(w), -1)
            sigma = state[f"{name}_u"] @ rows @ state[f"{name}_v"]
            largest = np.linalg.svd(rows / sigma, compute_uv=False)[0]
            assert largest == pytest.approx(1.0, abs=0.02), name


def test_sngans_learning_rates_fall_linearly_to_zero():
    config = sngan.Config(batch=4, g_batch=4, hidden=4, nz=2, n_critic=1, decay_steps=4, lr=0.8)
    batches = data.Batches(data.load("ring"), 4, seed=0)
    rates = [
        (game.opt_g.lr, game.opt_d.lr)
        for game in fit(sngan.RECIPE, batches, steps=5, config=config)
    ]
    assert rates == [(lr, lr) for lr in (0.8, 0.6000000000000001, 0.4, 0.2, 0.0)]
    steady = new_game(sngan.RECIPE, (2,), config=sngan.Config(hidden=4, decay_steps=0))
    assert steady.schedules == []


@pytest.mark.parametrize(
    ("name", "settings", "shape", "message"),
    [
        ("relativistic", {"form": "rms"}, (2,), "no form 'rms': use standard, least_squares, hin"),
        ("sngan", {"arch": "vgg"}, (3, 32, 32), "no arch 'vgg': use resnet or dcgan"),
        ("sngan", {}, (3, 30, 30), "multiple of 8"),
        ("feature_matching", {"layers": "first"}, (2,), "layers 'first': use last or all"),
        ("feature_matching", {"moments": 0}, (2,), "moments 0: use 1"),
        ("ebgan", {"batch": 1}, (1, 8, 8), "batch 1: .* 2 samples or more"),
        ("ebgan", {}, (2,), "DCGAN makes square images"),
        ("began", {}, (2,), r"BEGAN makes square images .* the data have \(2,\)"),
        ("began", {}, (1, 18, 18), "4 to 8 times a power of 2"),
        ("minibatch", {"distances": 0}, (2,), "MinibatchDiscrimination"),
    ],
)
def test_settings_that_make_no_game_are_refused_in_a_line(name, settings, shape, message):
    with pytest.raises(OptionError, match=message) as refused:
        new_game(get(name), shape, config=get(name).config(**settings))
    assert "\n" not in str(refused.value)
