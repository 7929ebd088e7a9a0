"""functional_call: other tensors for one call, the module's own before and after."""

import numpy as np
import pytest

from tinygan import nn
from tinygan.autograd import Tensor, grad
from tinygan.errors import ShapeError, StateError
from tinygan.nn.utils import spectral_norm


def net():
    return nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 1)))


def doubled(module):
    return {name: Tensor(2 * p.data) for name, p in module.named_parameters().items()}


X = Tensor(np.array([[1.0, -2.0], [0.5, 3.0]], np.float32))


def test_it_computes_with_the_tensors_given_and_leaves_the_module_alone():
    module = net()
    own = module.named_parameters()
    before = module(X).data
    twin = net()
    twin.load_state_dict({name: 2 * p.data for name, p in own.items()})
    y = nn.functional_call(module, doubled(module), X)
    np.testing.assert_array_equal(y.data, twin(X).data)
    assert not np.array_equal(y.data, before)
    np.testing.assert_array_equal(module(X).data, before)
    assert all(p is own[name] for name, p in module.named_parameters().items())
    assert all(p.version == 1 for p in own.values())  # the initialiser's assignment alone


def test_tensors_that_are_not_given_stay_those_of_the_module():
    module = net()
    y = nn.functional_call(module, {"1.1.bias": Tensor(np.ones(1, np.float32))}, X)
    np.testing.assert_allclose(y.data - module(X).data, 1 - module[1][1].bias.data[0], rtol=1e-5)


def test_the_module_has_its_tensors_back_after_an_exception():
    module = net()
    own = module.named_parameters()
    with pytest.raises(ShapeError):
        nn.functional_call(module, doubled(module), Tensor(np.zeros((1, 5), np.float32)))
    assert all(p is own[name] for name, p in module.named_parameters().items())


def test_gradients_reach_the_tensors_given_and_not_the_parameters():
    module = net()
    fast = {n: Tensor(p.data, requires_grad=True) for n, p in module.named_parameters().items()}
    loss = nn.functional_call(module, fast, X).sum()
    assert all(np.any(g.data) for g in grad(loss, list(fast.values()), retain_graph=True))
    assert not any(np.any(g.data) for g in grad(loss, module.parameters()))


def test_a_step_of_gradient_descent_can_be_differentiated_through():
    w0 = np.array([[3.0, -1.0]], np.float64)
    module = nn.Linear(2, 1, bias=False, dtype=np.float64)
    module.weight.assign_(w0)
    x = np.array([[1.0, 2.0]])
    loss = (module(Tensor(x)) ** 2).sum() / 2  # gradient (w.x) x
    (g,) = grad(loss, module.parameters(), create_graph=True)
    stepped = {"weight": module.weight - 0.1 * g}
    after = nn.functional_call(module, stepped, Tensor(x)).sum()  # (1 - 0.1 |x|^2) w.x
    (gw,) = grad(after, module.parameters())
    np.testing.assert_allclose(gw.data, (1 - 0.1 * 5) * x)


def test_a_tensor_for_a_tied_parameter_stands_in_at_all_its_places():
    module = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    module[1].weight = module[0].weight
    y = nn.functional_call(module, {"0.weight": Tensor(np.eye(2, dtype=np.float32) * 3)}, X)
    np.testing.assert_allclose(y.data, 9 * X.data)
    assert module[1].weight is module[0].weight


def test_a_call_within_a_call_sees_the_inner_tensors():
    class Outer(nn.Module):
        def __init__(self):
            self.inner = nn.Linear(2, 2, bias=False)

        def forward(self, x):
            inside = nn.functional_call(self.inner, {"weight": 2 * self.inner.weight}, x)
            return inside, self.inner(x)

    outer = Outer()
    eye = Tensor(np.eye(2, dtype=np.float32))
    inside, outside = nn.functional_call(outer, {"inner.weight": eye}, X)
    np.testing.assert_allclose(inside.data, 2 * X.data)
    np.testing.assert_allclose(outside.data, X.data)


def test_an_unknown_name_is_reported_with_those_that_exist():
    with pytest.raises(StateError, match=r"no '0\.wieght'; it has '0\.weight', '0\.bias'"):
        nn.functional_call(net(), {"0.wieght": X}, X)


def test_a_tensor_of_another_shape_is_refused():
    with pytest.raises(ShapeError, match=r"'0\.bias' is \(3,\), got a tensor \(4,\)"):
        nn.functional_call(net(), {"0.bias": Tensor(np.zeros(4, np.float32))}, X)


def test_running_statistics_that_are_given_receive_the_update():
    module = nn.BatchNorm1d(2)
    mean = Tensor(np.zeros(2, np.float32))
    nn.functional_call(module, {"running_mean": mean}, X)
    np.testing.assert_allclose(mean.data, 0.1 * X.data.mean(0), rtol=1e-6)
    np.testing.assert_array_equal(module.running_mean.data, np.zeros(2))
    assert int(module.num_batches_tracked) == 1


def test_a_normalised_weight_is_computed_from_the_tensor_given():
    module = spectral_norm(nn.Linear(2, 2, bias=False)).eval()
    own = module(X).data
    tripled = {"weight_orig": Tensor(3 * module.weight_orig.data)}
    np.testing.assert_allclose(nn.functional_call(module, tripled, X).data, own, rtol=1e-5)
    assert "weight" not in vars(module)


def test_keyword_arguments_are_passed_on():
    class Scale(nn.Module):
        def __init__(self):
            self.s = nn.Parameter(2.0)

        def forward(self, x, *, times):
            return x * self.s * times

    y = nn.functional_call(Scale(), {"s": Tensor(5.0)}, Tensor(1.0), times=3)
    assert float(y) == 15
