"""Module: the walk over attributes, state dicts, modes, copies."""

import copy
import pickle

import numpy as np
import pytest

from tinygan import nn
from tinygan.autograd import Tensor, grad
from tinygan.errors import CheckpointError, OptionError, StateError


class Net(nn.Module):
    """A layer, a buffer, a list of layers and a tied parameter."""

    def __init__(self):
        self.first = nn.Linear(2, 3)
        self.layers = [nn.Linear(3, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 1))]
        self.count = nn.Buffer(np.array(7, dtype=np.int64))
        self.tied = self.first.weight
        self.constant = Tensor(np.ones(4, np.float32))

    def forward(self, x):
        x = self.first(x)
        for layer in self.layers:
            x = layer(x)
        return x


NAMES = [
    "tied",
    "first.bias",
    "layers.0.weight",
    "layers.0.bias",
    "layers.1.1.weight",
    "layers.1.1.bias",
]


def test_parameters_are_named_by_attribute_and_position():
    assert list(Net().named_parameters()) == NAMES


def test_a_tied_parameter_appears_once_among_the_parameters():
    net = Net()
    assert len(net.parameters()) == len(NAMES)
    assert len({id(p) for p in net.parameters()}) == len(NAMES)


def test_a_tied_parameter_is_saved_under_all_its_names_as_in_pytorch():
    state = Net().state_dict()
    assert set(state) == {*NAMES, "first.weight", "count"}
    np.testing.assert_array_equal(state["tied"], state["first.weight"])


def test_buffers_are_no_parameters_and_plain_tensors_are_neither():
    net = Net()
    assert list(net.named_buffers()) == ["count"]
    assert "constant" not in net.state_dict()


def test_a_module_that_is_reached_twice_is_one_module():
    shared = nn.Linear(2, 2)
    net = nn.Sequential(shared, nn.Tanh(), shared)
    assert len(net.modules()) == 3
    assert list(net.named_parameters()) == ["0.weight", "0.bias"]
    assert set(net.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_a_link_back_to_the_parent_is_not_followed():
    net = Net()
    net.first.parent = net
    assert list(net.named_parameters()) == NAMES


def test_a_parameter_in_a_list_is_refused_and_not_forgotten():
    net = nn.Module()
    net.slopes = [nn.Parameter(1.0)]
    with pytest.raises(OptionError, match=r"Module\.slopes\[0\] is a Parameter in a list"):
        net.parameters()


def test_a_parameter_holds_a_copy():
    array = np.zeros(2, np.float32)
    first, second = nn.Parameter(array), nn.Parameter(array)
    assert not np.shares_memory(first.data, second.data)
    assert not np.shares_memory(first.data, array)


def test_state_dict_holds_copies():
    net = Net()
    state = net.state_dict()
    state["first.bias"][:] = 9
    assert not (net.first.bias.data == 9).any()


def test_a_state_dict_round_trips():
    net, other = Net(), Net()
    other.load_state_dict(net.state_dict())
    x = Tensor(np.ones((4, 2), np.float32))
    assert not np.shares_memory(net.first.weight.data, other.first.weight.data)
    np.testing.assert_array_equal(net(x).data, other(x).data)
    assert other.first.weight is other.tied


def test_loading_reports_all_that_is_missing_unexpected_and_misshapen_at_once():
    net = Net()
    state = net.state_dict()
    del state["first.bias"]
    state["layers.0.bias"] = np.zeros(5, np.float32)
    state["layers.0.weight"] = np.zeros((3, 3), np.complex64)
    state["stray"] = np.zeros(1, np.float32)
    before = net.state_dict()
    with pytest.raises(StateError) as caught:
        net.load_state_dict(state)
    message = str(caught.value)
    assert "\n" not in message
    assert "missing 'first.bias'" in message
    assert "unexpected 'stray'" in message
    assert "'layers.0.bias' is (3,) here but (5,) in the state" in message
    assert "'layers.0.weight' is float32 here but complex64 in the state" in message
    assert isinstance(caught.value, CheckpointError)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_state_from_before_batches_were_counted_fits():
    norm = nn.BatchNorm2d(3)
    state = norm.state_dict()
    del state["num_batches_tracked"]
    state["running_mean"] += 1
    assert norm.load_state_dict(state).missing_keys == []
    assert norm.running_mean.data.tolist() == [1, 1, 1]


def test_what_is_no_array_is_named():
    class Strange:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("unsupported BFloat16\nand more")

    net = Net()
    state = {**net.state_dict(), "first.bias": Strange()}
    with pytest.raises(StateError, match=r"^state dict: 'first.bias' can't be .*BFloat16\)$"):
        net.load_state_dict(state)


def test_names_of_parametrizations_are_taken_for_the_older_ones():
    net = nn.Sequential(
        nn.utils.spectral_norm(nn.Linear(3, 2)), nn.utils.weight_norm(nn.Linear(2, 4))
    )
    state = {name: value + 1 for name, value in net.state_dict().items()}
    news = {"orig": "original", "u": "0._u", "v": "0._v"}
    given = {}
    for name, value in state.items():
        prefix, _, part = name.partition(".weight_")
        parts = news if prefix == "0" else {"g": "original0", "v": "original1"}
        new = f"{prefix}.parametrizations.weight.{parts[part]}" if part else name
        given[new] = value
    net.load_state_dict(given)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, state[name])
    with pytest.raises(StateError, match=r"unexpected '0\.parametrizations\.bias\.original7'"):
        net.load_state_dict({**given, "0.parametrizations.bias.original7": np.ones(2)})


def test_loading_that_is_not_strict_takes_what_fits_and_says_what_did_not():
    net = Net()
    missing, unexpected = net.load_state_dict(
        {"first.bias": np.full(3, 5, np.float64), "stray": np.zeros(1)}, strict=False
    )
    np.testing.assert_array_equal(net.first.bias.data, np.full(3, 5, np.float32))
    assert net.first.bias.dtype == np.float32
    assert unexpected == ["stray"]
    assert "layers.0.bias" in missing
    with pytest.raises(StateError, match=r"first\.bias"):
        net.load_state_dict({"first.bias": np.zeros(4, np.float32)}, strict=False)


def test_one_name_of_a_tied_parameter_is_enough_to_load_it():
    net = Net()
    state = net.state_dict()
    del state["tied"]
    state["first.weight"] = np.full((3, 2), 2, np.float32)
    net.load_state_dict(state)
    np.testing.assert_array_equal(net.tied.data, np.full((3, 2), 2, np.float32))


def test_two_different_values_for_one_tied_parameter_are_refused():
    net = Net()
    state = net.state_dict()
    state["first.weight"] = state["first.weight"] + 1
    with pytest.raises(StateError, match="one tied tensor but differ"):
        net.load_state_dict(state)


def test_loading_moves_versions_on():
    net = Net()
    before = net.first.bias.version
    net.load_state_dict(net.state_dict())
    assert net.first.bias.version > before


def test_loading_keeps_the_memory_layout_of_the_parameter():
    layer = nn.Conv2d(2, 3, 2)
    state = {k: np.asfortranarray(v) for k, v in layer.state_dict().items()}
    layer.load_state_dict(state)
    assert layer.weight.data.flags.c_contiguous
    np.testing.assert_array_equal(layer.weight.data, state["weight"])


def test_train_and_eval_reach_every_module():
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())


def test_requires_grad_freezes_and_thaws_parameters():
    net = Net().requires_grad_(False)
    assert not net(Tensor(np.ones((1, 2), np.float32))).requires_grad
    net.requires_grad_()
    assert net(Tensor(np.ones((1, 2), np.float32))).requires_grad


def test_zero_grad_forgets_gradients():
    net = Net()
    net(Tensor(np.ones((1, 2), np.float32))).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_apply_visits_children_before_their_parent():
    seen = []
    net = Net()
    net.apply(seen.append)
    assert seen[-1] is net
    assert {id(m) for m in seen} == {id(m) for m in net.modules()}
    assert seen.index(net.layers[1][1]) < seen.index(net.layers[1])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_is_independent_and_keeps_ties(duplicate):
    net = Net()
    twin = duplicate(net)
    assert twin.first.weight is twin.tied
    assert type(twin.first.weight) is nn.Parameter
    twin.tied.assign_(twin.tied.data + 1)
    assert not (net.tied.data == twin.tied.data).any()
    assert net.tied.version != twin.tied.version


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match=r"Module has no forward\(\)"):
        nn.Module()()


def test_repr_shows_the_tree():
    text = repr(nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.LeakyReLU(0.2))))
    assert text.splitlines() == [
        "Sequential(",
        "  (0): Linear(2, 3, bias=True)",
        "  (1): Sequential(",
        "    (0): LeakyReLU(negative_slope=0.2)",
        "  )",
        ")",
    ]


def test_sequential_takes_names_from_a_mapping():
    net = nn.Sequential({"hidden": nn.Linear(2, 3), "act": nn.Tanh()})
    assert list(net.state_dict()) == ["hidden.weight", "hidden.bias"]
    assert net(Tensor(np.zeros((1, 2), np.float32))).shape == (1, 3)


def test_containers_index_iterate_replace_and_append():
    first, second, third = nn.Tanh(), nn.ReLU(), nn.Linear(1, 1)
    for net in (nn.Sequential(first, second), nn.ModuleList([first, second])):
        net.append(third)
        assert list(net) == [first, second, third]
        assert (len(net), net[0], net[-1]) == (3, first, third)
        net[1] = first
        assert net[1] is first
        assert list(net.state_dict()) == ["2.weight", "2.bias"]


def test_containers_refuse_what_is_no_module():
    with pytest.raises(OptionError, match="'1' is a function"):
        nn.Sequential(nn.Tanh(), lambda x: x)


def test_gradients_flow_through_a_tied_parameter_from_both_uses():
    class Tied(nn.Module):
        def __init__(self):
            self.encode = nn.Linear(2, 2, bias=False)
            self.decode = nn.Linear(2, 2, bias=False)
            self.decode.weight = self.encode.weight

        def forward(self, x):
            return self.decode(self.encode(x))

    net = Tied()
    w = np.array([[1.0, 2.0], [3.0, 5.0]], np.float32)
    net.encode.weight.assign_(w)
    x = np.array([[1.0, -1.0]], np.float32)
    (gw,) = grad(net(Tensor(x)).sum(), net.parameters())
    ones = np.ones((1, 2), np.float32)
    np.testing.assert_allclose(gw.data, ones.T @ (x @ w.T) + (ones @ w).T @ x)


def test_changes_of_an_input_act_on_the_first_argument_in_order_and_leave_no_trace_in_the_state():
    layer = nn.Linear(1, 1)
    names = list(layer.state_dict())
    layer.forward = lambda x, y: x + y
    layer._inputs += (lambda module, x: x * 2, lambda module, x: x + 1)
    assert layer(5, 100) == 111
    assert layer.changed_input(5) == 11
    assert list(layer.state_dict()) == names
    assert nn.Linear(1, 1)._inputs == ()
