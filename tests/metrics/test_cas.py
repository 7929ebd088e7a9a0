"""Classification accuracy score: reals as fakes lose nothing, wrong or missing classes do."""

from dataclasses import replace

import numpy as np
import pytest

from tinygan import data
from tinygan.data import Dataset
from tinygan.errors import DataError, ShapeError
from tinygan.metrics.cas import classification_accuracy_score


@pytest.fixture(scope="module")
def parts():
    digits = data.load("digits", size=8)
    order = np.random.default_rng(0).permutation(len(digits))
    return [
        replace(digits, stored=digits.stored[rows], labels=digits.labels[rows])
        for rows in (order[:700], order[700:1400], order[1400:])
    ]


def test_other_reals_in_place_of_fakes_score_as_the_reals_do(parts):
    fake, real, test = parts
    found = classification_accuracy_score(fake, real, test, epochs=8)
    assert found.real > 0.9
    assert abs(found.fake - found.real) < 0.06  # 397 images: four standard deviations
    assert (found.n_fake, found.n_real, found.n_test) == (700, 700, 397)


def test_a_class_that_the_generator_never_makes_is_lost(parts):
    _, real, test = parts
    keep = real.labels != 3
    fake = replace(real, stored=real.stored[keep], labels=real.labels[keep])
    found = classification_accuracy_score(fake, real, test, epochs=4)
    assert found.fake_by_class[3] == 0.0
    assert found.real_by_class[3] > 0.5
    weights = np.bincount(test.labels) / len(test)
    assert weights @ found.fake_by_class == pytest.approx(found.fake)


def test_wrong_labels_score_as_guesses(parts):
    _, real, test = parts
    shuffled = np.random.default_rng(0).permutation(real.labels)
    found = classification_accuracy_score(replace(real, labels=shuffled), real, test, epochs=2)
    assert found.fake < 0.3


def test_a_class_without_test_images_has_no_accuracy(parts):
    _, real, test = parts
    few = replace(test, stored=test.stored[test.labels != 5], labels=test.labels[test.labels != 5])
    found = classification_accuracy_score(real, real, few, epochs=1)
    assert np.isnan(found.fake_by_class[5])
    assert found.fake == found.real


def test_sets_that_do_not_fit_are_refused(parts):
    fake, real, test = parts
    with pytest.raises(DataError, match="labelled"):
        classification_accuracy_score(replace(fake, labels=None), real, test)
    with pytest.raises(DataError, match="labelled"):
        classification_accuracy_score(fake, real, replace(test, labels=None))
    with pytest.raises(ShapeError, match="same shape"):
        classification_accuracy_score(data.load("digits", size=16), real, test)
    tiny = Dataset("tiny", real.stored[:20], real.labels[:20], real.classes)
    with pytest.raises(DataError, match="64"):
        classification_accuracy_score(tiny, real, test)
