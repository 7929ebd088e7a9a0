"""Scores of time series: equal laws can't be told apart, noise can; errors in closed form."""

import numpy as np
import pytest

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics import sequence_scores
from tinygan.metrics.sequence_scores import discriminative_score, predictive_score

FEW = {"iterations": 100, "lr": 3e-2, "batch": 64}


def sines(n, seed, steps=8, features=6):
    """Give phase-shifted sines; the features are one oscillation at different phases."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(0.5, 0.9, (n, 1, 1)), rng.uniform(-np.pi, np.pi, (n, 1, 1))
    t = np.arange(steps)[None, :, None]
    return 0.5 + 0.5 * np.sin(frequency * t + phase + 0.3 * np.arange(features))


def noise(n, seed):
    return np.random.default_rng(seed).uniform(0, 1, (n, 8, 6))


def test_one_distribution_scores_near_zero_and_noise_near_a_half():
    same = discriminative_score(sines(300, 0), sines(300, 1), **FEW)
    assert same.n_test == 120
    assert same.score < 0.2  # four standard deviations of 120 guesses
    other = discriminative_score(sines(300, 0), noise(300, 1), **FEW)
    assert other.score > 0.4
    assert other.accuracy == 0.5 + other.score


def test_a_predictor_learns_from_series_of_the_right_law_alone():
    real = sines(200, 0)
    learnt = predictive_score(real, sines(200, 1), **FEW)
    misled = predictive_score(real, noise(200, 1), **FEW)
    # who has learnt nothing says the mean: an error of 1/pi for an oscillation of 0 to 1
    assert learnt < 0.15
    assert misled > 0.25


def test_scores_do_not_depend_on_the_unit_of_the_series():
    real, fake = sines(40, 0), sines(40, 1)
    few = FEW | {"iterations": 3}
    scale = 2.0 ** np.arange(6)  # powers of two: the same bits after scaling
    assert discriminative_score(real, fake, **few) == discriminative_score(
        real * scale, fake * scale, **few
    )
    assert predictive_score(real * scale, fake * scale, **few) == predictive_score(
        real, fake, **few
    )


def test_scores_repeat_bit_for_bit_and_seeds_differ():
    real, fake = sines(40, 0), sines(40, 1)
    few = FEW | {"iterations": 3}
    assert predictive_score(real, fake, **few) == predictive_score(real, fake, **few)
    assert predictive_score(real, fake, **few) != predictive_score(real, fake, seed=1, **few)
    assert discriminative_score(real, fake, **few) == discriminative_score(real, fake, **few)


def test_a_single_feature_predicts_itself_one_step_ahead():
    ramp = np.linspace(0, 1, 12)[None, :, None] * np.ones((8, 1, 1))
    given, wanted = sequence_scores._given(ramp), sequence_scores._wanted(ramp)
    np.testing.assert_array_equal(given[:, 1:, 0], wanted[:, :-1])
    assert 0 < predictive_score(ramp, ramp, iterations=2, batch=4) < 1


def test_the_last_feature_is_predicted_from_the_others():
    x = np.arange(24.0).reshape(1, 4, 6)
    np.testing.assert_array_equal(sequence_scores._given(x)[0, 0], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(sequence_scores._wanted(x)[0], [11, 17, 23])


def test_stock_prices_score_between_a_perfect_copy_and_noise(real_data):
    table = np.loadtxt(real_data / "timeseries" / "stock_data.csv", delimiter=",", skiprows=1)
    real = np.stack([table[i : i + 8] for i in range(0, len(table) - 8, 12)])
    low, high = real.min((0, 1)), real.max((0, 1))
    fake = np.random.default_rng(0).uniform(low, high, real.shape)
    assert predictive_score(real, real, **FEW) < 0.5 * predictive_score(real, fake, **FEW)
    assert discriminative_score(real, fake, **FEW).score > 0.4


def test_bad_series_are_refused_in_one_line():
    x = sines(10, 0)
    with pytest.raises(ShapeError, match=r"\(N, T, D\)"):
        discriminative_score(x, x[:, :5])
    with pytest.raises(ShapeError, match="T >= 2"):
        predictive_score(x[:, :1], x[:, :1])
    with pytest.raises(ShapeError, match="5 series"):
        predictive_score(x[:1], x)
    with pytest.raises(OptionError, match="not finite"):
        predictive_score(x, np.full_like(x, np.nan))
    with pytest.raises(OptionError, match="iterations=0"):
        predictive_score(x, x, iterations=0)
