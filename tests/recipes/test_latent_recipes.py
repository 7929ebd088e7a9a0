"""infogan, semi_supervised, vae, vae_gan: codes, losses by their definitions, who descends."""

import types

import numpy as np
import pytest
from scipy import special

from tinygan import data, nn, ops, optim, random
from tinygan.autograd import Tensor, grad
from tinygan.cli import main
from tinygan.errors import OptionError
from tinygan.gan import Game, new_game
from tinygan.gan.networks import NoisyClassifier
from tinygan.gan.networks.codes import uniform_from_normal
from tinygan.recipes import get, infogan, semi_supervised, vae, vae_gan

RNG = np.random.default_rng(2)
SMALL = {"batch": 8, "ngf": 2, "ndf": 2, "hidden": 8}


def small(module, shape=(2,), **settings):
    fits = {k: v for k, v in SMALL.items() if k in module.Config.__dataclass_fields__}
    return new_game(module.RECIPE, shape, config=module.Config(**fits | settings))


# --- infogan ---


def test_the_uniform_code_is_the_error_function_of_the_normal():
    b = np.linspace(-6, 6, 1001)
    np.testing.assert_allclose(uniform_from_normal(b), special.erf(b / np.sqrt(2)), atol=2e-7)


def test_codes_are_spread_as_the_paper_draws_them():
    game, n, k = small(infogan, categories=5), 20_000, 5
    y, u = game.G.codes(game.latent(n))
    counts = np.bincount(y, minlength=k)
    assert (np.abs(counts - n / k) < 5 * np.sqrt(n / k * (1 - 1 / k))).all()
    assert np.abs(u.data).max() <= 1
    assert np.abs(u.data.mean(0)).max() < 5 / np.sqrt(3 * n)  # U(-1, 1) has variance 1/3
    assert np.abs((u.data**2).mean(0) - 1 / 3).max() < 5 * np.sqrt(4 / 45 / n)
    assert np.abs(np.corrcoef(y, u.data[:, 0])[0, 1]) < 5 / np.sqrt(n)


def test_a_category_that_is_given_takes_the_place_of_the_one_in_z():
    game = small(infogan)
    z = game.latent(6)
    own, _ = game.G.codes(z)
    game.G.eval()
    np.testing.assert_array_equal(game.G(z).data, game.G(z, own).data)
    assert np.abs(game.G(z).data - game.G(z, (own + 1) % 10).data).max() > 0


def test_the_code_loss_is_cross_entropy_and_squared_error():
    game = small(infogan, categories=4, lambda_y=0.7, lambda_u=0.3)
    z = game.latent(5)
    logits, mean = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 2))
    y, u = game.G.codes(z)
    entropy = -np.log(special.softmax(logits, 1))[np.arange(5), y].mean()
    error = 0.5 * ((u.data - mean) ** 2).sum(1).mean()
    found = infogan.code_loss(game, z, Tensor(logits), Tensor(mean))
    assert float(found) == pytest.approx(0.7 * entropy + 0.3 * error, rel=1e-6)
    assert game.metrics["code_accuracy"] == pytest.approx((logits.argmax(1) == y).mean())


def test_no_continuous_code_is_fine_and_one_category_is_refused():
    assert small(infogan, continuous=0).sample(2).shape == (2, 2)
    with pytest.raises(OptionError, match="1 categories and 2 continuous"):
        small(infogan, categories=1)


def test_sample_makes_the_category_that_is_asked_for(tmp_path, capsys):
    flags = ["--data", "ring", "--steps", "1", "--hidden", "8", "--outdir", str(tmp_path)]
    assert main(["train", "infogan", "--categories", "3", *flags]) == 0
    run, out = str(tmp_path / "00000-ring-infogan"), tmp_path / "s.npz"
    points = []
    for label in ("-1", "2"):
        assert main(["sample", run, "--n", "6", "--out", str(out), "--label", label]) == 0
        points.append(np.load(out)["points"])
    np.testing.assert_array_equal(points[0][[2, 5]], points[1][[2, 5]])
    assert main(["sample", run, "--label", "3"]) != 0
    assert "--label 3: use -1 or 0 to 2" in capsys.readouterr().err


# --- semi_supervised ---


def test_d_descends_on_the_negative_log_likelihood_of_k_plus_1_classes():
    game = small(semi_supervised, num_classes=4, hidden_d=8, hidden_g=8)
    few, x, fake = (Tensor(a.astype(np.float32)) for a in RNG.normal(size=(3, 6, 2)))
    y = RNG.integers(0, 4, 6)
    game.D.eval()  # no noise
    with random.using(game.streams):
        found = float(semi_supervised.d_loss(game, (few, y), x, fake))

    def log_p(samples):  # of all K + 1 classes, the last logit being 0
        logits = np.concatenate([game.D(samples).data, np.zeros((6, 1))], 1)
        return special.log_softmax(logits, 1)

    given_real = log_p(few)[:, :4] - special.logsumexp(log_p(few)[:, :4], 1, keepdims=True)
    supervised = -given_real[np.arange(6), y].mean()
    real = special.logsumexp(log_p(x)[:, :4], 1)
    expected = supervised - 0.5 * real.mean() - 0.5 * log_p(fake)[:, 4].mean()
    assert found == pytest.approx(expected, rel=1e-5)


def test_only_so_many_labels_are_ever_seen():
    def trained(scramble):
        game = small(
            semi_supervised, (1, 8, 8), num_classes=10, labels_per_class=1, hidden_d=8, hidden_g=8
        )
        pool, batches = game.extra["labelled"], data.Batches(data.load("digits:8"), 8, seed=0)

        def served():
            for x, y in batches.with_labels():
                yield x, scramble(y) if len(pool) == 10 else y

        labelled = served()
        with random.using(game.streams):
            for game.step in range(1, 40):
                semi_supervised.step(game, labelled)
        assert len(pool) == 10
        return game.state()[0]

    as_they_are, nonsense = trained(lambda y: y), trained(lambda y: (7 * y + 3) % 10)
    assert all(np.array_equal(a, nonsense[name]) for name, a in as_they_are.items())


def test_the_first_batch_gives_each_unit_mean_0_and_variance_1():
    D = NoisyClassifier((5,), 3, hidden=(7, 6), noise_in=0.0, noise=0.0)
    x = Tensor(RNG.normal(2.0, 3.0, size=(200, 5)).astype(np.float32))
    D.start_by(x)
    first = D.hidden[0](x)
    second = D.hidden[1](ops.relu(first))
    for out in (first, second, D(x)):
        np.testing.assert_allclose(out.data.mean(0), 0, atol=1e-5)
        np.testing.assert_allclose(out.data.std(0), 1, atol=1e-4)


def test_a_classifier_is_noisy_in_training_alone_and_its_hidden_lengths_stay():
    D = NoisyClassifier((5,), 3, hidden=(7, 6), noise_in=0.3, noise=0.5)
    x = Tensor(RNG.normal(size=(4, 5)).astype(np.float32))
    with random.using(random.Streams(0)):
        assert np.abs(D(x).data - D(x).data).max() > 0
        D.eval()
        assert np.array_equal(D(x).data, D(x).data)
    learned = {name for name, p in D.named_parameters().items() if p.requires_grad}
    assert not any(name.startswith("hidden") and name.endswith("_g") for name in learned)
    assert "head.weight_g" in learned


def test_the_classifier_is_the_average_of_d():
    game = small(semi_supervised, num_classes=8, hidden_d=8, half_life_d_kimg=0.008)
    ring = data.load("ring")
    batches = data.Batches(ring, 8, seed=0).with_labels()
    with random.using(game.streams):
        game.step = 1
        semi_supervised.step(game, batches)
        was = semi_supervised.classifier(game).state_dict()
        game.step = 2
        semi_supervised.step(game, batches)
    average, now = semi_supervised.classifier(game).state_dict(), game.D.state_dict()
    for name, a in average.items():  # a half-life of one batch
        np.testing.assert_allclose(a, (was[name] + now[name]) / 2, rtol=1e-5, atol=1e-6)


# --- vae, vae_gan ---


class Encoder(nn.Module):
    """q(z|x) = N(a x, v), one number each."""

    def __init__(self, a, v):
        self.a, self.log_var = nn.Parameter([[a]]), nn.Parameter([[np.log(v)]])

    def forward(self, x):
        return x @ self.a, ops.broadcast_to(self.log_var, x.shape)


class Decoder(nn.Module):
    """x = w z."""

    def __init__(self, w):
        self.w = nn.Parameter([[w]])

    def forward(self, z):
        return z @ self.w


def test_the_bound_of_a_linear_model_with_the_true_posterior_is_its_likelihood():
    w, sigma, x = 1.3, 0.6, np.array([[0.7]])
    v = 1 / (1 + w**2 / sigma**2)  # of the posterior of z, with mean v w x / sigma^2
    G, E = Decoder(w), Encoder(v * w / sigma**2, v)
    game = Game(G, E, optim.SGD(G.parameters()), optim.SGD(E.parameters()), 1)
    game.config = types.SimpleNamespace(sigma=sigma)
    with random.using(random.Streams(0)):
        recon, kl = vae.bound(game, Tensor(np.repeat(x, 200_000, 0)))
    evidence = w**2 + sigma**2
    log_p = -0.5 * (np.log(2 * np.pi * evidence) + x.item() ** 2 / evidence)
    assert -float(recon) - float(kl) == pytest.approx(log_p, abs=0.01)  # of 2e5 draws: 5 errors


def test_both_players_of_a_vae_descend_on_one_loss():
    game = small(vae, nz=3)
    before = {part: game.parts()[part].state_dict() for part in "GD"}
    with random.using(game.streams):
        metrics = vae.step(game, data.Batches(data.load("ring"), 8, seed=0))
    assert metrics["loss_d"] == metrics["loss_g"] == pytest.approx(metrics["recon"] + metrics["kl"])
    assert metrics["elbo"] == pytest.approx(-metrics["loss_g"])
    for part, was in before.items():
        now = game.parts()[part].state_dict()
        assert any((now[k] != was[k]).any() for k in was), part


def test_g_alone_weighs_reconstruction_by_gamma_and_d_is_not_told_of_it():
    x = Tensor(data.load("ring").arrays[:8])

    def slopes(gamma):
        game = small(vae_gan, gamma=gamma)
        with random.using(game.streams):
            loss_d, loss_g, loss_e = vae_gan.losses(game, x)
        of_e = game.extra["opt_e"].params
        keep = {"retain_graph": True}
        return [
            np.concatenate([g.data.ravel() for g in grad(loss, params, **keep)])
            for loss, params in ((loss_d, game.opt_d.params), (loss_e, of_e),
                                 (loss_g, game.opt_g.params))
        ]  # fmt: skip

    none, half, one = slopes(0.0), slopes(0.5), slopes(1.0)
    for player in (0, 1):  # D, E
        np.testing.assert_array_equal(none[player], one[player])
    np.testing.assert_allclose(half[2], (none[2] + one[2]) / 2, rtol=1e-3, atol=1e-5)
    assert np.abs(one[2] - none[2]).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "settings"),
    [("vae", {"beta": -1.0}), ("vae", {"sigma": -1.0}), ("vae_gan", {"gamma": -1.0})],
)
def test_weights_below_0_are_refused(name, settings):
    with pytest.raises(OptionError, match=f"{name}: .*0 or more"):
        new_game(get(name), (2,), config=get(name).config(**settings))
