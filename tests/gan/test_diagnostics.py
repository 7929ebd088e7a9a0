"""What a watched step shows, against the same numbers made by hand; and that watching harms not."""

import dataclasses
import itertools

import numpy as np
import pytest

from tinygan import Tensor, nn, ops, random
from tinygan.errors import OptionError
from tinygan.gan import (
    Recipe,
    Watch,
    advance,
    alternating,
    alternating_labelled,
    new_game,
    spectral_norms,
)
from tinygan.gan.diagnostics import fingerprint
from tinygan.gan.loop import Source
from tinygan.recipes import cgan, get

RNG = np.random.default_rng(0)
SMALL = {"batch": 16, "nz": 4, "hidden_g": 8, "hidden_d": 8}


def made(name="gan", shape=(2,), recipe=None, **config):
    recipe = recipe or get(name)
    config = config or SMALL
    game = new_game(recipe, shape, config=recipe.config(**config))
    batches = (RNG.normal(size=(16, *shape)).astype(np.float32) for _ in range(10_000))
    return recipe, game, Source(batches)


def watched(recipe, game, source, **more):
    with Watch(game, **more) as seen:
        advance(recipe, game, source)
    return seen.report(source.before)


def with_loss(g_loss):
    gan = get("gan")
    return Recipe("g", "", gan.setup, alternating(gan.step.d_loss, g_loss), gan.config)


def test_a_watched_game_has_the_bits_of_one_that_is_not():
    images = RNG.normal(size=(4, 8, 1, 8, 8)).astype(np.float32)
    ends = []
    for watch in (True, False):
        recipe = get("dcgan")
        config = recipe.config(nz=3, ngf=2, ndf=2, noise=0.1)
        game, source = new_game(recipe, (1, 8, 8), config=config), Source(iter(images))
        for _ in range(4):
            if watch:
                watched(recipe, game, source)
            else:
                advance(recipe, game, source)
        ends.append(game.state()[0])
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[1])


def test_gradient_norms_and_update_ratios_are_those_of_the_step():
    recipe, game, source = made()
    was = {k: p.data.copy() for k, p in game.G.named_parameters().items()}
    given, step = [], game.opt_g.step

    def spied(grads=None):
        given.extend(g.data for g in grads)
        step(grads)

    vars(game.opt_g)["step"] = spied
    found = watched(recipe, game, source)
    norm = np.sqrt(sum((g.astype(float) ** 2).sum() for g in given))
    assert found["grad_norm_g"] == pytest.approx(norm, rel=1e-5)
    now = game.G.named_parameters()
    moved = np.sqrt(sum(((now[k].data - was[k]) ** 2).sum() for k in was))
    length = np.sqrt(sum((was[k] ** 2).sum() for k in was))
    assert found["update_ratio_g"] == pytest.approx(moved / length, rel=1e-4)
    assert "step" not in vars(game.opt_d)


def test_the_probe_sees_the_descent_of_g():
    recipe, game, source = made()
    for _ in range(5):
        found = watched(recipe, game, source)
        # the non-saturating loss pushes D's opinion of fakes up
        assert found["d_fake_after"] > found["d_fake_before"]
    with random.using(random.Streams(0)):
        z = Tensor(random.Streams(0).stream("probe").normal((32, 4)))
        logit = game.D(game.G(z)).data
    assert found["d_fake_after"] == pytest.approx(np.mean(1 / (1 + np.exp(-logit))), rel=1e-5)


def test_a_wasserstein_loss_lets_all_of_the_gradient_through():
    recipe, game, source = made(
        recipe=with_loss(lambda game, z: ops.wasserstein_g_loss(game.D(game.G(z))))
    )
    # of 16 samples, against the probe's 512 others
    assert watched(recipe, game, source, probes=512)["slope_g"] == pytest.approx(1.0, abs=0.4)


@pytest.mark.parametrize(("loss", "low", "high"), [
    (ops.saturating_g_loss, 0.0, 1e-3), (ops.nonsaturating_g_loss, 0.5, 2.0),
])  # fmt: skip
def test_a_loss_that_saturates_lets_nothing_through_where_d_is_sure(loss, low, high):
    recipe, game, source = made(recipe=with_loss(lambda game, z: loss(game.D(game.G(z)))))
    bias = list(game.D.parameters())[-1]
    bias.assign_(bias.data - 20.0)  # D takes everything for a fake
    assert low <= watched(recipe, game, source)["slope_g"] <= high


CONDITIONAL = {"batch": 6, "num_classes": 3, "nz": 4, "hidden": 8}


def labelled(g_loss=None, name="cgan"):
    recipe = get(name)
    if g_loss is not None:
        step = alternating_labelled(cgan.d_loss, g_loss)
        recipe = dataclasses.replace(recipe, step=step)
    game = new_game(recipe, (2,), config=recipe.config(**CONDITIONAL))
    x, y = RNG.normal(size=(6, 2)).astype(np.float32), np.arange(6) % 3
    return recipe, game, Source(itertools.repeat((x, y)))


def test_the_probe_of_a_conditional_game_holds_all_classes():
    recipe, game, source = labelled()
    found = watched(recipe, game, source)
    z = Tensor(random.Streams(0).stream("probe").normal((32, 4)))
    y = np.arange(32) % 3
    logit = game.D(game.G(z, y), y).data
    assert found["d_fake_after"] == pytest.approx(np.mean(1 / (1 + np.exp(-logit))), rel=1e-5)
    assert found["slope_g"] > 0.0


def test_the_probe_of_a_d_that_tells_classes_takes_its_logit():
    recipe, game, source = labelled(name="acgan")
    found = watched(recipe, game, source)
    z = Tensor(random.Streams(0).stream("probe").normal((32, 4)))
    logit = game.D(game.G(z))[0].data
    assert found["d_fake_after"] == pytest.approx(np.mean(1 / (1 + np.exp(-logit))), rel=1e-5)


@pytest.mark.parametrize(("loss", "low", "high"), [
    (ops.saturating_g_loss, 0.0, 1e-3), (ops.nonsaturating_g_loss, 0.3, 3.0),
])  # fmt: skip
def test_a_conditional_loss_that_saturates_lets_nothing_through_where_d_is_sure(loss, low, high):
    recipe, game, source = labelled(lambda game, fake: loss(game.D(*fake)))
    bias = list(game.D.parameters())[-1]
    bias.assign_(bias.data - 20.0)
    assert low <= watched(recipe, game, source)["slope_g"] <= high


def test_a_player_of_two_inputs_is_left_out_of_the_probe():
    class Two(nn.Module):
        def __init__(self, inner):
            self.inner = inner

        def forward(self, x, label):
            return self.inner(x)

    _, game, _ = made()
    game.D = Two(game.D)
    with Watch(game) as seen:
        game.opt_g.step([Tensor(np.ones_like(p.data)) for p in game.opt_g.params])
    assert seen.report(Source(iter(())).before).keys() == {
        "grad_norm_g", "update_ratio_g", "update_ratio_d",
    }  # fmt: skip


def test_spectral_norms_are_the_largest_singular_values():
    net = nn.Sequential(nn.Linear(6, 9), nn.Unflatten(1, (1, 3, 3)), nn.Conv2d(1, 4, 3))
    found = spectral_norms(net, iterations=500)
    assert list(found) == ["0.weight", "2.weight"]
    for name, p in net.named_parameters().items():
        if p.ndim > 1:
            exact = np.linalg.svd(p.data.reshape(len(p.data), -1), compute_uv=False)[0]
            assert found[name] == pytest.approx(exact, rel=1e-5)
            assert spectral_norms(net)[name] <= exact * (1 + 1e-6)
    assert spectral_norms(nn.Sequential(nn.Linear(3, 2).requires_grad_(False)))


def test_a_fingerprint_changes_with_one_bit():
    net = nn.Linear(3, 2)
    before = fingerprint(net)
    assert fingerprint(net) == before
    data = net.weight.data.copy()
    data[0, 0] = np.nextafter(data[0, 0], np.float32(9))
    net.weight.assign_(data)
    assert fingerprint(net) != before


def test_arguments_out_of_range_are_named():
    _, game, _ = made()
    with pytest.raises(OptionError, match="probes=0"):
        Watch(game, probes=0)
    with pytest.raises(OptionError, match="iterations=0"):
        spectral_norms(game.G, iterations=0)
