"""Low-resolution images, the step of two phases, and networks between two trained ones."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tinygan import Tensor, data, nn
from tinygan.errors import CheckpointError, OptionError, ShapeError, StateError
from tinygan.gan import fit, new_game
from tinygan.gan.networks import SRResNet
from tinygan.gan.super_resolution import (
    PhaseRates,
    interpolated,
    pixel_psnr,
    shrink,
)
from tinygan.recipes import get

RNG = np.random.default_rng(0)
SMALL = {"batch": 4, "ngf": 4, "ndf": 2, "blocks": 1}


def as_bytes(x):
    return np.rint((x + 1) * 127.5).astype(int)


@pytest.mark.parametrize("size", [(16, 16), (24, 40), (96, 64)])
def test_low_resolution_images_are_those_of_pillow(size):
    pixels = RNG.integers(0, 256, (*size, 3), dtype=np.uint8)
    small = Image.fromarray(pixels).resize((size[1] // 4, size[0] // 4), Image.Resampling.BICUBIC)
    high = (pixels.transpose(2, 0, 1)[None] / 127.5 - 1).astype(np.float32)
    gap = as_bytes(shrink(high)) - np.asarray(small).transpose(2, 0, 1)[None]
    # Pillow rounds to bytes between the two passes, each by half a level at most; the second
    # pass's weights have absolute values that sum up to 1.3
    assert np.abs(gap).max() <= 2
    assert (gap == 0).mean() > 0.7


def test_low_resolution_images_are_the_widened_cubic_filter():
    x = RNG.uniform(-1, 1, (1, 1, 16, 20))

    def cubic(t):
        t = abs(t)
        if t < 1:
            return 1.5 * t**3 - 2.5 * t**2 + 1
        return -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0

    def matrix(n):
        m = np.array([[cubic((k + 0.5) / 4 - (i + 0.5)) for k in range(n)] for i in range(n // 4)])
        return m / m.sum(1, keepdims=True)

    low = matrix(16) @ x[0, 0] @ matrix(20).T
    expected = np.rint(np.clip((low + 1) * 127.5, 0, 255)) / 127.5 - 1
    np.testing.assert_allclose(shrink(x)[0, 0], expected, atol=1e-12)


def test_low_resolution_images_have_256_levels_and_the_kind_of_what_was_given():
    x = RNG.uniform(-1, 1, (2, 3, 16, 16)).astype(np.float32)
    low = shrink(x)
    assert isinstance(low, np.ndarray)
    assert low.dtype == np.float32
    np.testing.assert_allclose(as_bytes(low) / 127.5 - 1, low, atol=1e-7)
    of_tensor = shrink(Tensor(x, requires_grad=True))
    assert isinstance(of_tensor, Tensor)
    assert not of_tensor.requires_grad
    np.testing.assert_array_equal(of_tensor.numpy(), low)


@pytest.mark.parametrize("shape", [(1, 3, 16, 18), (1, 3, 15, 16), (3, 16, 16)])
def test_sides_that_are_no_multiples_of_four_are_refused(shape):
    with pytest.raises(ShapeError, match="multiples of 4"):
        shrink(np.zeros(shape, np.float32))


def test_the_psnr_of_a_batch_has_its_closed_form():
    x = Tensor(np.zeros((2, 3, 4, 4), np.float32))
    y = Tensor(np.full((2, 3, 4, 4), 0.02, np.float32))  # 1 / 100 of the range
    assert pixel_psnr(x, y) == pytest.approx(40.0, abs=1e-5)
    assert pixel_psnr(x, x) == pytest.approx(10 * np.log10(4e12))


def test_networks_between_two_have_the_means_of_their_weights():
    a, b = SRResNet(1, ngf=2, blocks=1), SRResNet(1, ngf=2, blocks=1)
    for alpha in (0.0, 0.25, 1.0):
        found = interpolated(a, b, alpha).state_dict()
        for name, x in a.state_dict().items():
            expected = (1 - alpha) * x + alpha * b.state_dict()[name]
            np.testing.assert_allclose(found[name], expected, rtol=1e-6)
            assert found[name].dtype == x.dtype
    before = b.state_dict()
    interpolated(a, b, 0.0)
    assert all((v == before[k]).all() for k, v in b.state_dict().items())


def test_networks_of_two_kinds_have_none_between_them():
    with pytest.raises(StateError, match="missing"):
        interpolated(nn.Linear(2, 2), SRResNet(1, ngf=2, blocks=1), 0.5)
    net = SRResNet(1, ngf=2, blocks=1)
    with pytest.raises(OptionError, match="0 to 1"):
        interpolated(net, net, 1.5)


def test_rates_fall_within_the_second_phase():
    rates = PhaseRates(pretrain=10, first=2.0, drops=(5, 7), gamma=0.1)
    assert [rates(s) for s in (0, 9, 10, 14)] == [2.0, 2.0, 1.0, 1.0]
    thirds = PhaseRates(pretrain=9, first=2.0, drops=(), gamma=0.1, parts=3)
    assert [thirds(s) for s in range(10)] == [2.0] * 3 + [1.0] * 3 + [0.5] * 3 + [1.0]
    assert [rates(s) for s in (15, 16, 17, 99)] == pytest.approx([0.1, 0.1, 0.01, 0.01])


def play(name, steps, **more):
    recipe = get(name)
    config = recipe.config(**SMALL | more)
    batches = data.Batches(data.load("digits:16"), config.batch, seed=0)
    yield from fit(recipe, batches, steps=steps, config=config)


@pytest.mark.parametrize("name", ["srgan", "esrgan"])
def test_d_stays_where_it_is_in_the_first_phase_and_moves_in_the_second(name):
    states = [
        {k: v.copy() for k, v in game.D.state_dict().items()} for game in play(name, 4, pretrain=2)
    ]
    weights = [k for k in states[0] if k.endswith("weight")]
    assert all((states[0][k] == states[1][k]).all() for k in weights)
    assert all((states[1][k] != states[2][k]).any() for k in weights)
    assert all((states[2][k] != states[3][k]).any() for k in weights)


@pytest.mark.parametrize("name", ["srgan", "esrgan"])
def test_the_first_phases_g_is_kept_and_its_optimizer_begins_anew(name):
    games, counts = play(name, 5, pretrain=3), []
    for game in games:
        counts.append(max(game.opt_g.steps))
        if game.step == 3:
            trained = game.G.state_dict()
    assert counts == [1, 2, 3, 1, 2]
    kept = game.extra["psnr"].state_dict()
    learned = [k for k in trained if "running" not in k and "num_batches" not in k]
    assert all((kept[k] == trained[k]).all() for k in learned)
    assert any((kept[k] != game.G.state_dict()[k]).any() for k in learned)


@pytest.mark.parametrize(
    ("name", "rates"), [("srgan", [1, 1, 2, 2, 0.2]), ("esrgan", [1, 0.25, 2, 1, 0.5])]
)
def test_the_learning_rate_follows_the_phases(name, rates):
    more = {"pretrain": 2, "lr": 2e-4, "lr_pretrain": 1e-4, "decay_at": 2 if name == "srgan" else 1}
    found = [(g.opt_g.lr, g.opt_d.lr) for g in play(name, 5, **more)]
    np.testing.assert_allclose(found, 1e-4 * np.array(rates)[:, None] * np.ones(2))


def test_g_learns_pixels_in_the_first_phase():
    psnr = [game.metrics["psnr"] for game in play("srgan", 40, pretrain=40, lr_pretrain=3e-3)]
    assert np.mean(psnr[-5:]) > np.mean(psnr[:5]) + 2


@pytest.mark.parametrize("name", ["srgan", "esrgan"])
def test_the_losses_of_the_second_phase_are_their_formulas(name):
    game = next(iter(play(name, 1, pretrain=0)))
    recipe, config = get(name), game.config
    x = Tensor(RNG.uniform(-1, 1, (3, 1, 16, 16)).astype(np.float32))
    with np.errstate(all="raise"):
        y = game.G(shrink(x))
    r, f = (game.D(v).numpy().astype(float) for v in (x, y))
    softplus = lambda v: np.logaddexp(0, v).mean()  # noqa: E731
    module = __import__(recipe.setup.__module__, fromlist=["d_loss"])
    phi = game.extra["phi"]
    a, b = (phi(v, activated=name == "srgan").numpy().astype(float) for v in (x, y))
    if name == "srgan":
        d = softplus(-r) + softplus(f)
        g = config.lambda_content * ((a - b) ** 2).mean() + config.lambda_adv * softplus(-f)
        g += config.lambda_pixel * ((x.numpy() - y.numpy()) ** 2).mean()
    else:
        over, under = r - f.mean(), f - r.mean()
        d = softplus(-over) + softplus(under)
        g = config.lambda_content * np.abs(a - b).mean()
        g += config.eta * np.abs(x.numpy() - y.numpy()).mean()
        g += config.lambda_adv * (softplus(over) + softplus(-under))
    # float32 means of a few thousand terms
    assert float(module.d_loss(game, x, y)) == pytest.approx(d, rel=1e-5)
    assert float(module.g_loss(game, x, y)) == pytest.approx(g, rel=1e-5)


def test_features_that_are_missing_are_named_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr("tinygan.metrics.weights.cache_root", lambda: tmp_path)
    with pytest.raises(OptionError, match="vgg19:FILE, squeeze:FILE, digits_lenet"):
        next(iter(play("srgan", 1, features="vgg16")))
    small = dataclasses.replace(get("esrgan").presets["paper"], ngf=2, ndf=2, blocks=1)
    with pytest.raises(CheckpointError, match=r"vgg19: no weights at .* name a copy of https"):
        get("esrgan").setup(small, (3, 16, 16))


def test_phi_has_no_part_in_the_gradients_of_the_players():
    game = next(iter(play("srgan", 1, pretrain=0)))
    assert {p.shape for p in game.opt_g.params} == {p.shape for p in game.G.parameters()}
    assert len(game.opt_g.params) == len(game.G.parameters())
    before = game.extra["phi"](Tensor(np.ones((1, 1, 8, 8), np.float32)), activated=False).numpy()
    game = list(play("srgan", 3, pretrain=0))[-1]
    after = game.extra["phi"](Tensor(np.ones((1, 1, 8, 8), np.float32)), activated=False).numpy()
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize(
    ("name", "size", "channels"), [("srgan", 1_549_462, 64), ("esrgan", 16_697_987, 64)]
)
def test_the_papers_settings_make_its_networks(name, size, channels):
    paper = dataclasses.replace(get(name).presets["paper"], features="digits_lenet")
    game = new_game(get(name), (3, 32, 32), config=paper)
    assert sum(p.size for p in game.G.parameters()) == size
    assert game.D.state_dict()["features.0.weight"].shape == (channels, 3, 3, 3)
    assert paper.batch == 16
    assert game.G(Tensor(np.zeros((1, 3, 8, 8), np.float32))).shape == (1, 3, 32, 32)
    assert game.D(Tensor(np.zeros((2, 3, 32, 32), np.float32))).shape == (2,)


def test_the_papers_rates_fall_where_it_says():
    for name, at in (("srgan", {1_100_000: 0.1}), ("esrgan", {1_050_000: 0.5, 1_300_000: 1 / 16})):
        small = {"ngf": 4, "ndf": 2, "blocks": 1, "features": "digits_lenet"}
        paper = dataclasses.replace(get(name).presets["paper"], **small)
        ((optimizer, rates), *_) = new_game(get(name), (3, 16, 16), config=paper).schedules
        assert optimizer.base_lr == 1e-4
        assert rates(199_999) == {"srgan": 1.0, "esrgan": 2.0}[name]
        assert rates(999_999) == {"srgan": 1.0, "esrgan": 1 / 8}[name]
        assert rates(1_000_000) == 1.0
        assert {step: rates(step) for step in at} == at
        assert all(rates(step - 1) > rates(step) for step in at)
