"""Mixtures of generators: samples are mixed by weight, pixels never."""

import numpy as np
import pytest

from tinygan import Tensor, nn, random
from tinygan.autograd import grad
from tinygan.errors import OptionError
from tinygan.gan import Mixture
from tinygan.gan.mixture import choose
from tinygan.random import Stream


class Constant(nn.Module):
    """z -> a value plus z times a slope, so that rows can be told apart."""

    def __init__(self, value, slope=0.0):
        super().__init__()
        self.value, self.slope = nn.Parameter(np.float32(value).reshape(1)), slope

    def forward(self, z, y=None):
        out = self.value + z * self.slope
        return out if y is None else out + Tensor(y.astype(np.float32)[:, None] * 100)


def mix(net, z, seed=0, step=1, y=None):
    streams = random.Streams(seed)
    streams.step = step
    with random.using(streams):
        return net(Tensor(z), *([] if y is None else [y])).numpy()


def test_each_sample_is_one_generators_and_the_weights_are_the_shares():
    n = 40_000
    out = mix(Mixture([Constant(0), Constant(1), Constant(2)], (1, 3, 0)), np.zeros((n, 1), "f4"))
    shares = [(out == k).mean() for k in range(3)]
    assert sum(shares) == 1  # no value between
    # 5 standard deviations of a binomial share
    assert abs(shares[1] - 0.75) < 5 * np.sqrt(0.75 * 0.25 / n)
    assert shares[2] == 0


def test_rows_keep_their_place_their_z_and_their_class():
    z = np.arange(50, dtype=np.float32)[:, None]
    y = np.arange(50) % 7
    out = mix(Mixture([Constant(0.0, 1.0), Constant(0.5, 1.0)]), z, y=y)
    rest = out[:, 0] - z[:, 0] - 100 * y
    assert set(np.unique(rest)) == {0.0, 0.5}


def test_a_step_draws_the_same_again_and_another_step_differently():
    net, z = Mixture([Constant(0), Constant(1)]), np.zeros((64, 1), np.float32)
    assert (mix(net, z) == mix(net, z)).all()
    assert (mix(net, z) != mix(net, z, step=2)).any()


def test_gradients_reach_each_generator_by_its_rows():
    a, b = Constant(0), Constant(1)
    streams = random.Streams(0)
    with random.using(streams):
        out = Mixture([a, b])(Tensor(np.zeros((32, 1), np.float32)))
    counts = [(out.numpy() == k).sum() for k in (0, 1)]
    found = grad(out.sum(), [a.value, b.value])
    assert [float(g.sum()) for g in found] == counts


def test_a_mixture_of_one_is_that_one():
    z = np.arange(5, dtype=np.float32)[:, None]
    assert (mix(Mixture([Constant(3, 2)]), z)[:, 0] == 3 + 2 * z[:, 0]).all()


def test_a_state_dict_has_all_generators():
    assert set(Mixture([Constant(0), Constant(1)]).state_dict()) == {
        "generators.0.value",
        "generators.1.value",
    }


def test_a_draw_at_the_upper_end_is_of_a_generator_with_weight():
    class Last:
        def uniform(self, shape, dtype):
            return np.full(shape, np.nextafter(1.0, 0.0))

    weights = [0.1] * 10 + [0.0]  # their running sum ends below 1
    assert np.cumsum(np.array(weights) / np.sum(weights))[-1] <= 1
    assert choose(3, weights, Last()).tolist() == [9, 9, 9]


@pytest.mark.parametrize("weights", [(1, -1), (0, 0), (np.nan, 1), (np.inf, 1), ()])
def test_weights_that_are_no_shares_are_refused(weights):
    with pytest.raises(OptionError, match="numbers from 0 on, one of them above 0"):
        choose(3, weights, Stream(0, "mixture"))


@pytest.mark.parametrize(("nets", "weights"), [([], None), ([Constant(0)], (1, 2))])
def test_a_weight_for_each_generator_is_asked_for(nets, weights):
    with pytest.raises(OptionError, match="one each fits"):
        Mixture(nets, weights)
