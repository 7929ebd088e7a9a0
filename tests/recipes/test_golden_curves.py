"""Twenty steps of each recipe in float64 give the losses that were stored; see ``golden.py``."""

import json

import golden
import numpy as np
import pytest

from tinygan.recipes import RECIPES

KNOWN = json.loads(golden.PATH.read_text())


def assert_alike(name, losses):
    stored = KNOWN[name]
    np.testing.assert_allclose(losses, stored["losses"], rtol=0, atol=100 * stored["spread"])


@pytest.mark.parametrize("name", RECIPES)
def test_the_losses_of_twenty_steps_are_the_stored_ones(name):
    assert name in KNOWN, f"python tests/recipes/golden.py {name} stores its curve"
    assert_alike(name, golden.curve(name))


def test_no_curve_is_stored_of_a_recipe_that_is_gone():
    assert KNOWN.keys() == RECIPES.keys()


@pytest.mark.parametrize("name", ["dcgan", "wgan_gp"])
def test_a_rate_that_is_off_by_a_millionth_is_seen(name):
    rate = RECIPES[name].config().lr * (1.0 + 1e-6)
    with pytest.raises(AssertionError):
        assert_alike(name, golden.curve(name, lr=rate))
