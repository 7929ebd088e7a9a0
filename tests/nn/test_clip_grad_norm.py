"""clip_grad_norm_ on parameters and on gradients."""

import math

import numpy as np
import pytest

from tinygan import nn
from tinygan.autograd import Tensor, grad
from tinygan.errors import OptionError
from tinygan.nn.utils import clip_grad_norm_


def gradients():
    return [Tensor(np.array([3.0, 0.0], np.float32)), Tensor(np.array([[4.0]], np.float32))]


def test_gradients_beyond_the_bound_are_scaled_together():
    gs = gradients()
    assert clip_grad_norm_(gs, 1.0) == pytest.approx(5)
    np.testing.assert_allclose(gs[0].data, [0.6, 0], rtol=1e-5)
    np.testing.assert_allclose(gs[1].data, [[0.8]], rtol=1e-5)
    assert gs[0].dtype == np.float32


def test_gradients_within_the_bound_stay_as_they_are():
    gs = gradients()
    assert clip_grad_norm_(gs, 5.1) == pytest.approx(5)
    np.testing.assert_array_equal(gs[0].data, [3, 0])
    assert gs[0].version == 0


def test_parameters_have_their_grad_fields_clipped():
    layer = nn.Linear(2, 1, bias=False)
    (layer(Tensor([[3.0, 4.0]])).sum()).backward()
    weight = layer.weight.data.copy()
    assert clip_grad_norm_(layer.parameters(), 1.0) == pytest.approx(5)
    np.testing.assert_allclose(layer.weight.grad.data, [[0.6, 0.8]], rtol=1e-5)
    np.testing.assert_array_equal(layer.weight.data, weight)


def test_parameters_without_gradient_are_passed_over():
    layer = nn.Linear(2, 2)
    assert clip_grad_norm_(layer.parameters(), 1.0) == 0


def test_one_tensor_that_is_the_gradient_of_two_is_scaled_once():
    a, b = nn.Parameter([3.0, 0.0]), nn.Parameter([0.0, 4.0])
    ga, gb = grad((a + b).sum() * 3.0, [a, b])
    assert clip_grad_norm_([ga, gb], 1.0) == pytest.approx(6)
    np.testing.assert_allclose(ga.data, [0.5, 0.5], rtol=1e-5)
    np.testing.assert_allclose(gb.data, [0.5, 0.5], rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_is_returned_and_nothing_is_scaled(bad):
    gs = [Tensor(np.array([bad, 9.0], np.float32)), Tensor(np.full(2, 9, np.float32))]
    assert not math.isfinite(clip_grad_norm_(gs, 1.0))
    np.testing.assert_array_equal(gs[0].data, [bad, 9])
    np.testing.assert_array_equal(gs[1].data, [9, 9])


def test_huge_gradients_do_not_overflow():
    gs = [Tensor(np.array([3e30, 4e30], np.float32))]
    assert clip_grad_norm_(gs, 1.0) == pytest.approx(5e30)
    np.testing.assert_allclose(gs[0].data, [0.6, 0.8], rtol=1e-5)


def test_the_bound_must_be_positive():
    with pytest.raises(OptionError, match="max_norm 0"):
        clip_grad_norm_(gradients(), 0)
