"""Path lengths and lazy penalties: closed forms, finite differences, and one move against two."""

import numpy as np
import pytest

from tinygan import Tensor, nn, ops, optim, random
from tinygan.autograd import grad
from tinygan.errors import OptionError, ShapeError, StateError
from tinygan.gan.lazy import descend_lazily, lazy_adam
from tinygan.gan.networks import StyleGAN2Generator
from tinygan.gan.path_length import PathLengthPenalty, path_lengths


def normal(*shape, name="x", dtype=np.float64):
    return random.Stream(0, name).normal(shape, dtype=dtype)


def linear(a):
    """Make a synthesis whose Jacobian is a: (H W, L nw)."""

    def synthesis(ws):
        flat = ops.matmul(ws.reshape(ws.shape[0], -1), Tensor(a.T))
        return flat.reshape(-1, 1, 3, 4)

    return synthesis


def test_lengths_of_a_linear_map_are_those_of_its_transpose_times_the_noise():
    a, ws, y = normal(12, 10, name="a"), normal(5, 2, 5), normal(5, 1, 3, 4, name="y")
    found = path_lengths(linear(a), Tensor(ws), noise=y)
    pulled = (y.reshape(5, 12) / np.sqrt(12)) @ a
    np.testing.assert_allclose(found.data, np.sqrt((pulled**2).sum(1) / 2), rtol=1e-9)


def test_a_multiple_of_an_isometry_has_even_expected_lengths():
    basis, _ = np.linalg.qr(normal(12, 12, name="q"))
    y = normal(4000, 1, 3, 4, name="y")
    found = path_lengths(linear(3.0 * basis[:, :10]), Tensor(normal(4000, 1, 10)), noise=y)
    # E l^2 = 9 * 10 / 12 for every w: y^T Q Q^T y is chi-squared of 10 degrees, over 12
    error = 9 * np.sqrt(2 * 10) / 12 / np.sqrt(4000)
    assert abs((found.data**2).mean() - 9 * 10 / 12) < 5 * error


def test_the_penalty_is_around_a_running_mean_that_starts_at_0():
    penalty, mean = PathLengthPenalty(decay=0.25), 0.0
    for lengths in normal(4, 6) ** 2:
        mean += 0.25 * (lengths.mean() - mean)
        found = float(penalty(Tensor(lengths)))
        assert found == pytest.approx(((lengths - mean) ** 2).mean(), rel=1e-12)
        assert penalty.pl_mean == pytest.approx(mean, rel=1e-12)
    again = PathLengthPenalty(decay=0.25)
    again.load_state_dict(penalty.state_dict())
    assert again.pl_mean == penalty.pl_mean
    with pytest.raises(StateError, match="takes its pl_mean, got real"):
        again.load_state_dict({"real": 1.0})
    with pytest.raises(OptionError, match="decay 0"):
        PathLengthPenalty(decay=0.0)


def test_the_penalty_s_gradient_is_that_of_finite_differences():
    G = StyleGAN2Generator(3, (1, 8, 8), nw=4, mapping_layers=1, mixing=0.0, nf=2, nf_max=2)
    G.eval()  # the noise of the buffers
    wide = {k: Tensor(t.data.astype(np.float64)) for k, t in tensors(G).items()}
    for name, t in wide.items():
        if name in G.named_parameters():
            t.requires_grad = True
    z, y = Tensor(normal(2, 3)), normal(2, 1, 8, 8, name="y")

    def penalty(values):
        def lengths(*_):
            return path_lengths(G.synthesis, G.styles(z), noise=y)

        lengths_of = nn.functional_call(
            Calling(G, lengths), {f"G.{k}": v for k, v in values.items()}
        )
        return ops.mean(ops.square(lengths_of - 0.7))

    chosen = ["mapping.main.1.weight", "convs.0.conv.weight", "convs.1.conv.style.weight", "start"]
    slopes = grad(penalty(wide), [wide[k] for k in chosen])
    for name, slope in zip(chosen, slopes, strict=True):
        way = normal(*slope.shape, name=name)
        ends = [
            float(penalty(wide | {name: Tensor(wide[name].data + h * way)})) for h in (1e-5, -1e-5)
        ]
        # central differences: 1e-10 of curvature, 1e-11 of rounding over 2e-5
        assert (slope.data * way).sum() == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5), name


class Calling(nn.Module):
    """A module that runs a function of another one."""

    def __init__(self, G, function):
        super().__init__()
        self.G, self.function = G, function

    def forward(self, *args):
        return self.function(*args)


def tensors(module):
    return module.named_parameters() | module.named_buffers()


def test_the_mapping_learns_from_path_lengths_where_it_made_the_styles():
    G = StyleGAN2Generator(3, (1, 8, 8), nw=4, mapping_layers=1, mixing=0.0, nf=2, nf_max=2)
    noise = normal(2, 1, 8, 8, name="y", dtype=np.float32)
    lengths = path_lengths(
        G.synthesis, G.styles(Tensor(normal(2, 3, dtype=np.float32))), noise=noise
    )
    slopes = grad(ops.sum(lengths), G.mapping.parameters())
    assert all(np.any(g.data) for g in slopes)


def test_noise_of_another_shape_than_the_images_is_refused():
    with pytest.raises(ShapeError, match=r"noise is \(5, 1, 4, 3\), the images are \(5, 1, 3, 4\)"):
        path_lengths(linear(normal(12, 10)), Tensor(normal(5, 2, 5)), noise=normal(5, 1, 4, 3))


# --- lazy ---


def quadratic(w):
    """Make a loss and a penalty of w, with the calls of the penalty counted."""
    calls = []

    def penalty():
        calls.append(1)
        return ops.sum(ops.square(w)) * 0.3

    return lambda: ops.sum(ops.square(w - 1.0)), penalty, calls


def run(steps, interval):
    w = nn.Parameter(normal(4))
    loss, penalty, calls = quadratic(w)
    adam = lazy_adam([w], 0.1, betas=(0.5, 0.9), interval=interval)
    for step in range(steps):
        descend_lazily(adam, loss, penalty, interval=interval, step=step)
    return w.data, adam, len(calls)


def test_an_interval_of_1_is_a_penalty_in_every_loss_with_adam_s_own_constants():
    w = nn.Parameter(normal(4))
    loss, penalty, _ = quadratic(w)
    plain = optim.Adam([w], 0.1, betas=(0.5, 0.9))
    for _ in range(7):
        plain.step(grad(loss() + penalty(), [w]))
    found, adam, calls = run(7, 1)
    np.testing.assert_array_equal(found, w.data)
    assert (adam.lr, adam.betas, calls, adam.step_count) == (0.1, (0.5, 0.9), 7, 7)


def test_a_lazy_penalty_is_a_move_of_its_own_k_times_as_strong():
    w, k = nn.Parameter(normal(4)), 3
    loss, penalty, _ = quadratic(w)
    c = k / (k + 1)
    plain = optim.Adam([w], 0.1 * c, betas=(0.5**c, 0.9**c))
    for step in range(7):
        plain.step(grad(loss(), [w]))
        if step in (0, 3, 6):
            plain.step(grad(penalty() * 3.0, [w]))
    found, adam, calls = run(7, k)
    np.testing.assert_array_equal(found, w.data)
    assert (calls, adam.step_count) == (3, 10)


def test_beta_s_mean_over_the_moves_of_k_steps_is_adam_s_own():
    adam = lazy_adam([nn.Parameter(normal(4))], 0.1, betas=(0.0, 0.99), interval=16)
    assert adam.betas[1] ** 17 == pytest.approx(0.99**16)
    assert adam.lr * 17 == pytest.approx(0.1 * 16)
    assert adam.betas[0] == 0.0


def test_without_a_penalty_it_is_never_made():
    _, adam, calls = run(5, 0)
    assert (calls, adam.step_count, adam.lr) == (0, 5, 0.1)
    with pytest.raises(OptionError, match="interval -1"):
        lazy_adam([nn.Parameter(normal(4))], 0.1, betas=(0.0, 0.99), interval=-1)


def test_descend_lazily_returns_the_loss_before_the_step():
    w = nn.Parameter(normal(4))
    loss, penalty, _ = quadratic(w)
    before = float(loss())
    adam = lazy_adam([w], 0.1, betas=(0.5, 0.9), interval=2)
    assert descend_lazily(adam, loss, penalty, interval=2, step=0) == before
