"""The perceptual distance in an in-house net: against its definition, and its slopes."""

import numpy as np
import pytest

from tinygan import Tensor, data, ops
from tinygan.autograd import grad
from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.house_distance import HouseDistance
from tinygan.metrics.house_nets import load_house_net


@pytest.fixture(scope="module")
def distance():
    return HouseDistance("digits_lenet")


def digits(n, first=0):
    return data.load("digits:16").take(np.arange(first, first + n))


def by_definition(x, y):
    body, total = load_house_net("digits_lenet").body, np.zeros(len(x))
    for taps in (2, 5):
        features = []
        for image in (x, y):
            h = Tensor(image)
            for layer in list(body)[:taps]:
                h = layer(h)
            f = h.data.astype(np.float64)
            features.append(f / np.sqrt((f**2).sum(1, keepdims=True) + 1e-6))
        total += ((features[0] - features[1]) ** 2).sum(1).mean((1, 2))
    return total


def test_it_sums_squared_gaps_of_unit_features_over_both_convolutions(distance):
    x, y = digits(5), digits(5, 100)
    np.testing.assert_allclose(distance.distance(x, y), by_definition(x, y), rtol=1e-4)


def test_it_is_0_for_equal_images_and_the_same_both_ways(distance):
    x, y = digits(300), digits(300, 300)  # more than a batch
    assert not distance.distance(x, x).any()
    np.testing.assert_allclose(distance.distance(x, y), distance.distance(y, x), rtol=1e-6)


def test_images_of_one_class_are_nearer_than_those_of_two(distance):
    dataset = data.load("digits:16")
    of = [dataset.take(np.flatnonzero(dataset.labels == k)[:100]) for k in (0, 1)]
    same = distance.distance(of[0][:50], of[0][50:]).mean()
    assert same < 0.8 * distance.distance(of[0][:50], of[1][:50]).mean()


def test_colour_counts_as_its_luma(distance):
    x, y = digits(3), digits(3, 100)
    rgb = [image.repeat(3, axis=1) for image in (x, y)]
    np.testing.assert_allclose(distance.distance(*rgb), distance.distance(x, y), rtol=1e-3)


def test_it_has_finite_slopes_also_where_an_image_is_flat(distance):
    x = Tensor(np.full((2, 1, 16, 16), -1.0, np.float32), requires_grad=True)
    slope = grad(ops.sum(distance(x, Tensor(digits(2)))), x)
    assert np.isfinite(slope.data).all()
    assert slope.data.any()


def test_what_does_not_fit_is_refused(distance):
    with pytest.raises(OptionError, match="feature net 'vgg'"):
        HouseDistance("vgg")
    x = digits(2)
    for a, b in ((x, x[:1]), (x[:, :, :3, :3], x[:, :, :3, :3]), (x[0], x[0])):
        with pytest.raises(ShapeError, match="distance in digits_lenet"):
            distance.distance(a, b)
    with pytest.raises(ShapeError, match="no images"):
        distance.distance(x[:0], x[:0])
