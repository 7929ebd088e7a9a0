"""Named losses on two samples against the papers' formulas, written out in NumPy, and by hand."""

import numpy as np
import pytest

from tinygan import ops
from tinygan.autograd import Tensor, grad
from tinygan.errors import OptionError, ShapeError
from tinygan.gan import LOSSES, get_loss

R, F = np.array([1.2, -0.5]), np.array([0.25, -2.0])


def log_sigmoid(x):
    return np.log(1 / (1 + np.exp(-x)))


def minimax_d(r, f):
    return -(log_sigmoid(r).mean() + np.log(1 - 1 / (1 + np.exp(-f))).mean())


def pairs(up, down, phi):
    return phi(up - down.mean()).mean() + phi(-(down - up.mean())).mean()


def squared(x):
    return (x - 1) ** 2


def hinge(x):
    return np.maximum(0, 1 - x)


def f_gan(g, conjugate):
    """Return D's and G's losses from table 2 as it stands, g put into f* by the computer."""
    return (
        lambda r, f: conjugate(g(f)).mean() - g(r).mean(),
        lambda r, f: -conjugate(g(f)).mean(),
    )


def cramer_d(r, f):
    surrogate = 0.0
    for i in range(2):  # f(x) = E |x - f'| - |x|, f' another fake than x
        surrogate += (np.mean([abs(r[i] - other) for other in f]) - abs(r[i])) / 2
        surrogate -= (abs(f[i] - f[1 - i]) - abs(f[i])) / 2
    return -surrogate


def cramer_g(r, f):
    return 2 * np.mean([abs(a - b) for a in r for b in f]) - abs(f[0] - f[1])


PAPER = {
    "minimax": (minimax_d, lambda r, f: np.log(1 - 1 / (1 + np.exp(-f))).mean()),
    "nonsaturating": (minimax_d, lambda r, f: -log_sigmoid(f).mean()),
    "least_squares": (
        lambda r, f: ((r - 1) ** 2).mean() / 2 + (f**2).mean() / 2,
        lambda r, f: ((f - 1) ** 2).mean() / 2,
    ),
    "wasserstein": (lambda r, f: f.mean() - r.mean(), lambda r, f: -f.mean()),
    "hinge": (lambda r, f: hinge(r).mean() + hinge(-f).mean(), lambda r, f: -f.mean()),
    "relativistic": (
        lambda r, f: pairs(r, f, lambda x: -log_sigmoid(x)),
        lambda r, f: pairs(f, r, lambda x: -log_sigmoid(x)),
    ),
    "relativistic_ls": (
        lambda r, f: pairs(r, f, squared),
        lambda r, f: pairs(f, r, squared),
    ),
    "relativistic_hinge": (lambda r, f: pairs(r, f, hinge), lambda r, f: pairs(f, r, hinge)),
    "fgan_kl": f_gan(lambda v: v, lambda t: np.exp(t - 1)),
    "fgan_reverse_kl": f_gan(lambda v: -np.exp(-v), lambda t: -1 - np.log(-t)),
    "fgan_pearson": f_gan(lambda v: v, lambda t: t**2 / 4 + t),
    "fgan_hellinger": f_gan(lambda v: 1 - np.exp(-v), lambda t: t / (1 - t)),
    "fgan_js": f_gan(
        lambda v: np.log(2) - np.log(1 + np.exp(-v)), lambda t: -np.log(2 - np.exp(t))
    ),
    "cramer": (cramer_d, cramer_g),
}


def slopes(fn, r, f):
    h, found = 1e-6, []
    for which in (0, 1):
        for i in range(2):
            step = np.zeros((2, 2))
            step[which, i] = h
            change = fn(r + step[0], f + step[1]) - fn(r - step[0], f - step[1])
            found.append(change / (2 * h))
    return np.array(found)


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradient_of_two_samples_are_those_of_the_papers_formula(name):
    paper_d, paper_g = PAPER[name]
    r, f = Tensor(R, requires_grad=True), Tensor(F, requires_grad=True)
    loss_d = LOSSES[name].d_loss(r, f)
    loss_g = LOSSES[name].g_loss(f, r if LOSSES[name].needs_real else None)
    for loss, paper in ((loss_d, paper_d), (loss_g, paper_g)):
        assert float(loss) == pytest.approx(paper(R, F), abs=1e-11)  # Cramer's root has 1e-12 in it
        analytic = np.concatenate([g.data for g in grad(loss, [r, f])])
        # a central difference of step 1e-6 errs by 1e-12 of the third derivative, and by rounding
        np.testing.assert_allclose(analytic, slopes(paper, R, F), atol=1e-8, err_msg=name)


def test_simple_losses_by_hand():
    r, f = Tensor(np.array([2.0, 0.0])), Tensor(np.array([-3.0, 1.0]))
    hand = {  # D, G
        "hinge": (0.5 + 1.0, 1.0),
        "wasserstein": (-1.0 - 1.0, 1.0),
        "least_squares": (0.5 * 1.0 + 0.5 * 5.0, 0.5 * 8.0),
        "relativistic_hinge": (0.5, 0.5 * (5.0 + 1.0) + 0.5 * (4.0 + 2.0)),
        "fgan_pearson": (2.5 / 2 - 1.0 - 1.0, -(2.5 / 2 - 1.0)),
        "cramer": (1.0 - 2.5 + 4.0 - 2.0, 5.0 - 4.0),
    }
    for name, (d, g) in hand.items():
        loss = LOSSES[name]
        real = r if loss.needs_real else None
        # |0| is sqrt(1e-12) in Cramer's loss: half of the lengths of the reals
        assert float(loss.d_loss(r, f)) == pytest.approx(d, abs=1e-6), name
        assert float(loss.g_loss(f, real)) == pytest.approx(g, abs=1e-6), name


@pytest.mark.parametrize("name", ["minimax", "fgan_js", "relativistic"])
def test_huge_logits_neither_overflow_nor_lose_their_slope(name):
    r = Tensor(np.array([-1e4, 1e4], np.float32), requires_grad=True)
    f = Tensor(np.array([1e4, -1e4], np.float32), requires_grad=True)
    loss = LOSSES[name].d_loss(r, f)
    assert np.isfinite(float(loss))
    slope_r, slope_f = grad(loss, [r, f])
    assert np.isfinite(slope_r.data).all()
    assert np.isfinite(slope_f.data).all()
    assert slope_r.data[0] < 0 < slope_f.data[0]


def test_cramer_takes_vectors_and_measures_their_distances():
    r, f = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [3.0, 0.0]])
    loss = LOSSES["cramer"].g_loss(Tensor(f), Tensor(r))
    between = (5.0 + 4.0 + 0.0 + 3.0) / 4
    assert float(loss) == pytest.approx(2 * between - 3.0, abs=1e-5)  # |0| is sqrt(1e-12)


def test_divergences_of_equal_samples_have_their_value_at_equality():
    # At the best D for p = q, f'(1), the bound -L_D is f(1) = 0.
    best = {
        "fgan_kl": 1.0,
        "fgan_reverse_kl": 0.0,
        "fgan_pearson": 0.0,
        "fgan_hellinger": 0.0,
        "fgan_js": 0.0,
    }
    for name, logit in best.items():
        x = Tensor(np.full(2, logit), requires_grad=True)
        loss = LOSSES[name].d_loss(x, x)
        assert float(loss) == pytest.approx(0.0, abs=1e-12), name
        np.testing.assert_allclose(grad(loss, x).data, 0.0, atol=1e-12, err_msg=name)


def test_smoothing_moves_the_target_of_reals_alone():
    r, f = Tensor(R), Tensor(F)
    smoothed = LOSSES["nonsaturating"].d_loss(r, f, smooth=0.1)
    by_hand = -(0.9 * log_sigmoid(R) + 0.1 * log_sigmoid(-R)).mean() - log_sigmoid(-F).mean()
    assert float(smoothed) == pytest.approx(by_hand)
    takers = [name for name, loss in LOSSES.items() if loss.smooths]
    assert takers == ["minimax", "nonsaturating", "least_squares"]


def test_names_are_found_and_misfits_are_one_line():
    assert get_loss("Least-Squares") is LOSSES["least_squares"]
    with pytest.raises(OptionError, match="no loss 'hnge': perhaps you meant hinge"):
        get_loss("hnge")
    with pytest.raises(OptionError, match=r"began.*autoencoder.*tinygan train began"):
        get_loss("began")
    with pytest.raises(ShapeError, match="real samples too"):
        LOSSES["relativistic"].g_loss(Tensor(F), None)
    with pytest.raises(ShapeError, match=r"cramer.* use 2 or more"):
        LOSSES["cramer"].g_loss(Tensor(F[:1]), Tensor(R[:1]))


@pytest.mark.parametrize("name", LOSSES)
def test_float32_stays_float32(name):
    r, f = Tensor(R.astype(np.float32)), Tensor(F.astype(np.float32))
    assert LOSSES[name].d_loss(r, f).dtype == np.float32
    assert LOSSES[name].g_loss(f, r).dtype == np.float32


def test_relativistic_loss_has_a_slope_through_both_means():
    r = Tensor(R, requires_grad=True)
    frozen = ops.mean(ops.softplus(-(r - float(F.mean())))) + ops.mean(
        ops.softplus(Tensor(F) - float(R.mean()))
    )
    whole = grad(LOSSES["relativistic"].d_loss(r, Tensor(F)), r).data
    through_mean = -(1 / (1 + np.exp(-(F - R.mean())))).mean() / 2
    np.testing.assert_allclose(whole - grad(frozen, r).data, through_mean)
