"""pix2pix and cyclegan: losses by their definitions, who descends, what is refused."""

import json

import numpy as np
import pytest

from tinygan import data, nn, optim, random
from tinygan.autograd import Tensor, no_grad
from tinygan.cli import main
from tinygan.cli.train import preset
from tinygan.errors import OptionError, StateError
from tinygan.gan import Source, advance, fit, new_game
from tinygan.recipes import cyclegan, get, pix2pix
from tinygan.runs.pictures import beside, translations

RNG = np.random.default_rng(4)
SMALL = {"batch": 2, "ngf": 2, "ndf": 2, "layers": 1}


def images(*shape):
    return Tensor(RNG.uniform(-1, 1, shape).astype(np.float32))


def game_of(module, shape=(2, 16, 16), **settings):
    return new_game(module.RECIPE, shape, config=module.Config(**SMALL | settings))


def softplus(x):
    return np.logaddexp(0.0, x)


def weights(net):
    return np.concatenate([p.data.ravel() for p in net.parameters()])


# --- pix2pix ---


def test_the_losses_of_pix2pix_are_those_of_the_paper():
    game = game_of(pix2pix, lambda_l1=7.0)
    a, b, made = (images(2, 1, 16, 16) for _ in range(3))
    real, fake = (Tensor(np.concatenate([a.data, x.data], axis=1)) for x in (b, made))
    with no_grad():
        real_logit, fake_logit = game.D(real).data, game.D(fake).data
        loss_d = float(pix2pix.d_loss(game, real, fake))
        loss_g = float(pix2pix.g_loss(game, b, made, fake))
    assert real_logit.shape[2] > 1  # patches
    expected = 0.5 * (softplus(-real_logit).mean() + softplus(fake_logit).mean())
    assert loss_d == pytest.approx(expected, rel=1e-5)
    distance = np.abs(made.data - b.data).mean()
    assert loss_g == pytest.approx(softplus(-fake_logit).mean() + 7.0 * distance, rel=1e-5)


def test_both_images_of_a_pair_move_alike_in_a_step():
    # with b = a and a G that changes nothing, L1 is 0 however images are moved
    game = game_of(pix2pix, jitter=4)
    scale = nn.Parameter(np.ones(1, np.float32))
    game.G.forward = lambda x: x * scale
    game.opt_g = optim.SGD([scale], 0.1)
    x = images(2, 1, 16, 16).data
    with random.using(game.streams):
        pix2pix.step(game, iter([np.concatenate([x, x], axis=1)]))
    assert game.metrics["l1"] == 0.0


# --- cyclegan ---


def test_the_losses_of_cyclegan_are_those_of_the_paper():
    game = game_of(cyclegan, lambda_cycle=5.0, lambda_id=0.3, replay=0)
    F, D_A, G, D_B = game.extra["F"], game.extra["D_A"], game.G, game.D
    a, b = images(2, 1, 16, 16), images(2, 1, 16, 16)
    with no_grad():
        fake_a, fake_b = F(b), G(a)
        loss_g = float(cyclegan.g_loss(game, (a, b), (fake_a, fake_b)))
        loss_d = float(cyclegan.d_loss(game, (a, b), (fake_a, fake_b)))

        def _square(D, x, target):
            return ((D(x).data - target) ** 2).mean()

        def _distance(x, y):
            return np.abs(x.data - y.data).mean()

        expected = _square(D_B, fake_b, 1) + _square(D_A, fake_a, 1)
        expected += 5.0 * (_distance(F(fake_b), a) + _distance(G(fake_a), b))
        expected += 0.3 * 5.0 * (_distance(G(b), b) + _distance(F(a), a))
        assert loss_g == pytest.approx(expected, rel=1e-5)
        each = (D_B, b, fake_b), (D_A, a, fake_a)
        expected = sum(_square(D, x, 1) / 2 + _square(D, y, 0) / 2 for D, x, y in each)
    assert loss_d == pytest.approx(expected, rel=1e-5)


def test_all_four_players_of_cyclegan_move_in_a_step():
    game = game_of(cyclegan)
    nets = {"G": game.G, "D": game.D, "F": game.extra["F"], "D_A": game.extra["D_A"]}
    before = {name: weights(net) for name, net in nets.items()}
    batches = data.Batches(data.load("unpaired:digits:16,inverted:digits:16"), 2, seed=0)
    advance(cyclegan.RECIPE, game, Source(batches))
    for name, net in nets.items():
        assert (weights(net) != before[name]).mean() > 0.5, name


def test_the_rates_of_cyclegan_fall_over_the_second_half():
    game = game_of(cyclegan, decay_steps=8)
    batches = data.Batches(data.load("unpaired:digits:16,inverted:digits:16"), 2, seed=0)
    rates = []
    source = Source(batches)
    for _ in range(8):
        advance(cyclegan.RECIPE, game, source)
        assert game.opt_g.lr == game.opt_d.lr
        rates.append(game.opt_g.lr / game.opt_g.base_lr)
    np.testing.assert_allclose(rates, [1, 1, 1, 1, 1, 0.75, 0.5, 0.25])


def test_pools_of_cyclegan_keep_fakes_of_their_domain():
    spec = "unpaired:digits:16,coloured:digits:16"
    batches = data.Batches(data.load(spec), 2, seed=0)
    config = cyclegan.Config(**SMALL, source_channels=1, lambda_id=0.0, replay=3)
    game = next(fit(cyclegan.RECIPE, batches, steps=1, config=config))
    shapes = {k: game.extra[f"pool_{k}"].state_dict()["images"].shape for k in "ab"}
    assert shapes == {"a": (2, 1, 16, 16), "b": (2, 3, 16, 16)}


def test_identity_needs_domains_of_as_many_channels():
    with pytest.raises(OptionError, match="1 and 3 channels: --lambda-id 0"):
        game_of(cyclegan, (4, 16, 16), source_channels=1)


# --- both ---


@pytest.mark.parametrize("module", [pix2pix, cyclegan])
def test_samples_are_translations_of_the_data_set(module):
    game = game_of(module)
    with pytest.raises(StateError, match=r"set game\.dataset"):
        game.sample(2)
    game.dataset = data.load("pairs:digits:16,inverted:digits:16")
    samples = game.sample(4)
    assert samples.shape == (4, 1, 16, 16)
    np.testing.assert_array_equal(samples, game.sample(4))
    assert np.abs(samples - game.sample(4, seed=9)).max() > 0
    with pytest.raises(OptionError, match="no truncation"):
        game.sample(2, truncation=1.0)


def test_a_picture_has_source_output_and_target_beside_each_other():
    game = game_of(pix2pix)
    game.dataset = data.load("pairs:digits:16,inverted:digits:16")
    source, made, target = translations(game, 5)
    np.testing.assert_allclose(source, -target, atol=1e-6)
    np.testing.assert_array_equal(made, game.sample(5))
    rows = beside([source, made, target])
    np.testing.assert_array_equal(rows[3::3], source[1:])
    assert len(list(translations(game_with(cyclegan), 3))) == 6


def game_with(module):
    game = game_of(module)
    game.dataset = data.load("pairs:digits:16,inverted:digits:16")
    return game


def test_a_picture_enlarges_and_colours_what_is_smaller_or_grey():
    grey, colour = images(2, 1, 4, 4).data, images(2, 3, 8, 8).data
    rows = beside([grey, colour])
    assert rows.shape == (4, 3, 8, 8)
    np.testing.assert_array_equal(rows[0, 1], grey[0, 0].repeat(2, 0).repeat(2, 1))
    with pytest.raises(OptionError, match="has no one size"):
        beside([images(1, 1, 3, 3).data, colour])


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--loss", "hinge"], "pix2pix has a step of its own: --loss"),
        (["--pool", "5"], "pix2pix has a step of its own: --pool"),
        (["--augment", "diff"], "pix2pix: --augment does not suit it: D sees pairs"),
        (["--curriculum", "blur:2/20"], "pix2pix has a step of its own: --curriculum"),
        (["--data", "digits:16"], "pix2pix translates images, and digits holds one domain"),
        (["--data", "unpaired:digits:16,inverted:digits:16"], "pix2pix needs pairs that belong"),
        (["--source-channels", "2"], "--source-channels 2: edges-digits has 1"),
        (["--preset", "papre"], "--preset papre: no preset of pix2pix: use paper"),
    ],
)
def test_what_does_not_suit_is_said_in_one_line(flags, said, tmp_path, capsys):
    given = ["train", "pix2pix", "--data", "edges:digits:16", "--outdir", str(tmp_path)]
    assert main([*given, "--steps", "2", *flags]) in (2, 3)
    line = capsys.readouterr().err.strip()
    assert said in line
    assert "\n" not in line
    assert not list(tmp_path.iterdir())


def test_the_preset_of_the_paper_is_taken_and_single_flags_win(tmp_path):
    paper = get("pix2pix").presets["paper"]
    assert preset(get("pix2pix"), ["--preset", "paper"]) is paper
    assert preset(get("pix2pix"), ["--steps", "1", "--preset=paper"]) is paper
    assert preset(get("pix2pix"), []) == pix2pix.Config()
    flags = ["--preset", "paper", "--ngf", "2", "--ndf", "2", "--layers", "1"]
    flags += ["--data", "edges:digits:16", "--steps", "1", "--outdir", str(tmp_path)]
    assert main(["train", "pix2pix", *flags]) == 0
    (run,) = tmp_path.iterdir()
    stored = json.loads((run / "config.json").read_text())["config"]
    assert (stored["jitter"], stored["ngf"], stored["layers"]) == (30, 2, 1)
