"""linear against sums written out, on any leading axes, and its place among the layers."""

import numpy as np
import pytest

from tinygan import Tensor, grad, nn, ops
from tinygan.autograd.op import watching
from tinygan.errors import ShapeError


@pytest.mark.parametrize("lead", [(), (4,), (2, 3), (0,), (2, 0, 3)])
@pytest.mark.parametrize("biased", [True, False])
def test_values_and_first_derivatives_are_the_sums_of_the_definition(lead, biased):
    rng = np.random.default_rng(0)
    x, w, b = (Tensor(rng.normal(size=s), requires_grad=True) for s in ((*lead, 3), (5, 3), (5,)))
    bias = b if biased else None
    y = ops.linear(x, w, bias)
    expected = np.einsum("...k,nk->...n", x.data, w.data) + (b.data if biased else 0)
    np.testing.assert_allclose(y.data, expected, atol=1e-13)
    g = rng.normal(size=y.shape)
    found = grad(y, [x, w, b], Tensor(g))
    rows, g_rows = x.data.reshape(-1, 3), g.reshape(-1, 5)
    np.testing.assert_allclose(found[0].data, np.einsum("...n,nk->...k", g, w.data), atol=1e-13)
    np.testing.assert_allclose(found[1].data, np.einsum("mn,mk->nk", g_rows, rows), atol=1e-13)
    np.testing.assert_allclose(found[2].data, biased * g_rows.sum(0), atol=1e-13)


def test_operands_that_do_not_fit_are_named():
    x, w, b = np.ones((4, 3)), np.ones((5, 3)), np.ones(5)
    for wrong in ((x, w.T, b), (x, w, b[1:]), (1.0, w, b), (x, w[0], b), (x, w, w)):
        with pytest.raises(ShapeError, match=r"linear: x \(..., in\), w \(out, in\) and b"):
            ops.linear(*wrong)


def test_floats_of_two_widths_meet_in_the_wider():
    x, w = np.ones((4, 3), np.float32), np.ones((5, 3))
    assert ops.linear(x, w, np.ones(5, np.float32)).dtype == np.float64
    assert ops.linear(x, w).dtype == np.float64


def test_a_layer_is_one_op_and_its_reverse_pass_three():
    seen = []
    layer, x = nn.Linear(3, 5), Tensor(np.ones((4, 3), np.float32), requires_grad=True)
    with watching(lambda op, xs, ys: seen.append(op.name)):
        y = layer(x)
        assert seen == ["linear"]
        grad(y, [x, *layer.parameters()], Tensor(np.ones_like(y.data)))
    assert seen[1:] == ["linear_xgrad", "linear_wgrad", "sum"]
