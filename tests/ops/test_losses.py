"""The losses far out, and what they refuse; tests/exact holds their values worked by hand."""

import numpy as np
import pytest

from tinygan import Tensor, grad, ops
from tinygan.errors import DtypeError, OptionError, ShapeError

REAL = np.array([[0.5], [-1.0]])


def test_the_saturating_loss_has_no_slope_where_d_wins_and_the_other_has():
    fake = Tensor(np.array([-30.0]), requires_grad=True)
    assert abs(float(grad(ops.saturating_g_loss(fake), fake))) < 1e-12
    assert float(grad(ops.nonsaturating_g_loss(fake), fake)) == pytest.approx(-1.0)


@pytest.mark.parametrize("kind", ["logistic", "least_squares"])
def test_losses_stay_finite_on_extreme_logits(kind):
    logit = Tensor(np.array([-3e4, 3e4], np.float32), requires_grad=True)
    loss = ops.gan_loss(logit, kind=kind, target=1.0)
    assert np.isfinite(loss.data)
    assert np.isfinite(grad(loss, logit).data).all()


def test_options_that_do_not_fit_are_named():
    with pytest.raises(OptionError, match="no kind 'bce'"):
        ops.gan_loss(REAL, kind="bce", target=1.0)
    with pytest.raises(OptionError, match="probability, got 2"):
        ops.gan_loss(REAL, kind="logistic", target=2)
    with pytest.raises(OptionError, match="1 or -1, got 0"):
        ops.gan_loss(REAL, kind="hinge", target=0)
    with pytest.raises(ShapeError, match="no entry"):
        ops.gan_loss(np.zeros((0, 1)), kind="hinge", target=1)


def test_cross_entropy_refuses_floats_for_labels():
    with pytest.raises(DtypeError, match="labels are integers"):
        ops.cross_entropy(np.zeros((2, 3)), np.zeros(2))


def test_cross_entropy_refuses_an_empty_batch():
    with pytest.raises(ShapeError, match="no sample to average"):
        ops.cross_entropy(np.zeros((0, 3)), np.zeros(0, np.int64))


@pytest.mark.parametrize("labels", [[0, 3], [-1, 2]])
def test_cross_entropy_refuses_labels_out_of_range(labels):
    with pytest.raises(ShapeError, match=r"labels run from .* take 0 to 2"):
        ops.cross_entropy(Tensor(np.zeros((2, 3))), np.array(labels))
