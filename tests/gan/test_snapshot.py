"""The state before a step comes back in every bit and in its memory order."""

import numpy as np

from tinygan import data, recipes
from tinygan.gan import Snapshot, advance, new_game
from tinygan.gan.loop import Source
from tinygan.gan.snapshot import named_tensors


def playing():
    """Return a small DCGAN with an average, after two steps, and what takes a step more."""
    recipe = recipes.get("dcgan")
    config = recipe.config(batch=8, ngf=2, ndf=2, nz=4, half_life_kimg=1.0)
    game = new_game(recipe, (1, 8, 8), config=config)
    source = Source(data.Batches(data.load("digits", size=8), 8, seed=0))

    def step():
        advance(recipe, game, source)

    step()
    step()
    return game, step


def bits(game):
    tensors, scalars = game.state()
    return {name: (a.tobytes(), a.shape) for name, a in tensors.items()}, scalars


def test_a_step_is_undone_in_every_bit():
    game, step = playing()
    snapshot, before = Snapshot(), bits(game)
    snapshot.take(game)
    step()
    assert bits(game) != before
    snapshot.put_back(game)
    assert bits(game) == before


def test_memory_order_comes_back_too():
    game, step = playing()
    weight = next(t for t in named_tensors(game).values() if t.ndim == 4 and min(t.shape) > 1)
    weight.assign_(np.asfortranarray(weight.data))
    strides = weight.data.strides
    snapshot = Snapshot()
    snapshot.take(game)
    step()
    snapshot.put_back(game)
    assert weight.data.strides == strides


def test_what_is_taken_does_not_follow_the_game_and_its_memory_is_used_again():
    game, step = playing()
    snapshot = Snapshot()
    snapshot.take(game)
    copies = dict(snapshot._copies)
    kept = {name: a.copy() for name, a in copies.items()}
    step()
    for name, a in copies.items():
        np.testing.assert_array_equal(a, kept[name])
    snapshot.take(game)
    assert all(snapshot._copies[name] is a for name, a in copies.items())
