"""The Inception Score: its closed forms, and the field's definition chunk by chunk."""

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics.inception_score import inception_score
from tinygan.random import Stream

RNG = np.random.default_rng(3)


def definition(p, splits):
    """Compute exp of the mean divergence from each chunk's mean."""
    scores = []
    for i in range(splits):
        chunk = p[i * len(p) // splits : (i + 1) * len(p) // splits]
        q = chunk.mean(axis=0)
        scores.append(np.exp(np.mean([(row * np.log(row / q)).sum() for row in chunk])))
    return np.mean(scores), np.std(scores)


def softmax(x):
    return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "splits"), [(100, 10), (97, 10), (30, 1), (5, 5)])
def test_the_score_is_the_definitions_on_contiguous_chunks(n, splits):
    p = softmax(3 * RNG.normal(size=(n, 7)))
    found = inception_score(p, splits=splits, shuffle=False)
    assert (found.mean, found.std) == pytest.approx(definition(p, splits), abs=1e-12)


def test_a_shuffle_changes_the_order_alone():
    p = softmax(3 * RNG.normal(size=(50, 7)))
    shuffled = p[Stream(4, "inception_score").permutation(50)]
    found = inception_score(p, seed=4)
    assert (found.mean, found.std) == pytest.approx(definition(shuffled, 10))
    assert inception_score(p, splits=1, seed=4).mean == pytest.approx(definition(p, 1)[0])


def test_samples_that_are_all_alike_score_1():
    found = inception_score(np.full((100, 10), 0.1))
    assert (found.mean, found.std) == pytest.approx((1.0, 0.0))
    one_class = np.eye(10)[np.zeros(100, int)]
    assert inception_score(one_class).mean == 1.0


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_sure_and_balanced_samples_score_the_number_of_classes(classes):
    p = np.eye(classes, dtype=np.float32)[np.arange(2 * classes) % classes]
    assert inception_score(p, splits=1).mean == pytest.approx(classes)
    assert inception_score(p, splits=2, shuffle=False).mean == pytest.approx(classes)


def test_a_score_lies_between_1_and_the_number_of_classes():
    for scale in (0.01, 1, 30):
        found = inception_score(softmax(scale * RNG.normal(size=(200, 5))), splits=4)
        assert 1.0 <= found.mean <= 5.0


def test_a_float32_softmax_of_many_classes_is_taken():
    p = softmax(RNG.normal(size=(20, 1008)).astype(np.float32))
    assert inception_score(p).mean > 1


def test_what_is_no_distribution_is_refused():
    p = softmax(RNG.normal(size=(20, 3)))
    for bad in (p * 2, p - 0.5, RNG.normal(size=(20, 3))):
        with pytest.raises(OptionError, match="softmax"):
            inception_score(bad)
    with pytest.raises(OptionError, match="splits=10 of 9"):
        inception_score(p[:9])
    with pytest.raises(OptionError, match="finite"):
        inception_score(p * np.nan)
    with pytest.raises(ShapeError, match=r"\(0, 3\)"):
        inception_score(p[:0])
    with pytest.raises(ShapeError, match=r"\(20, 0\)"):
        inception_score(p[:, :0])
