"""Extragradient, optimistic and lookahead steps: the bilinear game by hand, scalar loops, state."""

import cmath
import copy
import math

import numpy as np
import pytest

from tinygan import nn, optim
from tinygan.autograd import Tensor, grad
from tinygan.errors import OptionError, ShapeError, StateError

H = 0.3  # learning rate of the games


# --- min_x max_y x y: z = x + i y is multiplied by a known number ---


class Bilinear:
    """The game of two numbers, each with an optimizer of its own."""

    def __init__(self, make):
        self.x, self.y = nn.Parameter(np.array(0.8)), nn.Parameter(np.array(-0.6))
        self.players = make([self.x]), make([self.y])

    def grads(self):
        return [grad(sign * self.x * self.y, [p]) for sign, p in ((1.0, self.x), (-1.0, self.y))]

    def turn(self, method="step"):
        for player, g in zip(self.players, self.grads(), strict=True):
            getattr(player, method)(g)

    def z(self):
        return complex(float(self.x), float(self.y))


def factors(make, rounds, turn):
    game, before, found = Bilinear(make), None, []
    for _ in range(rounds):
        before = game.z()
        turn(game)
        found.append(game.z() / before)
    return found, game


def test_gradient_descent_spirals_out_of_the_bilinear_game():
    found, game = factors(lambda ps: optim.SGD(ps, H), 20, Bilinear.turn)
    np.testing.assert_allclose(found, 1 + 1j * H, rtol=1e-12)
    assert abs(game.z()) == pytest.approx((1 + H * H) ** 10)


def both_halves(game):
    game.turn("extrapolate")
    game.turn("step")


def test_extragradient_shrinks_the_bilinear_game_by_its_known_factor():
    found, game = factors(lambda ps: optim.Extragradient(optim.SGD(ps, H)), 60, both_halves)
    np.testing.assert_allclose(found, 1 - H * H + 1j * H, rtol=1e-12)
    assert abs(game.z()) == pytest.approx((1 - H**2 + H**4) ** 30)
    assert abs(game.z()) < 0.1


def test_optimistic_descent_shrinks_the_bilinear_game_at_its_known_rate():
    found, game = factors(lambda ps: optim.Optimistic(optim.SGD(ps, H)), 100, Bilinear.turn)
    root = (1 + 2j * H + cmath.sqrt(1 - 4 * H * H)) / 2
    # the other root's share falls by |0.5 / 0.95| a step: after 100 it is below rounding
    assert found[-1] == pytest.approx(root, rel=1e-9)
    assert abs(root) ** 2 == pytest.approx((1 + math.sqrt(1 - 4 * H * H)) / 2)
    assert abs(game.z()) < 0.02


def test_optimistic_descent_diverges_beyond_its_largest_step():
    # |lambda| passes 1 at h = 1 / sqrt(3), where gradient descent diverges at every h
    for h, grows in ((0.57, False), (0.585, True)):
        _, game = factors(lambda ps, h=h: optim.Optimistic(optim.SGD(ps, h)), 400, Bilinear.turn)
        assert (abs(game.z()) > 1) == grows, h


@pytest.mark.parametrize(("k", "alpha"), [(5, 0.5), (3, 0.2), (8, 0.5)])
def test_lookahead_shrinks_the_bilinear_game_by_its_known_factor(k, alpha):
    def turn(game):
        for _ in range(k):
            game.turn()

    found, game = factors(lambda ps: optim.Lookahead(optim.SGD(ps, H), k=k, alpha=alpha), 40, turn)
    expected = 1 - alpha + alpha * (1 + 1j * H) ** k
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert abs(expected) < 1
    assert abs(game.z()) == pytest.approx(abs(expected) ** 40)


def test_extragradient_around_lookahead_is_la_extragrad():
    def turn(game):
        for _ in range(4):
            both_halves(game)

    found, _ = factors(
        lambda ps: optim.Extragradient(optim.Lookahead(optim.SGD(ps, H), k=8)), 10, turn
    )
    np.testing.assert_allclose(found, 0.5 + 0.5 * (1 - H * H + 1j * H) ** 4, rtol=1e-12)


def test_extragradient_makes_adam_converge_where_adam_alone_circles():
    adam = {"betas": (0.0, 0.9), "eps": 1e-2}

    def distance(make, turn):
        _, game = factors(lambda ps: make(ps, 0.02, **adam), 2000, turn)
        return abs(game.z())

    assert distance(optim.Adam, Bilinear.turn) > 0.1
    # Adam moves by lr whatever the gradient, so each of the two players is off by a move at most
    assert distance(optim.ExtraAdam, both_halves) < math.sqrt(2) * 0.02
    assert distance(optim.OptimisticAdam, Bilinear.turn) < math.sqrt(2) * 2 * 0.02


# --- the papers' algorithms, as scalar loops ---

GRADIENTS = [0.5, -1.25, 2.0, 0.0, 3.0, -0.25, 1.0, 1.0, -4.0, 0.125]
ADAM = {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}


class ScalarAdam:
    """The moments of one number, and the move of a step."""

    def __init__(self):
        self.m = self.v = self.t = 0

    def move(self, g):
        (beta1, beta2), self.t = ADAM["betas"], self.t + 1
        self.m = beta1 * self.m + (1 - beta1) * g
        self.v = beta2 * self.v + (1 - beta2) * g * g
        v_hat = self.v / (1 - beta2**self.t)
        return ADAM["lr"] * self.m / (1 - beta1**self.t) / (math.sqrt(v_hat) + ADAM["eps"])


def test_extra_adam_follows_algorithm_4_of_its_paper():
    p, adam, w, expected, found = nn.Parameter(np.array(1.5)), ScalarAdam(), 1.5, [], []
    optimizer = optim.ExtraAdam([p], **ADAM)
    for i, g in enumerate(GRADIENTS):
        move = adam.move(g)
        if i % 2 == 0:
            optimizer.extrapolate([Tensor(np.array(g))])
            expected.append(w - move)
        else:
            optimizer.step([Tensor(np.array(g))])
            w -= move
            expected.append(w)
        found.append(float(p))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_optimistic_adam_follows_algorithm_1_of_its_paper():
    p, adam, w, last, expected, found = nn.Parameter(np.array(1.5)), ScalarAdam(), 1.5, 0.0, [], []
    optimizer = optim.OptimisticAdam([p], **ADAM)
    for g in GRADIENTS:
        move = adam.move(g)
        w, last = w - 2 * move + last, move
        optimizer.step([Tensor(np.array(g))])
        expected.append(w)
        found.append(float(p))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_lookahead_follows_algorithm_1_of_its_paper():
    p, adam = nn.Parameter(np.array(1.5)), ScalarAdam()
    optimizer = optim.Lookahead(optim.Adam([p], **ADAM), k=3, alpha=0.4)
    fast = slow = 1.5
    for t, g in enumerate(GRADIENTS, 1):
        fast -= adam.move(g)
        if t % 3 == 0:
            fast = slow = slow + 0.4 * (fast - slow)
        optimizer.step([Tensor(np.array(g))])
        assert float(p) == pytest.approx(fast, rel=1e-12)


# --- what every optimizer promises ---

EVERY = {
    "extra": lambda ps: optim.ExtraAdam(ps),
    "optimistic": lambda ps: optim.OptimisticAdam(ps),
    "lookahead": lambda ps: optim.Lookahead(optim.SGD(ps, 0.1, momentum=0.9), k=4),
    "stacked": lambda ps: optim.Extragradient(optim.Lookahead(optim.Optimistic(optim.Adam(ps)))),
}


def two():
    return [nn.Parameter(np.ones((2, 3), np.float32)), nn.Parameter(np.ones(4, np.float32))]


def gradients(params, t):
    rng = np.random.default_rng(t)
    return [
        None if (t + i) % 3 == 0 else Tensor(rng.normal(size=p.shape).astype(np.float32))
        for i, p in enumerate(params)
    ]


def advance(optimizer, t):
    if isinstance(optimizer, optim.Extragradient):
        optimizer.extrapolate(gradients(optimizer.params, 2 * t + 1))
    optimizer.step(gradients(optimizer.params, 2 * t))


@pytest.mark.parametrize("name", EVERY)
def test_state_carries_a_transform_over_bit_for_bit(name):
    params = two()
    optimizer = EVERY[name](params)
    for t in range(7):
        advance(optimizer, t)
    twins = copy.deepcopy(params)
    other = EVERY[name](twins)
    other.load_state_dict(optimizer.state_dict())
    for t in range(7, 13):
        advance(optimizer, t)
        advance(other, t)
    for p, q in zip(params, twins, strict=True):
        np.testing.assert_array_equal(p.data, q.data)
    assert other.step_count == optimizer.step_count


@pytest.mark.parametrize("name", EVERY)
def test_a_transform_stays_in_float32_and_skips_what_has_no_gradient(name):
    params = two()
    optimizer = EVERY[name](params)
    g = [Tensor(np.ones((2, 3), np.float32)), None]
    for _ in range(6):
        if isinstance(optimizer, optim.Extragradient):
            optimizer.extrapolate(g)
        optimizer.step(g)
    assert {p.dtype for p in params} == {np.dtype(np.float32)}
    assert {a.dtype for arrays in optimizer.slots.values() for a in arrays} == {
        np.dtype(np.float32)
    }
    assert not (params[0].data == 1).any()
    assert (params[1].version, optimizer.steps[1]) == (0, 0)


def test_a_parameter_that_has_a_gradient_in_one_half_only_goes_back():
    p = nn.Parameter(np.array([1.0]))
    optimizer = optim.Extragradient(optim.SGD([p], 0.5))
    optimizer.extrapolate([Tensor(np.array([1.0]))])
    assert float(p[0]) == 0.5
    optimizer.step([None])
    assert float(p[0]) == 1.0


def test_grad_fields_serve_both_halves():
    p = nn.Parameter(np.array([1.0]))
    optimizer = optim.Extragradient(optim.SGD([p], 0.5))
    for method in (optimizer.extrapolate, optimizer.step):
        optimizer.zero_grad()
        (p * p).sum().backward()
        method()
    assert float(p[0]) == 1.0  # w' = 0, whose gradient is 0


def test_a_schedule_sets_the_rate_inside():
    optimizer = optim.Lookahead(optim.SGD([nn.Parameter(1.0)], 0.4))
    optim.LinearDecay(0, 10).apply(optimizer, 5)
    assert optimizer.inner.lr == pytest.approx(0.2)


def test_alpha_of_one_is_the_optimizer_inside():
    ours, plain = two(), two()
    wrapped = optim.Lookahead(optim.SGD(ours, 0.5), k=2, alpha=1.0)
    alone = optim.SGD(plain, 0.5)
    for _ in range(4):
        g = [Tensor(np.full(p.shape, 0.25, np.float32)) for p in ours]  # exact in binary
        wrapped.step(g)
        alone.step(g)
    for p, q in zip(ours, plain, strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_step_that_was_not_prepared_is_refused():
    p = nn.Parameter(np.array([1.0]))
    optimizer = optim.ExtraAdam([p])
    g = [Tensor(np.array([1.0]))]
    with pytest.raises(StateError, match="without extrapolate"):
        optimizer.step(g)
    optimizer.extrapolate(g)
    with pytest.raises(ShapeError, match="1 parameters but 2 gradients"):
        optimizer.step(g * 2)
    optimizer.step(g)  # what was refused used nothing up
    with pytest.raises(StateError, match="without extrapolate"):
        optimizer.step(g)


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Lookahead([p]),
        lambda p: optim.Lookahead(optim.SGD([p]), k=0),
        lambda p: optim.Lookahead(optim.SGD([p]), alpha=0.0),
        lambda p: optim.Lookahead(optim.SGD([p]), alpha=1.5),
        lambda p: optim.Lookahead(optim.SGD([p]), alpha=float("nan")),
        lambda p: optim.Lookahead(optim.Lookahead(optim.SGD([p]))),
        lambda p: optim.Optimistic(optim.OptimisticAdam([p])),
        lambda p: optim.ExtraAdam([p], betas=(0.9, 1.0)),
    ],
)
def test_a_transform_of_nothing_or_of_itself_is_refused(make):
    with pytest.raises(OptionError):
        make(nn.Parameter(1.0))
