"""The moving average's half-life, and the image pool."""

import numpy as np
import pytest

from tinygan import nn, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import GraphError, OptionError, StateError
from tinygan.gan import EMA, ReplayPool, instance_noise


def test_half_of_an_old_weight_is_left_after_the_half_life():
    net = nn.Linear(2, 2)
    net.weight.assign_(np.full((2, 2), 4.0, np.float32))
    ema = EMA(net, half_life_kimg=0.5)
    net.weight.assign_(np.zeros((2, 2), np.float32))
    for _ in range(10):
        ema.update(net, 50)  # 500 images in all
    np.testing.assert_allclose(ema.module.weight.data, 2.0, rtol=1e-5)


def test_decay_depends_on_images_and_not_on_the_batch_size():
    ema = EMA(nn.Linear(1, 1), half_life_kimg=3.0)
    assert ema.decay(64) ** 2 == pytest.approx(ema.decay(128))


def test_buffers_are_copied_and_not_averaged():
    net = nn.BatchNorm1d(3)
    ema = EMA(net, half_life_kimg=10.0)
    net(Tensor(np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)))
    ema.update(net, 8)
    for name, buffer in net.named_buffers().items():
        np.testing.assert_array_equal(ema.module.named_buffers()[name].data, buffer.data)
        assert ema.module.named_buffers()[name].data is not buffer.data


def test_the_average_is_a_second_instance_that_shares_nothing():
    net = nn.Linear(2, 2)
    ema = EMA(net, half_life_kimg=1.0)
    before = ema.module.weight.data.copy()
    net.weight.assign_(net.weight.data + 1)
    np.testing.assert_array_equal(ema.module.weight.data, before)
    assert not ema.module.weight.requires_grad
    assert net.weight.requires_grad


def test_a_half_life_of_zero_means_no_average_and_below_zero_is_refused():
    assert EMA.maybe(nn.Linear(1, 1), 0.0) is None
    with pytest.raises(OptionError, match="half_life_kimg"):
        EMA(nn.Linear(1, 1), half_life_kimg=-1.0)


def fakes(first, n=4):
    return Tensor(np.stack([np.full((1, 2, 2), first + i, np.float32) for i in range(n)]))


def test_a_filling_pool_returns_the_new_fakes():
    pool = ReplayPool(8)
    np.testing.assert_array_equal(pool.query(fakes(0)).data, fakes(0).data)
    assert len(pool) == 4


def test_a_full_pool_exchanges_about_half_of_the_fakes():
    with random.using(random.Streams(0)):
        pool = ReplayPool(50)
        pool.query(fakes(0, 50))
        returned = pool.query(fakes(1000, 400)).data[:, 0, 0, 0]
        swapped = returned != np.arange(1000, 1400)
    assert 150 < swapped.sum() < 250
    # whatever came back is gone from the pool, and what it was exchanged for is in it
    kept = {float(x) for x in pool.state_dict()["images"][:, 0, 0, 0]}
    assert len(kept) == 50
    assert not kept & set(returned.tolist())


def test_a_pool_of_size_zero_is_off():
    x = fakes(3)
    np.testing.assert_array_equal(ReplayPool(0).query(x).data, x.data)


def test_a_pool_continues_from_its_state_in_the_same_bits():
    with random.using(random.Streams(1)) as streams:
        pool = ReplayPool(6)
        pool.query(fakes(0, 6))
        streams.step = 1
        state = pool.state_dict()
        straight = pool.query(fakes(100, 6)).data
        other = ReplayPool(6)
        other.load_state_dict(state)
        streams.step = 1
        resumed = other.query(fakes(100, 6)).data
    assert straight.tobytes() == resumed.tobytes()
    assert straight.strides == resumed.strides


def test_a_state_larger_than_the_pool_is_refused():
    pool = ReplayPool(6)
    pool.query(fakes(0, 6))
    with pytest.raises(StateError, match="6 images"):
        ReplayPool(2).load_state_dict(pool.state_dict())
    with pytest.raises(OptionError, match="size"):
        ReplayPool(-1)


def test_pool_cuts_the_graph():
    x = Tensor(np.ones((2, 1, 2, 2), np.float32), requires_grad=True)
    assert not ReplayPool(4).query(x * 2.0).requires_grad
    assert not ReplayPool(0).query(x * 2.0).requires_grad


def test_instance_noise_has_its_deviation_and_passes_the_gradient_through():
    x = Tensor(np.zeros((50, 1, 8, 8), np.float32), requires_grad=True)
    with random.using(random.Streams(0)):
        y = instance_noise(x, std=0.3)
        z = instance_noise(x, std=0.3)
    assert y.data.std() == pytest.approx(0.3, rel=0.05)
    assert not np.array_equal(y.data, z.data)
    np.testing.assert_array_equal(grad(y.sum(), x).data, 1)
    assert instance_noise(x, std=0.0) is x


def test_an_average_that_must_not_be_written_to_moves_to_a_copy():
    net = nn.Linear(2, 2)
    ema = EMA(net, half_life_kimg=1.0)
    zeros = np.broadcast_to(np.float32(0), (2, 2))
    ema.module.weight.assign_(zeros)
    ema.update(net, 1000)
    np.testing.assert_allclose(ema.module.weight.data, net.weight.data / 2, rtol=1e-6)
    assert (zeros == 0).all()


def test_a_graph_that_saved_an_averaged_weight_says_so_after_an_update():
    net = nn.Linear(2, 2)
    ema = EMA(net, half_life_kimg=1.0)
    x = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    loss = ema.module(x).sum()
    ema.update(net, 10)
    with pytest.raises(GraphError, match="changed since"):
        grad(loss, x)
