"""Players that start from others' weights, and D's first layers left as they are."""

import numpy as np
import pytest

from tinygan import data, nn, optim
from tinygan.errors import OptionError, StateError
from tinygan.gan import Game, fit, freeze_layers, new_game, start_from, with_frozen
from tinygan.gan.networks import DCGANDiscriminator
from tinygan.recipes import RECIPES, get

TINY = {"batch": 8, "nz": 4, "ngf": 2, "ndf": 2}


def game_of(name="dcgan", shape=(1, 16, 16), seed=0, **changes):
    recipe = get(name)
    return new_game(recipe, shape, seed=seed, config=recipe.config(**TINY | changes))


def trained(recipe, steps, *, on="digits:16", resume=None, **changes):
    config = recipe.config(**TINY | changes)
    batches = data.Batches(data.load(on), config.batch, seed=1)
    served = batches.with_labels() if recipe.labelled else batches
    *_, game = fit(recipe, served, steps=steps, seed=2, config=config, resume=resume)
    return game


def arrays(game, *parts):
    return {k: x for k, x in game.state()[0].items() if k.partition(".")[0] in parts}


def trained_names(game):
    moved = {id(p) for p in game.opt_d.params}
    return [name for name, p in game.D.named_parameters().items() if id(p) in moved]


def same(ours, theirs):
    return {k for k in ours if ours[k].tobytes() == theirs[k].tobytes()}


def test_frozen_layers_keep_their_bits_and_the_others_move():
    recipe = with_frozen(get("dcgan"), 2)
    before = arrays(new_game(recipe, (1, 16, 16), seed=2, config=recipe.config(**TINY)), "D")
    after = arrays(trained(recipe, 3), "D")
    # the DCGAN D of 16 pixels: conv 0, leaky 1, conv 2, norm 3, leaky 4, conv 5
    kept = {k for k in same(before, after) if "running" not in k and "num_b" not in k}
    assert kept == {"D.main.0.weight", "D.main.2.weight", "D.main.3.weight", "D.main.3.bias"}
    assert "D.main.3.running_mean" not in same(before, after)


def test_freezing_nothing_gives_the_same_recipe():
    recipe = get("dcgan")
    assert with_frozen(recipe, 0) is recipe


def test_a_frozen_game_takes_the_steps_that_the_layers_behind_would_take_alone():
    # oracle: D is a frozen linear map and a head, and SGD moves the head alone by hand
    D = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    game = Game(nn.Linear(2, 2), D, None, optim.SGD(D.parameters(), 0.5), 2)
    freeze_layers(game, 1)
    assert trained_names(game) == ["1.weight", "1.bias"]
    head = D.children()[1]
    start = head.bias.data.copy()
    game.opt_d.step([head.weight * 0.0, head.bias * 0.0 + 1.0])
    np.testing.assert_allclose(head.bias.data, start - 0.5, rtol=1e-6)


def test_a_frozen_game_resumes_bit_for_bit():
    recipe = with_frozen(get("dcgan"), 1)
    config = recipe.config(**TINY)
    batches = data.Batches(data.load("digits:16"), config.batch, seed=1)
    *_, half = fit(recipe, batches, steps=3, seed=2, config=config)
    state = half.state()
    *_, resumed = fit(recipe, batches, steps=6, seed=2, config=config, resume=state)
    straight = trained(recipe, 6)
    assert straight.state()[1] == resumed.state()[1]
    assert same(straight.state()[0], resumed.state()[0]) == set(straight.state()[0])


@pytest.mark.parametrize("kind", ["ExtraAdam", "OptimisticAdam"])
def test_an_optimizer_around_another_leaves_out_the_same(kind):
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    opt = getattr(optim, kind)(net.parameters(), 0.1)
    opt.leave_out(net.children()[0].parameters())
    assert opt.params is opt.inner.params
    assert len(opt.params) == len(opt.steps) == len(opt.inner.slots["exp_avg"]) == 2
    shapes = [p.shape for p in opt.params]
    assert all([x.shape for x in kept] == shapes for kept in opt.slots.values())
    opt.load_state_dict(opt.state_dict())


@pytest.mark.parametrize("layers", [-1, 3, 9])
def test_a_number_of_layers_that_does_not_fit_is_named(layers):
    game = game_of()
    with pytest.raises(OptionError, match=f"freeze_d={layers}: D has 3 layers"):
        freeze_layers(game, layers)
    assert len(game.opt_d.params) == len(game.D.parameters())


def test_leaving_out_all_parameters_is_refused():
    net = nn.Linear(2, 3)
    with pytest.raises(OptionError, match="all 2 parameters"):
        optim.SGD(net.parameters(), 0.1).leave_out(net.parameters())


def test_spectral_norms_weights_are_frozen_too():
    D = DCGANDiscriminator((1, 16, 16), ndf=2)
    for layer in D.modules():
        if isinstance(layer, nn.Conv2d):
            nn.utils.spectral_norm(layer)
    game = Game(nn.Linear(2, 2), D, None, optim.SGD(D.parameters(), 0.5), 2)
    freeze_layers(game, 1)
    left = trained_names(game)
    assert "main.0.weight_orig" not in left
    assert "main.2.weight_orig" in left


CLASSES = {"text_to_image": 120}
SHAPES = {"video": (4, 16, 16), "pix2pix": (2, 16, 16), "cyclegan": (2, 16, 16)}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_takes_its_own_weights_and_freezes_a_layer(name):
    recipe = with_frozen(get(name), 1)
    sizes = {"hidden": 8, "ngf": 8, "ndf": 8, "nf": 8, "nz": 4}
    fields = {f: size for f, size in sizes.items() if hasattr(recipe.config(), f)}
    fields |= {"num_classes": CLASSES.get(name, 3)} if recipe.labelled else {}
    config = recipe.config(**fields, batch=4)
    shape = SHAPES.get(name, (1, 16, 16))
    source, game = (new_game(recipe, shape, seed=s, config=config) for s in (1, 2))
    assert len(game.opt_d.params) < len(source.D.parameters()) or "extra" in vars(game)
    assert start_from(game, source.state()[0], num_classes=fields.get("num_classes", 0)) == []
    ours, theirs = arrays(game, "G", "D"), arrays(source, "G", "D")
    assert same(ours, theirs) == set(ours)


# --- weights of others ---


def test_players_start_from_the_weights_and_the_optimizers_afresh():
    source = trained(get("dcgan"), 2)
    game = game_of(seed=5)
    fresh = arrays(game, "opt_g", "opt_d")
    assert start_from(game, source.state()[0]) == []
    ours, theirs = arrays(game, "G", "D"), arrays(source, "G", "D")
    assert same(ours, theirs) == set(theirs)
    assert same(arrays(game, "opt_g", "opt_d"), fresh) == set(fresh)
    assert game.step == 0


def test_an_average_starts_from_the_average_or_else_from_g():
    source = trained(get("dcgan"), 2, half_life_kimg=0.01)
    game = game_of(seed=5, half_life_kimg=1.0)
    start_from(game, source.state()[0])
    assert same(arrays(game, "ema"), arrays(source, "ema")) == set(arrays(game, "ema"))
    plain = arrays(source, "G", "D")
    start_from(game, plain)
    assert all((x == plain["G." + k[4:]]).all() for k, x in arrays(game, "ema").items())


def test_a_generator_alone_leaves_d_as_it_is_and_says_so():
    game = game_of(seed=5)
    before = arrays(game, "D")
    (line,) = start_from(game, arrays(game_of(seed=6), "G"))
    assert line.startswith("D starts from random weights")
    assert same(before, arrays(game, "D")) == set(before)


@pytest.mark.parametrize("name", ["cgan", "acgan", "projection"])
def test_what_depends_on_the_number_of_classes_starts_afresh(name):
    source, game = game_of(name, num_classes=5), game_of(name, seed=5, num_classes=3)
    before = game.state()[0]
    lines = start_from(game, source.state()[0], num_classes=5)
    assert lines
    assert all("the classes are others" in line for line in lines)
    after, theirs = game.state()[0], source.state()[0]
    for key in arrays(game, "G", "D"):
        other = before[key].shape != theirs[key].shape
        assert any(key in line for line in lines) == other
        assert after[key].tobytes() == (before if other else theirs)[key].tobytes()


def test_misfits_are_listed_and_nothing_changes():
    game = game_of()
    before = game.state()[0]
    with pytest.raises(StateError, match=r"G\.main\.0\.weight is \(4, 4, 4, 4\) here but \(4, 6"):
        start_from(game, game_of(ngf=3).state()[0])
    with pytest.raises(StateError, match=r"there; G\.main\.1\..* and \d+ more$"):
        start_from(game, game_of(shape=(1, 8, 8)).state()[0])
    own = game.state()[0]
    without = {k: x for k, x in own.items() if k != "D.main.0.weight"}
    with pytest.raises(StateError, match=r"fit: missing D\.main\.0\.weight$"):
        start_from(game, without)
    with pytest.raises(StateError, match=r"fit: unexpected D\.extra$"):
        start_from(game, own | {"D.extra": np.zeros(3)})
    with pytest.raises(StateError, match="no generator"):
        start_from(game, {"D.main.0.weight": np.zeros(3)})
    assert same(before, game.state()[0]) == set(before)
