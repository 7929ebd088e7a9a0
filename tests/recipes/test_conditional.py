"""Conditional recipes: their losses by hand, their networks, and labels from the data to a grid."""

import types

import numpy as np
import pytest
from PIL import Image

from tinygan import Tensor, data, nn, optim, random
from tinygan.cli import main
from tinygan.cli.opening import Trained
from tinygan.errors import DataError, OptionError
from tinygan.gan import EMA, Game, fit, new_game
from tinygan.gan.labelled import draw_labels
from tinygan.gan.networks.conditional import in_turn, one_hot
from tinygan.nn import Parameter
from tinygan.recipes import acgan, biggan, cgan, get, projection

REAL, FAKE = np.array([0.5, 2.0]), np.array([-1.0, 0.25])
TABLE = np.array([1.0, -2.0])
CONDITIONAL = ["cgan", "acgan", "projection", "biggan"]
TINY = {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2}


class Table(nn.Module):
    """D(x, y) = x + table[y], or D(x) = (x, class logits (x, 0))."""

    def __init__(self, two_heads=False):
        self.table, self.two_heads = Parameter(TABLE.copy()), two_heads

    def forward(self, x, y=None):
        if self.two_heads:
            zero = x * 0.0
            classes = Tensor(np.stack([x.data, zero.data], 1))
            return x, classes
        return x + Tensor(self.table.data[y])


def game_of(D):
    game = Game(nn.Identity(), D, None, optim.SGD(D.parameters(), 0.1), 1)
    game.config = types.SimpleNamespace(num_classes=2, ortho=0.0)
    return game


def softplus(x):
    return np.log1p(np.exp(np.array(x)))


Y, Y_FAKE = np.array([0, 1]), np.array([1, 1])


def test_cgan_judges_a_sample_with_its_class():
    real, fake = REAL + TABLE[Y], FAKE + TABLE[Y_FAKE]
    game = game_of(Table())
    loss_d = cgan.d_loss(game, (Tensor(REAL), Y), (Tensor(FAKE), Y_FAKE))
    assert float(loss_d) == pytest.approx(softplus(-real).mean() + softplus(fake).mean())
    loss_g = cgan.g_loss(game, (Tensor(FAKE), Y_FAKE))
    assert float(loss_g) == pytest.approx(softplus(-fake).mean())


@pytest.mark.parametrize("recipe", [projection, biggan])
def test_the_hinge_is_of_samples_with_their_classes(recipe):
    # reals 1.5 and 0, fakes -3 and -1.75
    game = game_of(Table())
    loss_d = recipe.d_loss(game, (Tensor(REAL), Y), (Tensor(FAKE), Y_FAKE))
    assert float(loss_d) == pytest.approx((0 + 1) / 2 + 0)
    assert float(recipe.g_loss(game, (Tensor(FAKE), Y_FAKE))) == pytest.approx(4.75 / 2)


def test_biggan_adds_the_inner_products_of_g_s_rows():
    game = game_of(Table())
    game.G = nn.Linear(2, 2)
    game.G.weight.assign_(np.array([[1.0, 2.0], [3.0, 0.0]], np.float32))  # inner product 3
    game.config.ortho = 0.5
    loss_g = biggan.g_loss(game, (Tensor(FAKE), Y_FAKE))
    assert float(loss_g) == pytest.approx(4.75 / 2 + 0.5 * 2 * 9)


def test_biggan_s_average_keeps_0_9999_a_step_of_its_batch():
    config = biggan.Config(num_classes=3)
    ema = EMA(nn.Linear(1, 1), half_life_kimg=config.half_life_kimg)
    assert ema.decay(config.batch) == pytest.approx(0.9999, abs=1e-6)


def test_acgan_adds_the_cross_entropy_of_both_to_d_and_of_fakes_to_g():
    game = game_of(Table(two_heads=True))
    loss_d = acgan.d_loss(game, (Tensor(REAL), Y), (Tensor(FAKE), Y_FAKE))
    # class logits (x, 0): -log p(0) = softplus(-x), -log p(1) = softplus(x)
    ce_real = (softplus(-0.5) + softplus(2.0)) / 2
    ce_fake = softplus(FAKE).mean()
    plain = softplus(-REAL).mean() + softplus(FAKE).mean()
    assert float(loss_d) == pytest.approx(plain + ce_real + ce_fake)
    assert game.metrics["accuracy"] == 0.5
    loss_g = acgan.g_loss(game, (Tensor(FAKE), Y_FAKE))
    assert float(loss_g) == pytest.approx(softplus(-FAKE).mean() + ce_fake)


def test_labels_become_rows_of_the_identity_and_planes_of_an_image():
    x = Tensor(np.zeros((3, 1), np.float32))
    found = one_hot(np.array([2, 0, 2]), 3, x)
    np.testing.assert_array_equal(found.data, [[0, 0, 1], [1, 0, 0], [0, 0, 1]])
    assert found.dtype == np.float32
    assert in_turn(Tensor(np.zeros((5, 2))), 3).tolist() == [0, 1, 2, 0, 1]
    game = new_game(cgan.RECIPE, (1, 8, 8), config=cgan.Config(num_classes=3, **TINY))
    seen = []
    game.D.net = lambda x: seen.append(x.data) or x
    game.D(Tensor(np.full((2, 1, 8, 8), 0.5, np.float32)), np.array([0, 2]))
    assert seen[0].shape == (2, 4, 8, 8)
    assert (seen[0] == np.array([[0.5, 1, 0, 0], [0.5, 0, 0, 1]])[:, :, None, None]).all()


@pytest.mark.parametrize("name", CONDITIONAL)
def test_g_without_labels_makes_the_classes_in_turn_and_depends_on_them(name):
    game = new_game(get(name), (1, 8, 8), config=get(name).config(num_classes=3, **TINY))
    rng = np.random.default_rng(0)
    for key, p in game.G.named_parameters().items():  # tables of conditional norms start alike
        if ".shift." in key or ".scale." in key:
            p.assign_(p.data + rng.normal(size=p.shape).astype(p.dtype))
    game.G.eval()
    z = game.latent(6)
    images = game.G(z).data
    np.testing.assert_array_equal(images, game.G(z, np.array([0, 1, 2, 0, 1, 2])).data)
    assert np.abs(images - game.G(z, np.array([1, 2, 0, 1, 2, 0])).data).max() > 1e-3


def test_the_projection_is_an_inner_product_with_the_features():
    config = projection.Config(num_classes=3, **TINY)
    D = new_game(projection.RECIPE, (1, 8, 8), config=config).D.eval()
    x = Tensor(random.Stream(0, "x").normal((3, 1, 8, 8)))
    phi, state = D.features(x).data, D.state_dict()
    vectors = []
    for name in ("l5", "l_y"):
        w = state[f"{name}.weight_orig"]
        vectors.append(w / (state[f"{name}.weight_u"] @ w @ state[f"{name}.weight_v"]))
    w, v = vectors
    y = np.array([2, 0, 2])
    expected = phi @ w[0] + (phi * v[y]).sum(1)
    np.testing.assert_allclose(D(x, y).data, expected, rtol=1e-4, atol=1e-6)


def test_labels_of_fakes_are_uniform_whatever_the_data_are():
    config = cgan.Config(num_classes=4, **TINY)
    game = new_game(cgan.RECIPE, (2,), config=config)
    counts = np.bincount(draw_labels(game, 4000), minlength=4)
    assert (np.abs(counts - 1000) < 5 * np.sqrt(750)).all()  # five standard deviations


@pytest.mark.parametrize("name", CONDITIONAL)
def test_data_without_labels_are_refused_in_a_line(name):
    batches = data.Batches(data.load("digits", size=8), 8, seed=0)
    config = get(name).config(num_classes=10, **TINY)
    with pytest.raises(DataError, match="needs labels: give it batches"):
        next(fit(get(name), batches, steps=1, config=config))
    with pytest.raises(OptionError, match=f"{name}: num_classes 0: labelled data"):
        new_game(get(name), (1, 8, 8))


def test_a_run_on_unlabelled_images_says_what_is_missing(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for i in range(8):
        Image.new("L", (8, 8), 20 * i).save(tmp_path / "photos" / f"{i}.png")
    flags = ["--data", str(tmp_path / "photos"), "--steps", "1", "--outdir", str(tmp_path / "runs")]
    assert main(["train", "cgan", "--batch", "4", *flags]) != 0
    assert "cgan needs labels, which photos has none of" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_conditional_run_is_sampled_class_by_class(tmp_path, capsys):
    out = tmp_path / "runs"
    tiny = [f"--{key}={value}" for key, value in TINY.items()]
    flags = ["--data", "digits:8", "--steps", "2", "--outdir", str(out), *tiny]
    assert main(["train", "cgan", *flags]) == 0
    run = str(out / "00000-digits-cgan")

    def images(name, *args):
        path = tmp_path / name
        assert main(["sample", run, "--n", "20", "--out", str(path), *args]) == 0
        return np.load(path)["images"]

    mixed, threes = images("mixed.npz"), images("threes.npz", "--label", "3")
    np.testing.assert_array_equal(mixed[[3, 13]], threes[[3, 13]])  # same z, and in turn class 3
    assert np.abs(mixed[4] - threes[4]).max() > 0
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trained, "__call__", lambda self, z, y=None: asked.append(y) or z[:, :2])
        assert main(["interpolate", run, "--rows", "2", "--frames", "3"]) == 0
    assert asked[0].tolist() == [0, 0, 0, 1, 1, 1]  # a walk stays in its class
    capsys.readouterr()
    assert main(["sample", run, "--label", "10"]) != 0
    assert "--label 10: use -1 or 0 to 9" in capsys.readouterr().err
    assert main(["train", "lsgan", *flags]) == 0
    assert main(["sample", str(out / "00001-digits-lsgan"), "--label", "1"]) != 0
    assert "lsgan knows no classes" in capsys.readouterr().err
