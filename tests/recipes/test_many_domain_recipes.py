"""CoGAN, StarGAN, Age-cGAN, text to image and video: losses by hand, editing, and full size."""

import numpy as np
import pytest

from tinygan import data, random, recipes
from tinygan.autograd import Tensor, grad, no_grad
from tinygan.data.captions import CAPTIONS
from tinygan.gan import fit, new_game
from tinygan.gan.game import evaluating
from tinygan.recipes import age_editing, cogan, stargan, text_to_image, video


def softplus(x):
    return np.logaddexp(0, np.asarray(x, np.float64)).mean()


def game_of(name, shape, **settings):
    recipe = recipes.get(name)
    small = {"ngf": 2, "ndf": 2} | settings
    return new_game(recipe, shape, config=recipe.config(**small), seed=3)


def normal(*shape, seed=1):
    return random.Stream(seed, "test").normal(shape)


def judged(D, *given):
    """Return what D says in evaluation mode, where it changes nothing."""
    with evaluating(D), no_grad():
        return D(*given)


# --- CoGAN ---


def test_the_loss_of_cogan_is_that_of_both_pairs_of_players():
    game = game_of("cogan", (1, 8, 8), num_classes=2, nz=3)
    x, fake = Tensor(normal(6, 1, 8, 8)), Tensor(normal(6, 1, 8, 8, seed=2))
    y = np.array([0, 1, 0, 1, 1, 0])
    with evaluating(game.D):
        found = float(cogan.d_loss(game, (x, y), (fake, y)))
        found_g = float(cogan.g_loss(game, (fake, y)))
    of = {}
    for k in (0, 1):  # each domain's own D, from its stem on
        h = [Tensor(v.data[y == k]) for v in (x, fake)]
        with evaluating(game.D), no_grad():
            of[k] = [game.D.trunk(game.D.stems[k](v)).numpy() for v in h]
    expected = np.mean([softplus(-of[k][0]) + softplus(of[k][1]) for k in (0, 1)])
    assert found == pytest.approx(expected, rel=1e-5)
    assert found_g == pytest.approx(np.mean([softplus(-of[k][1]) for k in (0, 1)]), rel=1e-5)


# --- StarGAN ---


def test_the_losses_of_stargan_are_the_sums_of_their_parts():
    lambdas = {"lambda_gp": 3.0, "lambda_cls": 0.5, "lambda_rec": 7.0, "lambda_id": 2.0}
    game = game_of("stargan", (3, 8, 8), num_classes=4, blocks=1, **lambdas)
    x, y, c = Tensor(normal(5, 3, 8, 8)), np.array([0, 1, 2, 3, 0]), np.array([1, 1, 0, 3, 2])
    with random.using(game.streams):
        changed = game.G(x, c)
        (real, real_domain), (fake, fake_domain) = game.D(x), game.D(changed)
        loss_d = float(stargan.d_loss(game, x, y, changed.detach()))
        loss_g = float(stargan.g_loss(game, x, y, c))
    alpha = random.Streams(3).stream("alpha").uniform(5).reshape(-1, 1, 1, 1)
    between = Tensor(alpha * x.data + (1 - alpha) * changed.data, requires_grad=True)
    slopes = grad(game.D(between)[0], between, Tensor(np.ones(5, np.float32))).numpy()
    norms = np.sqrt((slopes.astype(np.float64) ** 2).sum((1, 2, 3)))
    gap = real.numpy().mean() - fake.numpy().mean()
    classes = cross_entropy(real_domain, y)
    assert loss_d == pytest.approx(-gap + 3.0 * ((norms - 1) ** 2).mean() + 0.5 * classes, rel=1e-4)
    back = abs(x.data - game.G(changed, y).data).mean()
    parts = -fake.numpy().mean() + 0.5 * cross_entropy(fake_domain, c) + 7.0 * back
    parts += 2.0 * abs(x.data - game.G(x, y).data).mean()
    assert loss_g == pytest.approx(parts, rel=1e-4)
    assert game.metrics["w_distance"] == pytest.approx(gap, rel=1e-4, abs=1e-6)


def cross_entropy(logits, y):
    z = logits.numpy().astype(np.float64)
    return (np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]).mean()


def test_stargans_rates_fall_over_the_second_half():
    recipe, dataset = recipes.get("stargan"), data.load("painted:digits:8")
    config = recipe.config(
        batch=4, ngf=1, ndf=1, blocks=1, n_critic=1, num_classes=4, decay_steps=4
    )
    batches, rates = data.Batches(dataset, 4, seed=1).with_labels(), []
    for game in fit(recipe, batches, steps=4, config=config):
        rates.append(game.opt_g.lr / config.lr)
    assert rates == [1.0, 1.0, 1.0, 0.5]


# --- text to image ---


def test_d_of_captions_weighs_both_kinds_of_wrong_pairs_half():
    game = game_of(
        "text_to_image", (3, 8, 24), num_classes=len(CAPTIONS), nz=3, features=3, hidden=3
    )
    x, fake = Tensor(normal(4, 3, 8, 24)), Tensor(normal(4, 3, 8, 24, seed=2))
    y = np.array([0, 5, 47, 119])
    with random.using(game.streams), evaluating(game.D):
        found = float(text_to_image.d_loss(game, x, y, fake))
        other = text_to_image.mismatched(y, random.Streams(3).stream("captions"))
    own, wrong, made = (judged(game.D, *pair).numpy() for pair in ((x, y), (x, other), (fake, y)))
    expected = softplus(-own) + (softplus(wrong) + softplus(made)) / 2
    assert found == pytest.approx(expected, rel=1e-5)
    assert game.metrics["matched"] == pytest.approx((own > wrong).mean())


# --- video ---


def test_both_judges_of_films_have_their_say():
    game = game_of("video", (4, 8, 8), nz=3, motion=2)
    real, z = Tensor(normal(5, 4, 8, 8)), Tensor(normal(5, game.nz, seed=2))
    with evaluating(game.G), evaluating(game.D):
        with random.using(random.Streams(7)):
            found = float(video.d_loss(game, real, z))
        with random.using(random.Streams(8)):
            found_g = float(video.g_loss(game, z))
        with no_grad():
            fake = game.G(z)
            with random.using(random.Streams(7)):
                of_real, of_fake = game.D.both(real), game.D.both(fake)
            with random.using(random.Streams(8)):
                of_g = game.D.both(fake)
    expected = sum(softplus(-r.numpy()) for r in of_real) + sum(
        softplus(f.numpy()) for f in of_fake
    )
    assert found == pytest.approx(expected, rel=1e-5)
    assert found_g == pytest.approx(sum(softplus(-f.numpy()) for f in of_g), rel=1e-5)


# --- editing ---


def test_an_edit_keeps_the_features_better_than_the_encoder_alone():
    recipe, dataset = recipes.get("age_editing"), data.load("slanted:digits:8")
    config = recipe.config(batch=16, nz=4, ngf=4, ndf=4, lr=5e-3, num_classes=3)
    batches, errors = data.Batches(dataset, 16, seed=1).with_labels(), []
    for game in fit(recipe, batches, steps=150, seed=1, config=config):
        errors.append(game.metrics["loss_e"])
    assert np.mean(errors[-10:]) < np.mean(errors[:10])  # E learns to invert G
    x, y = Tensor(dataset.arrays[:6]), dataset.labels[:6]

    def features(images):
        return images[:, :, 2:6, 2:6]

    def distance(images):
        return float(((features(images).data - features(x).data) ** 2).mean())

    start, _ = age_editing.edit(game, x, y, (y + 1) % 3, features, steps=0)
    same, edited = age_editing.edit(game, x, y, (y + 1) % 3, features, steps=60)
    assert distance(same) < distance(start)
    assert edited.shape == x.shape
    assert not np.array_equal(same.data, edited.data)


# --- full size ---

PAPER = {
    "cogan": ((3, 64, 64), {"num_classes": 2}),
    "stargan": ((3, 64, 64), {"num_classes": 5}),
    "age_editing": ((3, 64, 64), {"num_classes": 6}),
    "text_to_image": ((3, 64, 64), {"num_classes": len(CAPTIONS)}),
    "video": ((16, 64, 64), {}),
}


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_settings_make_players_of_full_size(name):
    shape, classes = PAPER[name]
    recipe = recipes.get(name)
    values = vars(recipe.presets["paper"]) | classes
    game = new_game(recipe, shape, config=recipe.config(**values))
    y = [np.array([1])] * bool(classes)
    with random.using(game.streams), evaluating(game.G):
        given = Tensor(normal(1, *shape)) if game.translation else game.latent(1)
        with no_grad():
            made = game.G(given, *y)
            found = judged(game.D, made, *([] if game.translation else y))
    assert made.shape == (1, *shape)
    logit = found[0] if isinstance(found, tuple) else found
    assert logit.shape == (1,)
