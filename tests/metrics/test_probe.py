"""The linear probe against SciPy's minimum of the same loss, and 1-NN against a slow definition."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from tinygan.errors import OptionError, ShapeError
from tinygan.metrics import probe
from tinygan.metrics.probe import fit_probe, linear_probe_accuracy, nearest_neighbour_accuracy

RNG = np.random.default_rng(0)


def blobs(n, classes=3, d=5, spread=1.0):
    centres = np.random.default_rng(1).normal(size=(classes, d)) * 2
    labels = RNG.integers(0, classes, n)
    return (centres[labels] + spread * RNG.normal(size=(n, d))).astype(np.float32), labels


def test_the_fit_is_the_minimum_that_scipy_finds():
    x, y = blobs(300, spread=2.0)
    l2 = 0.1
    u = (x - x.mean(0, dtype=np.float64)) / x.std(0, dtype=np.float64)

    def loss(flat):
        w, b = flat[:15].reshape(3, 5), flat[15:]
        return -log_softmax(u @ w.T + b, 1)[np.arange(300), y].mean() + l2 / 2 * (w**2).sum()

    oracle = minimize(loss, np.zeros(18), method="BFGS", options={"gtol": 1e-7})
    found = fit_probe(x, y, l2=l2)
    value = loss(np.concatenate([found.weight.ravel(), found.bias]))
    assert value <= oracle.fun + 1e-10  # at a minimum errors come in squared
    # the weights are unique, the biases up to a constant; BFGS differentiates numerically
    np.testing.assert_allclose(found.weight.ravel(), oracle.x[:15], atol=1e-4)
    np.testing.assert_allclose(np.ptp(found.bias - oracle.x[15:]), 0, atol=1e-4)


def test_blocks_change_nothing(monkeypatch):
    x, y = blobs(200, spread=2.0)
    whole = fit_probe(x, y)
    monkeypatch.setattr(probe, "_BLOCK", 37)
    parts = fit_probe(x, y)
    np.testing.assert_allclose(parts.weight, whole.weight, atol=1e-5)  # both at the minimum
    np.testing.assert_allclose(parts.logits(x), whole.logits(x), atol=1e-4)


def test_fits_are_the_same_bit_for_bit():
    x, y = blobs(200)
    assert fit_probe(x, y).weight.tobytes() == fit_probe(x, y).weight.tobytes()


def test_separable_classes_are_told_apart_and_noise_is_not():
    train, test = blobs(400, spread=0.2), blobs(200, spread=0.2)
    assert linear_probe_accuracy(*train, *test) == 1.0
    noise = RNG.normal(size=(200, 5))
    # three classes, 200 guesses: five standard deviations of 0.033
    assert abs(linear_probe_accuracy(*train, noise, test[1]) - 1 / 3) < 0.17


def test_stronger_decay_gives_smaller_weights():
    x, y = blobs(200)
    norms = [np.linalg.norm(fit_probe(x, y, l2=l2).weight) for l2 in (1e-4, 1e-2, 1.0)]
    assert norms[0] > norms[1] > norms[2]


def test_a_feature_that_never_varies_is_harmless():
    x, y = blobs(100)
    constant = np.concatenate([x, np.full((100, 1), 3.0)], axis=1)
    np.testing.assert_array_equal(
        fit_probe(constant, y).predict(constant), fit_probe(x, y).predict(x)
    )


def test_nearest_neighbour_accuracy_is_that_of_a_loop():
    (train, train_y), (test, test_y) = blobs(80, spread=2.0), blobs(60, spread=2.0)
    for k in (1, 5):
        right = 0
        for x, y in zip(test, test_y, strict=True):
            near = sorted(range(80), key=lambda i: ((train[i] - x) ** 2).sum())[:k]
            votes = np.bincount(train_y[near], minlength=3)
            right += votes.argmax() == y
        found = nearest_neighbour_accuracy(train, train_y, test, test_y, k=k)
        assert found == pytest.approx(right / 60)


def test_a_set_classifies_itself_by_its_nearest_point():
    x, y = blobs(50, spread=3.0)
    assert nearest_neighbour_accuracy(x, y, x, y) == 1.0


def test_bad_sets_are_refused_in_one_line():
    x, y = blobs(20)
    with pytest.raises(ShapeError, match=r"\(N, d\) and \(N,\)"):
        fit_probe(x, y[:-1])
    with pytest.raises(ShapeError, match="N >= 1"):
        fit_probe(x[:0], y[:0])
    with pytest.raises(OptionError, match="not finite"):
        fit_probe(np.full_like(x, np.nan), y)
    with pytest.raises(OptionError, match="integers"):
        fit_probe(x, y - 5)
    with pytest.raises(OptionError, match="l2"):
        fit_probe(x, y, l2=0.0)
    with pytest.raises(ShapeError, match=r"\(N, 5\)"):
        fit_probe(x, y).predict(x[:, :3])
    with pytest.raises(OptionError, match="k=21"):
        nearest_neighbour_accuracy(x, y, x, y, k=21)
