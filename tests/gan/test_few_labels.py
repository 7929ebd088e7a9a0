"""The pool of labelled examples: what it takes, what it never looks at, what it gives."""

import numpy as np
import pytest

from tinygan import random
from tinygan.errors import OptionError
from tinygan.gan.few_labels import LabelPool


def batches(n=12, classes=3, seed=0):
    """Yield batches whose samples tell their class and their number: (class, number)."""
    rng, number = np.random.default_rng(seed), 0
    while True:
        y = rng.integers(0, classes, n)
        x = np.stack([y, number + np.arange(n)], 1).astype(np.float32)
        number += n
        yield x, y


def filled(per_class=4, offers=20):
    pool = LabelPool((2,), num_classes=3, per_class=per_class)
    served = batches()
    seen = [next(served) for _ in range(offers)]
    for x, y in seen:
        pool.offer(x, y)
    return pool, seen


def drawn(pool, n, step=1):
    streams = random.Streams(5)
    streams.step = step
    with random.using(streams):
        x, y = pool.draw(n)
    return x.data, y


def test_it_holds_the_first_examples_of_each_class():
    pool, seen = filled()
    x, y = np.concatenate([x for x, _ in seen]), np.concatenate([y for _, y in seen])
    first = {tuple(row) for k in range(3) for row in x[y == k][:4]}
    assert {tuple(row) for row in drawn(pool, 12)[0]} == first


def test_each_example_is_drawn_as_often_with_its_own_label():
    pool, _ = filled()
    x, y = drawn(pool, 36)
    assert (x[:, 0] == y).all()
    _, counts = np.unique(x, axis=0, return_counts=True)
    assert counts.tolist() == [3] * 12


def test_fewer_draws_than_examples_are_all_different_and_differ_from_step_to_step():
    pool, _ = filled()
    x, _ = drawn(pool, 6)
    assert len(np.unique(x, axis=0)) == 6
    assert not np.array_equal(x, drawn(pool, 6, step=2)[0])


def test_a_class_that_has_not_come_yet_is_not_drawn():
    pool = LabelPool((2,), num_classes=3, per_class=2)
    pool.offer(np.array([[7.0, 7.0], [8.0, 8.0]], np.float32), np.array([1, 1]))
    assert len(pool) == 2
    assert set(drawn(pool, 5)[1].tolist()) == {1}


def test_a_full_pool_looks_at_no_more_labels():
    pool, _ = filled()
    before = pool.state_dict()
    pool.offer(np.zeros((2, 2), np.float32), np.array([99, -1]))  # would be out of range
    assert all(np.array_equal(before[k], a) for k, a in pool.state_dict().items())


def test_its_state_can_be_taken_back():
    pool, seen = filled(offers=1)
    other = LabelPool((2,), num_classes=3, per_class=4)
    other.load_state_dict(pool.state_dict())
    for x, y in seen:
        pool.offer(x + 100, y)
        other.offer(x + 100, y)
    assert np.array_equal(drawn(pool, 9)[0], drawn(other, 9)[0])


def test_no_labels_at_all_are_refused():
    with pytest.raises(OptionError, match="labels_per_class 0: 1 or more"):
        LabelPool((2,), num_classes=3, per_class=0)
