"""D on reals and fakes in one pass: the same as two passes wherever it is taken."""

import numpy as np
import pytest

from tinygan import Tensor, grad, kernels, nn, ops, random
from tinygan.errors import ShapeError
from tinygan.gan import DiffAugment, judge_both, why_apart
from tinygan.gan.augment import AugmentedInput
from tinygan.gan.networks import DCGANDiscriminator, MLPDiscriminator, ResNetDiscriminator
from tinygan.kernels.registry import tracing

RNG = np.random.default_rng(0)
REAL, FAKE = (Tensor(RNG.normal(mean, size=(6, 2, 8, 8))) for mean in (0.5, -0.5))
F64 = {"dtype": np.float64}


def discriminator(*extra, momentum=0.1):
    with random.using(random.Streams(3)):
        return nn.Sequential(
            nn.Conv2d(2, 4, 4, 2, 1, bias=False, **F64),
            nn.BatchNorm2d(4, momentum=momentum, **F64),
            nn.LeakyReLU(0.2),
            *extra,
            nn.Conv2d(4, 6, 4, 2, 1, **F64),
            nn.BatchNorm2d(6, momentum=momentum, **F64),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(24, 1, **F64),
        )


class Doubling(nn.Module):
    def forward(self, x):
        return 2.0 * x


class PerSample(Doubling):
    per_sample = True


class Failing(nn.Identity):
    per_sample = True

    def forward(self, x):
        raise ShapeError("no")


def passes(fn):
    """Count the passes of a ``discriminator`` by its convolutions; return fn's result too."""
    seen = []
    with tracing(lambda kernel, *_: seen.append(kernel.op) if kernel.op == "conv2d" else None):
        result = fn()
    return len(seen) / 2, result


def close(a, b):
    # sums of at most 2 * 6 * 64 terms of order 1, in two orders
    np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_one_pass_gives_the_logits_gradients_and_statistics_of_two(momentum):
    one, two = discriminator(momentum=momentum), discriminator(momentum=momentum)
    count, (real, fake) = passes(lambda: judge_both(one, REAL, FAKE))
    assert count == 1
    count, apart = passes(lambda: (two(REAL), two(FAKE)))
    assert count == 2
    close(real.data, apart[0].data)
    close(fake.data, apart[1].data)
    loss = ops.logistic_d_loss(real, fake), ops.logistic_d_loss(*apart)
    for a, b in zip(grad(loss[0], one.parameters()), grad(loss[1], two.parameters()), strict=True):
        close(a.data, b.data)
    for name, value in one.state_dict().items():
        close(value, two.state_dict()[name])
    assert int(one.state_dict()["1.num_batches_tracked"]) == 2


def test_statistics_over_both_halves_at_once_would_be_another_function():
    one, two = discriminator(), discriminator()
    mixed = one(ops.concatenate([REAL, FAKE]))
    assert np.abs(mixed.data[:6] - two(REAL).data).max() > 0.1


def test_in_eval_mode_running_statistics_serve_both_halves():
    D = discriminator()
    D(REAL)
    D.eval()
    real, fake = judge_both(D, REAL, FAKE)
    close(real.data, D(REAL).data)
    close(fake.data, D(FAKE).data)


def augmented():
    D = discriminator()
    D._inputs += (AugmentedInput(DiffAugment()),)
    return D


APART = {
    "input is changed at random": augmented,
    "dropout draws a mask": lambda: discriminator(nn.Dropout(0.5)),
    "power iteration": lambda: discriminator(
        nn.utils.spectral_norm(nn.Conv2d(4, 4, 1, **F64)),
    ),
    "MinibatchStd may look at the batch": lambda: nn.Sequential(nn.MinibatchStd(group_size=3)),
    "Doubling may look at the batch": lambda: discriminator(Doubling()),
}


@pytest.mark.parametrize("reason", APART)
def test_what_one_pass_would_change_is_judged_in_two_with_a_reason(reason):
    with random.using(random.Streams(0)):
        one = APART[reason]()
        got = judge_both(one, REAL, FAKE)
    with random.using(random.Streams(0)):
        two = APART[reason]()
        wanted = two(REAL), two(FAKE)
    assert reason in why_apart(one, REAL, FAKE)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(a.data, b.data)
    for name, value in one.state_dict().items():
        np.testing.assert_array_equal(value, two.state_dict()[name])


def test_reasons_go_when_what_moves_stands_still():
    for make in (APART["dropout draws a mask"], APART["power iteration"], augmented):
        assert why_apart(make().eval(), REAL, FAKE) is None
    assert why_apart(discriminator(nn.Dropout(0.0)), REAL, FAKE) is None
    assert why_apart(discriminator(PerSample()), REAL, FAKE) is None


def test_a_class_does_not_speak_for_its_subclasses():
    class Heir(PerSample):
        pass

    assert "3: Heir may look" in why_apart(discriminator(Heir()), REAL, FAKE)


def test_the_networks_of_gan_are_known():
    for D in (
        DCGANDiscriminator((2, 8, 8)),
        MLPDiscriminator((2, 8, 8), hidden=[4], pieces=2),
        ResNetDiscriminator((2, 8, 8), ndf=2, spectral_norm=False),
    ):
        assert why_apart(D, REAL, FAKE) is None
    assert "power iteration" in why_apart(ResNetDiscriminator((2, 8, 8), ndf=2), REAL, FAKE)


def test_batches_of_two_sizes_are_judged_apart():
    few = Tensor(FAKE.data[:4])
    assert "differ" in why_apart(discriminator(), REAL, few)
    real, fake = judge_both(discriminator(), REAL, few)
    assert (len(real.data), len(fake.data)) == (6, 4)


def test_a_pass_that_fails_leaves_batch_norm_as_it_was():
    D = discriminator(Failing())
    with pytest.raises(ShapeError, match="no"):
        judge_both(D, REAL, FAKE)
    assert all(m.segments == 1 for m in D.modules() if isinstance(m, nn.BatchNorm2d))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 7), (6, 5, 4, 3)])
def test_each_segment_has_the_bits_that_it_would_have_alone(shape, dtype, backend):
    x = RNG.normal(size=shape).astype(dtype)
    w, b = RNG.normal(size=(2, 5)).astype(dtype)
    with kernels.use_backend(backend, "numpy"):
        y = ops.batch_norm(x, w, b, segments=3)
        alone = [ops.batch_norm(x[i : i + 2], w, b).data for i in (0, 2, 4)]
    np.testing.assert_array_equal(y.data, np.concatenate(alone))


def test_segments_that_do_not_fit_are_named():
    w = np.ones(3)
    with pytest.raises(ShapeError, match=r"\(4, 3\) does not fall into 3 equal batches"):
        ops.batch_norm(np.ones((4, 3)), w, w, segments=3)
    with pytest.raises(ShapeError, match="fewer than two values"):
        ops.batch_norm(np.ones((4, 3)), w, w, segments=4)
