"""The game, alternating and fit: what a step may touch, and what a run depends on."""

import dataclasses

import numpy as np
import pytest

from tinygan import data, nn, ops, optim, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import DataError, OptionError, ShapeError, StateError
from tinygan.gan import EMA, Game, Recipe, ReplayPool, alternating, fit, new_game
from tinygan.optim import LinearDecay


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    batch: int = 4
    n_critic: int = 1
    half_life_kimg: float = 0.0


def setup(config, data_shape):
    G, D = nn.Linear(3, data_shape[0]), nn.Linear(data_shape[0], 1)
    return Game(
        G,
        D,
        optim.SGD(G.parameters(), 0.1),
        optim.SGD(D.parameters(), 0.1),
        3,
        ema=EMA.maybe(G, config.half_life_kimg),
    )


def d_loss(game, real, z):
    return ops.logistic_d_loss(game.D(real), game.D(game.fake(z).detach()))


def g_loss(game, z):
    return ops.nonsaturating_g_loss(game.D(game.fake(z)))


def recipe(step=None, **kwargs):
    return Recipe("toy", "none", setup, step or alternating(d_loss, g_loss, **kwargs), Config)


def points(batch=4, seed=5):
    return data.Batches(data.load("ring"), batch, seed=seed)


def last(games):
    for game in games:  # noqa: B007 - the last one is asked for
        pass
    return game


def weights(game):
    return {name: a.copy() for name, a in game.state()[0].items()}


def assert_same_bits(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


# --- fit ---


def test_fit_yields_every_step_with_its_metrics():
    steps = []
    for game in fit(recipe(), points(), steps=3):
        steps.append(game.step)
        assert set(game.metrics) == {"loss_d", "loss_g"}
    assert steps == [1, 2, 3]


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    runs = [weights(last(fit(recipe(), points(), steps=4, seed=s))) for s in (1, 1, 2)]
    assert_same_bits(runs[0], runs[1])
    assert not np.array_equal(runs[0]["G.weight"], runs[2]["G.weight"])


def test_drawing_samples_does_not_change_the_run():
    straight = weights(last(fit(recipe(), points(), steps=4)))
    for game in fit(recipe(), points(), steps=4):
        game.sample(5)
        random.current().stream("z").normal(3)
    assert_same_bits(straight, weights(game))


def test_ambient_streams_do_not_leak_to_the_caller_between_steps():
    with random.using(random.Streams(99)) as mine:
        for game in fit(recipe(), points(), steps=2):
            assert random.current() is mine
            assert game.streams is not mine


def test_two_interleaved_runs_do_not_disturb_each_other():
    alone = weights(last(fit(recipe(), points(), steps=5, seed=1)))
    first, second = (fit(recipe(), points(), steps=5, seed=s) for s in (1, 2))
    for game, _ in zip(first, second, strict=True):  # noqa: B007 - the last one is asked for
        pass
    assert_same_bits(alone, weights(game))


def test_resumed_run_counts_steps_from_the_saved_one():
    half = last(fit(recipe(), points(), steps=2)).state()
    games = fit(recipe(), points(), steps=4, resume=half)
    assert [g.step for g in games] == [3, 4]
    assert not list(fit(recipe(), points(), steps=2, resume=half))


def test_batches_that_end_are_an_error_of_the_data():
    with pytest.raises(DataError, match="ended"):
        last(fit(recipe(), [np.zeros((4, 2), np.float32)] * 2, steps=3))


def test_a_batch_of_another_shape_is_named():
    batches = [np.zeros((4, 2), np.float32), np.zeros((4, 3), np.float32)]
    with pytest.raises(ShapeError, match=r"\(4, 3\)"):
        last(fit(recipe(), batches, steps=2))


def test_a_configuration_of_another_recipe_is_refused():
    with pytest.raises(OptionError, match="toy takes"):
        new_game(recipe(), (2,), config=object())


def test_batches_reach_the_step_channels_last():
    seen = []

    def step(game, batches):
        seen.append(next(batches))
        return {}

    batch = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    last(fit(recipe(step), [batch], steps=1))
    assert seen[0].transpose(0, 2, 3, 1).flags.c_contiguous
    np.testing.assert_array_equal(seen[0], batch)


def test_labelled_batches_keep_their_labels():
    def step(game, batches):
        x, y = next(batches)
        return {"n": float(x.shape[0]), "sum": float(y.sum())}

    pairs = [(np.zeros((2, 2), np.float32), np.array([3, 4]))]
    assert last(fit(recipe(step), pairs, steps=1)).metrics == {"n": 2.0, "sum": 7.0}


# --- alternating ---


def test_n_critic_of_the_configuration_wins_over_the_recipes():
    served = iter(points())
    count = []

    def counted():
        for batch in served:
            count.append(1)
            yield batch

    game = last(fit(recipe(n_critic=2), counted(), steps=2, config=Config(n_critic=3)))
    assert len(count) == 6
    assert game.opt_d.step_count == 6
    assert game.opt_g.step_count == 2


def test_the_generator_step_never_computes_the_gradient_of_the_discriminators_weights():
    # D's weights are on the way from the loss to G; a rule must not be asked for their cotangent
    from tinygan.autograd.op import watching

    game = new_game(recipe(), (2,))
    z = game.latent(4)
    loss = g_loss(game, z)
    names = []
    with watching(lambda op, xs, ys: names.append((op.name, ys[0].shape))):
        grad(loss, game.opt_g.params)
    products = "linear_xgrad", "linear_wgrad"
    shapes = [shape for name, shape in names if name in products]
    assert shapes, names
    assert game.D.weight.shape not in shapes
    assert game.D.weight.shape[::-1] not in shapes


def test_the_discriminator_step_leaves_the_generator_alone():
    seen = {}

    def watched_d(game, real, z):
        seen["before"] = [p.data.copy() for p in game.G.parameters()]
        return d_loss(game, real, z)

    def watched_g(game, z):
        for p, old in zip(game.G.parameters(), seen["before"], strict=True):
            np.testing.assert_array_equal(p.data, old)
        seen["D"] = [p.data.copy() for p in game.D.parameters()]
        return g_loss(game, z)

    game = last(fit(recipe(alternating(watched_d, watched_g)), points(), steps=1))
    for p, old in zip(game.D.parameters(), seen["D"], strict=True):
        np.testing.assert_array_equal(p.data, old)
    assert any(
        (p.data != o).any() for p, o in zip(game.G.parameters(), seen["before"], strict=True)
    )


def test_players_that_share_z_run_the_generator_once():
    calls = []

    class Counting(nn.Linear):
        def forward(self, x):
            calls.append(1)
            return super().forward(x)

    def counting_setup(config, shape):
        game = setup(config, shape)
        game.G = Counting(3, 2)
        game.opt_g = optim.SGD(game.G.parameters(), 0.1)
        return game

    for share_z, expected in ((True, 1), (False, 2)):
        calls.clear()
        step = alternating(d_loss, g_loss, share_z=share_z)
        last(fit(Recipe("toy", "none", counting_setup, step, Config), points(), steps=1))
        assert len(calls) == expected


def test_a_fake_is_made_anew_once_the_generator_has_changed():
    game = new_game(recipe(), (2,))
    z = game.latent(4)
    first = game.fake(z)
    assert game.fake(z) is first
    game.opt_g.step([Tensor(np.ones_like(p.data)) for p in game.opt_g.params])
    assert game.fake(z) is not first


def test_fakes_can_pose_for_one_z_and_the_game_has_its_own_back_afterwards():
    game = new_game(recipe(), (2,))
    z, other, G = game.latent(4), game.latent(4), game.G
    own, posing = game.fake(z), Tensor(np.full((4, 2), 7, np.float32))
    with game.posing(z, posing):
        assert game.fake(z) is posing
        assert game.G(z) is posing
        np.testing.assert_array_equal(game.G(other).data, G(other).data)
    assert game.G is G
    assert not np.array_equal(game.G(z).data, posing.data)
    assert game.fake(z) is own


# --- sampling ---


def test_samples_are_the_same_at_every_call_and_differ_by_seed():
    game = new_game(recipe(), (2,))
    np.testing.assert_array_equal(game.sample(6), game.sample(6))
    np.testing.assert_array_equal(game.sample(9)[:6], game.sample(6))
    assert not np.array_equal(game.sample(6, seed=8), game.sample(6))


def test_truncation_bounds_the_z_of_samples():
    game = new_game(recipe(), (2,))
    game.G = nn.Identity()
    plain, cut = game.sample(400), game.sample(400, truncation=0.7)
    np.testing.assert_array_equal(plain, random.Stream(0, "sample").normal((400, 3)))
    assert np.abs(plain).max() > 2
    assert 0.65 < np.abs(cut).max() <= 0.7
    np.testing.assert_array_equal(np.sign(plain), np.sign(cut))  # the same samples, drawn in
    with pytest.raises(OptionError, match="truncation -1: a bound above 0 fits"):
        game.sample(1, truncation=-1)


def test_sampling_uses_the_average_in_evaluation_mode_and_leaves_the_modes_alone():
    game = new_game(recipe(), (2,), config=Config(half_life_kimg=1.0))
    modes = []
    game.ema.module.forward = lambda z: modes.append(game.ema.module.training) or z[:, :2]
    game.sample(3)
    assert modes == [False]
    assert game.ema.module.training
    assert not np.array_equal(game.sample(3), game.sample(3, ema=False))


# --- state ---


def test_a_state_is_a_copy():
    game = new_game(recipe(), (2,), config=Config(half_life_kimg=1.0))
    for array in game.state()[0].values():
        array[...] = 7
    assert not any((a == 7).any() for a in game.state()[0].values())


def test_state_names_every_part_and_restore_takes_it_back():
    game = last(fit(recipe(), points(), steps=2, config=Config(half_life_kimg=1.0)))
    game.extra["pool"] = ReplayPool(2)
    game.extra["pool"].query(Tensor(np.ones((3, 2), np.float32)))
    tensors, scalars = game.state()
    assert {"G.weight", "D.bias", "ema.weight", "pool.images"} <= tensors.keys()
    assert scalars["step"] == 2
    other = new_game(recipe(), (2,), seed=4, config=Config(half_life_kimg=1.0))
    other.extra["pool"] = ReplayPool(2)
    other.restore(tensors, scalars)
    assert_same_bits(tensors, other.state()[0])
    assert other.step == 2


def test_a_state_with_unknown_or_missing_parts_is_refused():
    game = new_game(recipe(), (2,))
    tensors, scalars = game.state()
    with pytest.raises(StateError, match="netX"):
        game.restore({**tensors, "netX.weight": np.zeros(2)}, scalars)
    with pytest.raises(StateError, match="no step"):
        game.restore(tensors, {k: v for k, v in scalars.items() if k != "step"})
    with pytest.raises(StateError, match="weight"):
        game.restore({k: v for k, v in tensors.items() if k != "G.weight"}, scalars)


def test_schedules_set_the_learning_rate_of_each_step():
    def scheduled(config, shape):
        game = setup(config, shape)
        game.schedules.append((game.opt_g, LinearDecay(0, 4)))
        return game

    games = fit(Recipe("toy", "none", scheduled, recipe().step, Config), points(), steps=4)
    assert [round(g.opt_g.lr, 6) for g in games] == [0.1, 0.075, 0.05, 0.025]


def test_a_recipe_is_summed_up_by_the_first_line_of_its_file():
    assert (
        recipe().summary
        == "The game, alternating and fit: what a step may touch, and what a run depends on."
    )
