"""A step that stops being finite: the right op is named, and the game is put back."""

import dataclasses

import numpy as np
import pytest

from tinygan import data, recipes
from tinygan.autograd.op import watching
from tinygan.errors import DivergedError
from tinygan.gan import advance, fit, new_game
from tinygan.gan.finite import is_finite
from tinygan.gan.loop import Source

CONFIGS = {
    "dcgan": {"batch": 8, "ngf": 2, "ndf": 2, "nz": 4},
    "wgan_gp": {"batch": 8, "ngf": 2, "ndf": 2, "nz": 4, "n_critic": 1},
}


def small(name):
    recipe = recipes.get(name)
    return recipe, recipe.config(**CONFIGS[name])


def digits(batch=8):
    return data.Batches(data.load("digits", size=8), batch, seed=0)


def play(name, steps, batches=None):
    recipe, config = small(name)
    game = None
    for game in fit(recipe, batches or digits(), steps=steps, config=config):  # noqa: B007
        pass
    return game


def ops_of(name):
    """Every op that a step of the recipe runs, forward and reverse, with its number of calls."""
    found = {}

    def note(op, xs, ys):
        if ys[0].dtype.kind == "f":
            found[op] = found.get(op, 0) + 1

    with watching(note):
        play(name, 1)
    return found


class Poison:
    """Turn one result of an op into NaN, in step 2, as often as that is taken."""

    def __init__(self, op, call, game):
        self.op, self.call, self.game, self.forward = op, call, game, op.forward
        self.count, self.step = 0, 0

    def __call__(self, *arrays, **params):
        out = self.forward(*arrays, **params)
        self.count += 1
        if self.game.step == 2 and self.count == self.call:
            first = np.array(out[0] if isinstance(out, tuple) else out, order="K")
            first[...] = np.nan
            return (first, *out[1:]) if isinstance(out, tuple) else first
        return out


@pytest.mark.parametrize(("name", "every"), [("dcgan", 1), ("wgan_gp", 4)])
def test_the_op_that_made_the_first_nan_is_named(name, every, monkeypatch):
    recipe, config = small(name)
    right, silent, wrong = 0, 0, []
    for op, calls in ops_of(name).items():
        for call in range(1, calls + 1, every):
            game = new_game(recipe, (1, 8, 8), config=config)
            source = Source(digits())
            advance(recipe, game, source)
            poison = Poison(op, call, game)
            take = recipe.step

            def counted(game, batches, take=take, poison=poison):
                poison.count = 0
                return take(game, batches)

            with monkeypatch.context() as patch:
                patch.setattr(op, "forward", poison)
                try:
                    advance(dataclasses.replace(recipe, step=counted), game, source)
                    silent += 1  # nothing that training keeps depends on this result
                except DivergedError as error:
                    if f"op {op.name!r} made it" in str(error) and "step 2" in str(error):
                        right += 1
                    else:
                        wrong.append((op.name, call, str(error)))
    assert right >= 20
    assert silent <= right // 3  # a NaN below zero of a ReLU, say
    assert not wrong


def test_the_game_is_put_back_to_before_the_step():
    recipe, config = small("dcgan")
    bad = np.full((8, 1, 8, 8), np.nan, np.float32)
    game = new_game(recipe, (1, 8, 8), config=config)
    source = Source([*[next(digits())] * 2, bad])
    advance(recipe, game, source)
    advance(recipe, game, source)
    before = game.state()
    with pytest.raises(DivergedError, match="step 3"):
        advance(recipe, game, source)
    assert game.step == 2
    after = game.state()
    for name, array in before[0].items():
        assert array.tobytes() == after[0][name].tobytes(), name
    assert before[1] == after[1]


def test_a_batch_that_is_not_finite_is_blamed_on_the_data():
    bad = next(digits()).copy()
    bad[3, 0, 2, 2] = np.inf
    with pytest.raises(DivergedError, match="step 1: loss_d is nan: the batch of real samples"):
        play("dcgan", 1, [bad])


def test_a_weight_that_was_never_finite_is_named():
    recipe, config = small("dcgan")
    game = new_game(recipe, (1, 8, 8), config=config)
    weight = game.D.named_parameters()["main.0.weight"]
    broken = weight.data.copy()
    broken[0, 0, 0, 0] = np.nan
    weight.assign_(broken)
    with pytest.raises(DivergedError, match=r"D\.main\.0\.weight was not finite before the step"):
        advance(recipe, game, Source(digits()))


def test_an_update_that_overflows_is_blamed_on_the_update():
    recipe, config = small("dcgan")
    game = new_game(recipe, (1, 8, 8), config=config)
    game.opt_g.lr = float("inf")
    with pytest.raises(DivergedError, match=r"parameter G\.main.* the update made it"):
        advance(recipe, game, Source(digits()))


def test_a_fault_that_does_not_return_is_said_to_be_so():
    recipe, config = small("dcgan")
    answers = iter([float("nan"), 0.0])

    def step(game, batches):
        return recipe.step(game, batches) | {"loss_g": next(answers)}

    game = new_game(recipe, (1, 8, 8), config=config)
    with pytest.raises(DivergedError, match="did not happen again"):
        advance(dataclasses.replace(recipe, step=step), game, Source(digits()))


def test_sums_that_overflow_are_not_mistaken_for_infinite_entries():
    with np.errstate(over="ignore"):
        assert is_finite(np.full(4, 3e38, np.float32))
    assert not is_finite(np.array([np.inf, -np.inf, 1.0]))
    assert is_finite(np.array([1, 2]))


def test_watching_ends_with_its_block():
    from tinygan import ops
    from tinygan.autograd import Tensor

    seen = []
    with watching(lambda op, xs, ys: seen.append(op.name)):
        ops.exp(Tensor(1.0))
    ops.exp(Tensor(1.0))
    assert seen == ["exp"]
