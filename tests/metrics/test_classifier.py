"""The judge of digits: accurate, repeatable, and able to tell digits from anything else."""

import numpy as np
import pytest

from tinygan import data, random
from tinygan.errors import DataError, ShapeError
from tinygan.metrics import digit_classifier, digit_fidelity, train_classifier
from tinygan.metrics.classifier import TRAIN_SHARE
from tinygan.metrics.house_nets import house_card, house_net


@pytest.fixture(scope="module")
def judge():
    return digit_classifier(16)


@pytest.fixture(scope="module")
def digits():
    return data.load("digits", size=16)


def test_it_knows_held_out_digits(judge):
    assert judge.accuracy >= 0.97


def test_at_16_pixels_it_is_the_house_net(judge, digits):
    assert judge.accuracy == house_card("digits_lenet")["accuracy"]
    found = house_net("digits_lenet").embed(digits.arrays[:100]).probabilities
    np.testing.assert_array_equal(judge.probabilities(digits.arrays[:100]), found)


def test_its_confidence_on_held_out_digits_is_its_accuracy(judge, digits):
    order = random.Streams(0).stream("split").permutation(len(digits))
    held_out = digits.arrays[order[round(TRAIN_SHARE * len(digits)) :]]
    assert abs(judge.probabilities(held_out).max(1).mean() - judge.accuracy) < 0.01


def test_real_digits_are_judged_real(judge, digits):
    found = digit_fidelity(digits.arrays[:500], judge)
    assert found["top_probability"] >= 0.97
    assert found["classes"] == 10
    assert sum(found["histogram"]) == found["n"] == 500
    assert found["fd_digits_net"] < 25


def test_noise_and_a_collapsed_generator_are_found_out(judge, digits):
    noise = np.random.default_rng(0).uniform(-1, 1, (200, 1, 16, 16)).astype(np.float32)
    found = digit_fidelity(noise, judge)
    assert found["top_probability"] < 0.8
    assert found["fd_digits_net"] > 200
    zeros = digits.arrays[digits.labels == 0][:100]
    assert digit_fidelity(zeros, judge)["classes"] <= 2


def test_the_distance_grows_with_blur_and_is_named_for_the_net(judge, digits):
    sharp = digits.arrays[:600]
    blurred = 0.5 * sharp + 0.25 * (np.roll(sharp, 2, axis=3) + np.roll(sharp, -2, axis=3))
    near, far = (digit_fidelity(x, judge) for x in (sharp, blurred))
    assert far["fd_digits_net"] > 5 * near["fd_digits_net"]
    assert not [key for key in near if key.startswith("fid")]


def test_training_is_repeatable_and_leaves_the_ambient_streams_alone():
    few = data.load("digits", size=8)
    with random.using(random.Streams(5)) as streams:
        first = train_classifier(few, epochs=1)
        assert streams.stream("init").index == 0
        streams.stream("init").normal(10)
        second = train_classifier(few, epochs=1)
    images = few.arrays[:50]
    assert first.probabilities(images).tobytes() == second.probabilities(images).tobytes()
    other = train_classifier(few, seed=1, epochs=1)
    assert first.probabilities(images).tobytes() != other.probabilities(images).tobytes()


def test_probabilities_are_those_of_each_image_alone(judge, digits):
    together = judge.probabilities(digits.arrays[:600])
    np.testing.assert_allclose(together.sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        judge.probabilities(digits.arrays[590:600]), together[590:], atol=1e-5
    )


def test_images_and_sets_that_do_not_fit_are_named(judge):
    with pytest.raises(ShapeError, match=r"\(3, 1, 8, 8\)"):
        judge.probabilities(np.zeros((3, 1, 8, 8), np.float32))
    with pytest.raises(DataError, match="labelled images"):
        train_classifier(data.load("ring"))
