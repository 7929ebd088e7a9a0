"""Memory while a game is trained: whose allocator is in place, what a step holds, and no leak."""

import dataclasses
import json
import os
import subprocess
import sys
import weakref
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from conftest import require
from numpy._core.multiarray import get_handler_name

from tinygan import Tensor, data, recipes
from tinygan.autograd.op import watching
from tinygan.errors import DivergedError
from tinygan.gan import Source, advance, fit, loop, new_game
from tinygan.kernels.memory import memory_stats

ROOT = Path(__file__).parents[2]
NUMPYS, OURS = "default_allocator", "tinygan_cache"
SMALL = {"batch": 16, "nz": 8, "ngf": 8, "ndf": 8}


@pytest.fixture(autouse=True)
def numpys_allocator_is_back():
    require("cpp")
    yield
    assert get_handler_name() == NUMPYS


def dcgan(step=None):
    """Return the recipe, another step in its place if given, and its small config."""
    recipe = recipes.get("dcgan")
    return dataclasses.replace(recipe, step=step or recipe.step), recipe.config(**SMALL)


def train(step=None, steps=3):
    recipe, config = dcgan(step)
    batches = data.Batches(data.load("digits:16"), config.batch, seed=1)
    return fit(recipe, batches, steps=steps, config=config, seed=2)


# --- whose allocator ---


def test_a_step_allocates_from_the_cache_and_the_callers_loop_does_not():
    within = []

    def step(game, batches):
        within.append(get_handler_name())
        return recipes.get("dcgan").step(game, batches)

    for game in train(step):
        assert get_handler_name() == get_handler_name(np.ones(10**6)) == NUMPYS
        assert get_handler_name(game.sample(2)) == NUMPYS
    assert within == [OURS] * 3


def test_an_error_in_a_step_or_in_the_loop_and_an_early_end_put_numpys_allocator_back():
    def broken(_game, _batches):
        raise KeyError(get_handler_name())

    with pytest.raises(KeyError, match=OURS):
        next(train(broken))
    assert get_handler_name() == NUMPYS
    with pytest.raises(DivergedError):
        next(train(lambda _game, _batches: {"loss_d": float("nan")}))
    assert get_handler_name() == NUMPYS
    games = train()
    next(games)
    with pytest.raises(KeyError, match=NUMPYS):
        games.throw(KeyError(get_handler_name()))  # as an error in the caller's loop
    assert get_handler_name() == NUMPYS
    games = train()
    next(games)
    games.close()
    assert get_handler_name() == NUMPYS


def test_two_games_may_take_turns():
    for a, b in zip(train(), train(), strict=True):
        assert get_handler_name() == NUMPYS
        assert a.metrics == b.metrics


def test_fit_gives_its_idle_memory_back_at_its_end_and_when_it_is_closed():
    if memory_stats().hits == 0 and memory_stats().misses == 0:
        pytest.skip("built for a sanitizer: no cache")
    for _ in train():
        assert memory_stats().idle > 0
    assert memory_stats().idle == 0
    games = train()
    next(games)
    assert memory_stats().idle > 0
    games.close()
    assert memory_stats().idle == 0


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp"])
def test_the_bits_are_those_of_numpys_own_allocator(name, monkeypatch):
    recipe = recipes.get(name)
    config = recipe.config(**({"batch": 16} if name == "dcgan" else {"batch": 8, "n_critic": 2}))
    bits = []
    for caching in (loop.caching, nullcontext):
        monkeypatch.setattr(loop, "caching", caching)
        batches = data.Batches(data.load("digits:16"), config.batch, seed=1)
        *_, game = fit(recipe, batches, steps=3, config=config, seed=2)
        bits.append({key: a.tobytes() for key, a in game.state()[0].items()})
    assert bits[0] == bits[1]


# --- what a step holds ---


class Made:
    """The tensors that ops made, weakly."""

    def __init__(self):
        self.refs = []

    def note(self, _op, _inputs, outputs):
        self.refs += map(weakref.ref, outputs)

    def alive(self):
        """Return how many bytes of arrays those that are still alive hold."""
        found = [t.data for t in (ref() for ref in self.refs) if t is not None]
        owners = {id(a): a for a in (a if a.base is None else a.base for a in found)}
        return sum(a.nbytes for a in owners.values())


def held_by_reverse_passes(monkeypatch, keep=False):
    """Take a DCGAN step; return the bytes of activations before each reverse pass, and at its end.

    At its end means: after its last op, while its own variables are alive.
    """
    forward, passes, plain = Made(), [], loop.grad

    def looking(loss, inputs):
        held = [forward.alive()]
        with watching(lambda *_: held.append(forward.alive())):
            found = plain(loss, inputs, retain_graph=keep)
        passes.append((held[0], held[-1]))
        return found

    recipe, config = dcgan()
    batches = Source(data.Batches(data.load("digits:16"), config.batch, seed=1))
    game = new_game(recipe, (1, 16, 16), config=config, seed=2)
    with monkeypatch.context() as patched, watching(forward.note):
        patched.setattr(loop, "grad", looking)
        advance(recipe, game, batches)
    return passes


def test_activations_are_freed_as_the_reverse_pass_goes(monkeypatch):
    of_d, of_g = held_by_reverse_passes(monkeypatch)
    fakes, first_layer = 16 * 16 * 16 * 4, 16 * (16 * 4 * 4) * 4  # bytes
    # of a graph that keeps no values that no rule reads
    assert of_g[1] < fakes + first_layer + 1024 < 0.18 * of_g[0]
    # G's graph waits for its own turn, as the players share z; D's, on reals and on fakes, is gone
    # but for the operands of its last op: the batch, and the cotangent of the first layer
    assert of_d[0] - of_d[1] > 0.35 * of_d[0]
    kept_d, kept_g = held_by_reverse_passes(monkeypatch, keep=True)
    assert kept_d == (of_d[0], of_d[0])  # the measure sees what a graph holds
    assert kept_g[0] == kept_g[1]


def test_the_former_fakes_graph_is_gone_before_g_runs_again():
    recipe, config = dcgan()
    game = new_game(recipe, (1, 16, 16), config=config, seed=2)
    former = weakref.ref(game.fake(game.latent(4)))
    seen = []
    plain = game.G.forward
    game.G.forward = lambda z: seen.append(former()) or plain(z)
    assert isinstance(game.fake(game.latent(4)), Tensor)
    assert seen == [None]


# --- no leak ---

LEAK = """
import gc, json, os, resource, sys
from tinygan import data, recipes
from tinygan.gan import fit
from tinygan.kernels.memory import memory_stats

warm, steps = map(int, sys.argv[1:])

def look():
    gc.collect()
    pages = int(open("/proc/self/statm").read().split()[1])
    stats = memory_stats()
    return [pages * resource.getpagesize(), stats.in_use, stats.in_use + stats.idle, stats.misses]

recipe = recipes.get("dcgan")
config = recipe.config(batch=16, nz=8, ngf=8, ndf=8, half_life_kimg=1.0)
batches = data.Batches(data.load("digits:16"), config.batch, seed=1)
seen = []
for game in fit(recipe, batches, steps=steps, config=config):
    if game.step == warm or game.step == steps:
        seen.append(look())
print(json.dumps(seen))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc: no resident memory")
def test_memory_stays_flat_over_many_steps(soak, count):
    steps = 10_000 if soak else 300
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    warm = max(100, steps // 10)  # the interpreter's own memory settles in some hundred steps
    command = [sys.executable, "-c", LEAK, str(warm), str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=1200)
    assert done.returncode == 0, done.stderr[-3000:]
    (resident, in_use, mapped, misses), last = json.loads(done.stdout)
    assert last[0] < 1.01 * resident, f"{last[0] - resident} bytes in {steps - warm} steps"
    assert last[1:] == [in_use, mapped, misses]  # not one block more
    count("steps of training without a leak", steps)
