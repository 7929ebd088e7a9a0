"""Optimizers against hand-written scalar loops; state, errors, and what a step does to graphs."""

import copy
import math

import numpy as np
import pytest

from tinygan import nn, optim
from tinygan.autograd import Tensor, grad
from tinygan.errors import DtypeError, GraphError, OptionError, ShapeError, StateError
from tinygan.kernels import use_backend

GRADIENTS = [0.5, -1.25, 2.0, 0.0, 3.0, -0.25, 1.0, 1.0, -4.0, 0.125]


def run(make, start=1.5, dtype=np.float64, gradients=GRADIENTS):
    """Return the values that one scalar parameter takes under the gradients."""
    p = nn.Parameter(np.array([start], dtype))
    optimizer, values = make([p]), []
    for g in gradients:
        optimizer.step([Tensor(np.array([g], dtype))])
        values.append(float(p[0]))
    return values


def sgd(p, lr, momentum=0.0, dampening=0.0, decay=0.0, nesterov=False):
    b, values = None, []
    for g in GRADIENTS:
        g = g + decay * p
        if momentum:
            b = g if b is None else momentum * b + (1 - dampening) * g
            g = g + momentum * b if nesterov else b
        p = p - lr * g
        values.append(p)
    return values


def rmsprop(p, lr, alpha=0.99, eps=1e-8, decay=0.0, momentum=0.0, centered=False):
    s, m, b, values = 0.0, 0.0, 0.0, []
    for g in GRADIENTS:
        g = g + decay * p
        s = alpha * s + (1 - alpha) * g * g
        m = alpha * m + (1 - alpha) * g
        d = g / (math.sqrt(s - m * m if centered else s) + eps)
        b = momentum * b + d
        p = p - lr * b
        values.append(p)
    return values


def adam(p, lr, beta1=0.9, beta2=0.999, eps=1e-8, decay=0.0, decoupled=False):
    m, v, values = 0.0, 0.0, []
    for t, g in enumerate(GRADIENTS, 1):
        if decoupled:
            p = p * (1 - lr * decay)
        else:
            g = g + decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        p = p - lr * (m / (1 - beta1**t)) / (math.sqrt(v / (1 - beta2**t)) + eps)
        values.append(p)
    return values


CASES = {
    "sgd": (lambda ps: optim.SGD(ps, 0.1), sgd(1.5, 0.1)),
    "sgd decay": (lambda ps: optim.SGD(ps, 0.1, weight_decay=0.3), sgd(1.5, 0.1, decay=0.3)),
    "sgd momentum": (lambda ps: optim.SGD(ps, 0.1, momentum=0.9), sgd(1.5, 0.1, 0.9)),
    "sgd dampening": (
        lambda ps: optim.SGD(ps, 0.1, momentum=0.9, dampening=0.4),
        sgd(1.5, 0.1, 0.9, 0.4),
    ),
    "sgd nesterov": (
        lambda ps: optim.SGD(ps, 0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
        sgd(1.5, 0.1, 0.9, decay=0.1, nesterov=True),
    ),
    "rmsprop": (lambda ps: optim.RMSprop(ps), rmsprop(1.5, 0.01)),
    "rmsprop momentum": (
        lambda ps: optim.RMSprop(ps, 0.02, alpha=0.9, eps=0.1, momentum=0.5, weight_decay=0.2),
        rmsprop(1.5, 0.02, 0.9, 0.1, 0.2, 0.5),
    ),
    "rmsprop centered": (
        lambda ps: optim.RMSprop(ps, 0.02, alpha=0.9, momentum=0.5, centered=True),
        rmsprop(1.5, 0.02, 0.9, momentum=0.5, centered=True),
    ),
    "adam": (lambda ps: optim.Adam(ps), adam(1.5, 1e-3)),
    "adam of dcgan": (
        lambda ps: optim.Adam(ps, 2e-4, betas=(0.5, 0.999)),
        adam(1.5, 2e-4, 0.5),
    ),
    "adam of wgan_gp": (
        lambda ps: optim.Adam(ps, 1e-4, betas=(0.0, 0.9), eps=1e-3, weight_decay=0.1),
        adam(1.5, 1e-4, 0.0, 0.9, 1e-3, 0.1),
    ),
    "adamw": (lambda ps: optim.AdamW(ps), adam(1.5, 1e-3, decay=1e-2, decoupled=True)),
    "adamw strong": (
        lambda ps: optim.AdamW(ps, 0.1, weight_decay=0.5),
        adam(1.5, 0.1, decay=0.5, decoupled=True),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_optimizer_follows_its_scalar_loop(name):
    make, expected = CASES[name]
    np.testing.assert_allclose(run(make), expected, rtol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_float32_stays_float32_and_close(name):
    make, expected = CASES[name]
    p = nn.Parameter(np.array([1.5], np.float32))
    optimizer = make([p])
    optimizer.step([Tensor(np.array([0.5], np.float32))])
    assert p.dtype == np.float32
    assert all(a.dtype == np.float32 for arrays in optimizer.slots.values() for a in arrays)
    np.testing.assert_allclose(run(make, dtype=np.float32), expected, rtol=2e-5, atol=1e-6)


def test_the_first_step_of_adam_is_lr_whatever_the_gradient():
    for g in (1e-3, 1.0, 1e6):
        (value,) = run(lambda ps: optim.Adam(ps, 0.25, eps=0.0), 0.0, gradients=[g])
        assert value == pytest.approx(-0.25)


def test_gradient_descent_on_a_parabola_shrinks_by_a_constant_factor():
    p = nn.Parameter(np.array([1.0]))
    optimizer = optim.SGD([p], 0.1)
    for _ in range(10):
        optimizer.step(grad((p * p).sum(), [p]))
    assert float(p[0]) == pytest.approx(0.8**10)


def test_a_constant_gradient_does_not_make_centered_rmsprop_nan():
    values = run(
        lambda ps: optim.RMSprop(ps, alpha=0.5, centered=True),
        dtype=np.float32,
        gradients=[0.3] * 100,  # s - m^2 is rounded to -4e-9 on the way
    )
    assert np.isfinite(values).all()


def test_both_spellings_of_rmsprop_are_one_class():
    assert optim.RMSProp is optim.RMSprop


# --- gradients ---

EVERY = {
    "sgd": lambda ps: optim.SGD(ps, 0.1, momentum=0.9),
    "rmsprop": lambda ps: optim.RMSprop(ps, momentum=0.5, centered=True),
    "adam": lambda ps: optim.Adam(ps),
    "adamw": lambda ps: optim.AdamW(ps),
}


def two():
    return [nn.Parameter(np.ones((2, 3), np.float32)), nn.Parameter(np.ones(4, np.float32))]


def ones_like(params):
    return [Tensor(np.ones(p.shape, np.float32)) for p in params]


@pytest.mark.parametrize("name", EVERY)
def test_grad_fields_serve_where_no_gradients_are_given(name):
    implicit, explicit = two(), two()
    for _ in range(3):
        for p, g in zip(implicit, ones_like(implicit), strict=True):
            p.grad = g
    one, other = EVERY[name](implicit), EVERY[name](explicit)
    for _ in range(3):
        one.step()
        other.step(ones_like(explicit))
    for p, q in zip(implicit, explicit, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    one.zero_grad()
    assert all(p.grad is None for p in implicit)


@pytest.mark.parametrize("name", EVERY)
def test_a_parameter_without_gradient_is_skipped_and_its_count_stays(name):
    params, alone = two(), two()
    optimizer, other = EVERY[name](params), EVERY[name](alone)
    first = ones_like(params)[0]
    optimizer.step([None, None])
    optimizer.step([first, None])
    other.step([first, None])
    np.testing.assert_array_equal(params[1].data, np.ones(4))
    assert params[1].version == 0
    np.testing.assert_array_equal(params[0].data, alone[0].data)
    assert optimizer.steps == [1, 0]
    assert optimizer.step_count == 2


@pytest.mark.parametrize("name", EVERY)
def test_gradients_are_left_as_they_are(name):
    params = two()
    gs = ones_like(params)
    EVERY[name](params).step(gs)
    for g in gs:
        np.testing.assert_array_equal(g.data, np.ones(g.shape))


@pytest.mark.parametrize("name", EVERY)
def test_broadcast_and_transposed_gradients_are_read_right(name):
    values = np.arange(6, dtype=np.float32).reshape(3, 2)
    odd, plain = two(), two()
    gs = [Tensor(values.T), Tensor(np.broadcast_to(np.float32(2), (4,)))]
    EVERY[name](odd).step(gs)
    EVERY[name](plain).step([Tensor(g.data.copy()) for g in gs])
    for p, q in zip(odd, plain, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_gradient_that_lies_in_the_memory_of_its_parameter(backend):
    if backend == "numba":
        pytest.skip("Numba has no optimizer")

    def step(p, g):
        with use_backend(backend):
            optim.AdamW([p], 0.1, eps=1.0, weight_decay=0.5).step([g])
        return p.data

    p, q = nn.Parameter(np.arange(1.0, 100.0)), nn.Parameter(np.arange(1.0, 100.0))
    aliased = step(p, p.detach()[::-1])
    np.testing.assert_array_equal(aliased, step(q, Tensor(q.data[::-1].copy())))


@pytest.mark.parametrize("name", EVERY)
def test_a_gradient_that_lies_in_the_memory_of_another_parameter(name):
    aliased, apart = ([nn.Parameter(np.arange(1.0, 6.0)) for _ in range(2)] for _ in range(2))
    EVERY[name](aliased).step([Tensor(np.ones(5)), aliased[0].detach()])
    EVERY[name](apart).step([Tensor(np.ones(5)), Tensor(np.arange(1.0, 6.0))])
    for p, q in zip(aliased, apart, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize("name", EVERY)
def test_a_parameter_that_must_not_be_written_to_moves_to_a_copy(name):
    ones = np.broadcast_to(np.float32(1), (3,))
    p = nn.Parameter(np.zeros(3, np.float32)).assign_(ones)
    EVERY[name]([p]).step([Tensor(np.array([1, 2, 3], np.float32))])
    assert (p.data < 1).all()
    assert (ones == 1).all()


def test_numbers_and_gradients_of_wrong_number_shape_or_dtype_are_refused():
    params = two()
    optimizer = optim.SGD(params, 0.1)
    gs = ones_like(params)
    with pytest.raises(ShapeError, match="2 parameters but 1 gradients"):
        optimizer.step(gs[:1])
    with pytest.raises(ShapeError, match=r"params\[0\] is \(2, 3\), its gradient \(4,\)"):
        optimizer.step(gs[::-1])
    with pytest.raises(DtypeError, match=r"params\[1\] is float32, its gradient float64"):
        optimizer.step([gs[0], Tensor(np.ones(4))])
    assert all((p.data == 1).all() for p in params)  # refused before anything moved


def test_a_graph_that_saved_a_parameter_says_so_after_a_step():
    layer = nn.Linear(2, 2)
    x = Tensor(np.ones((1, 2), np.float32), requires_grad=True)
    loss = layer(x).sum()
    optim.Adam(layer.parameters()).step(ones_like(layer.parameters()))
    with pytest.raises(GraphError, match="changed since"):
        grad(loss, x)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.SGD([], 0.1),
        lambda p: optim.SGD([p, p], 0.1),
        lambda p: optim.SGD([p], -0.1),
        lambda p: optim.SGD([p], float("nan")),
        lambda p: optim.SGD([p], 0.1, momentum=-1),
        lambda p: optim.SGD([p], 0.1, nesterov=True),
        lambda p: optim.SGD([p], 0.1, momentum=0.9, dampening=0.1, nesterov=True),
        lambda p: optim.RMSprop([p], alpha=1.0),
        lambda p: optim.RMSprop([p], eps=-1.0),
        lambda p: optim.Adam([p], betas=(0.9, 1.0)),
        lambda p: optim.Adam([p], betas=(0.9,)),
        lambda p: optim.Adam([p], weight_decay=-1),
        lambda p: optim.Adam([p * 2]),
        lambda p: optim.Adam([Tensor(1.0)]),
        lambda p: optim.Adam([1.0]),
    ],
)
def test_what_can_not_be_optimised_is_refused(make):
    with pytest.raises(OptionError):
        make(nn.Parameter(1.0))


# --- state ---


@pytest.mark.parametrize("name", EVERY)
def test_state_carries_an_optimizer_over_bit_for_bit(name):
    params = two()
    optimizer = EVERY[name](params)
    gs = [
        [None if (t + i) % 3 == 0 else g for i, g in enumerate(ones_like(params))] for t in range(9)
    ]
    for g in gs[:5]:
        optimizer.step(g)
    twins = copy.deepcopy(params)
    other = EVERY[name](twins)
    other.load_state_dict(optimizer.state_dict())
    for g in gs[5:]:
        optimizer.step(g)
        other.step(g)
    for p, q in zip(params, twins, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    assert other.step_count == 9


def test_state_is_flat_and_holds_copies():
    params = two()
    optimizer = optim.Adam(params, 0.5)
    optimizer.step(ones_like(params))
    state = optimizer.state_dict()
    keys = ["exp_avg.0", "exp_avg.1", "exp_avg_sq.0", "exp_avg_sq.1"]
    assert list(state) == ["lr", "step", "steps", *keys]
    assert (state["lr"], state["step"]) == (0.5, 1)
    before = state["exp_avg.0"].copy()
    optimizer.step(ones_like(params))
    np.testing.assert_array_equal(state["exp_avg.0"], before)


def test_state_that_does_not_fit_is_refused_whole():
    params = two()
    optimizer = optim.Adam(params)
    state = optimizer.state_dict()
    del state["exp_avg.0"]
    state["exp_avg.1"] = np.zeros(5)
    state["momentum_buffer.0"] = np.zeros(1)
    state["step"] = 17
    with pytest.raises(StateError) as caught:
        optimizer.load_state_dict(state)
    assert "missing 'exp_avg.0'" in str(caught.value)
    assert "unexpected 'momentum_buffer.0'" in str(caught.value)
    assert "'exp_avg.1' is (4,) here but (5,) in the state" in str(caught.value)
    assert optimizer.step_count == 0


# --- schedules ---


def rates(schedule, steps):
    return [schedule(step) for step in steps]


def test_linear_decay_holds_then_falls_then_stays():
    schedule = optim.LinearDecay(start=100, total=200)
    assert rates(schedule, [0, 100, 150, 200, 999]) == [1, 1, 0.5, 0, 0]
    assert optim.LinearDecay(0, 10, to=0.5)(5) == 0.75


def test_step_and_exponential_decay():
    assert rates(optim.StepDecay(10, 0.5), [0, 9, 10, 25]) == [1, 1, 0.5, 0.25]
    assert rates(optim.ExponentialDecay(0.5), [0, 1, 3]) == [1, 0.5, 0.125]


def test_cosine_falls_along_half_a_period():
    schedule = optim.Cosine(8, to=0.1)
    assert schedule(0) == 1
    assert schedule(4) == pytest.approx(0.55)
    assert schedule(2) == pytest.approx(0.1 + 0.9 * (1 + math.sqrt(0.5)) / 2)
    assert schedule(8) == schedule(100) == pytest.approx(0.1)


def test_a_schedule_sets_the_rate_from_the_step_alone():
    optimizer = optim.SGD([nn.Parameter(1.0)], 0.4)
    schedule = optim.LinearDecay(0, 10)
    schedule.apply(optimizer, 5)
    assert optimizer.lr == pytest.approx(0.2)
    schedule.apply(optimizer, 5)
    assert optimizer.lr == pytest.approx(0.2)


@pytest.mark.parametrize(
    "make",
    [
        lambda: optim.LinearDecay(10, 10),
        lambda: optim.LinearDecay(-1, 10),
        lambda: optim.StepDecay(0),
        lambda: optim.Cosine(0),
    ],
)
def test_a_schedule_that_never_ends_is_refused(make):
    with pytest.raises(OptionError):
        make()
