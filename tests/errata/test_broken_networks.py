"""Examples of networks and of their use that don't do what they say."""

import numpy as np
import pytest

from errata.record import erratum
from errata.steps import constant, descend, leaf
from tinygan import nn, ops, random
from tinygan.autograd import Tensor, grad, no_grad
from tinygan.data import load
from tinygan.errors import ShapeError
from tinygan.gan import gradient_penalty
from tinygan.random import Stream

F64 = {"dtype": np.float64}


def seeded(make, seed=1):
    with random.using(random.Streams(seed)):
        return make()


@erratum(
    "B4",
    claim="A conditional GAN feeds G the noise and the label joined, with a first layer as wide as "
    "the noise, and joins the label vector to the image in D.",
    correct="G's first layer takes nz + c numbers; in D the label becomes c constant planes of the "
    "image's size (or joins where the image has become a vector).",
    sources=("arXiv:1411.1784",),
)
def test_the_condition_widens_the_first_layers_and_is_spread_over_the_image():
    """Joining (N, nz) and (N, c) gives (N, nz + c): a layer for nz doesn't fit it. An image is
    (N, C, H, W) and a label (N, c): they share no axis to be joined along until the label is
    repeated at every pixel, (N, c, H, W), so that each position of a convolution can see it.

    Then both players depend on the label: D's derivative with respect to it is not 0.
    """
    n, nz, c = 4, 6, 3
    z = constant(Stream(0, "z").normal((n, nz), np.float64))
    y = leaf(np.eye(c)[[0, 1, 2, 0]])
    joined = ops.concatenate([z, y], 1)
    narrow, wide = (seeded(lambda k=k: nn.Linear(k, 64, **F64)) for k in (nz, nz + c))
    with pytest.raises(ShapeError):
        narrow(joined)
    images = ops.tanh(wide(joined)).reshape(n, 1, 8, 8)

    with pytest.raises(ShapeError):
        ops.concatenate([images, y], 1)
    planes = ops.broadcast_to(y.reshape(n, c, 1, 1), (n, c, 8, 8))
    D = seeded(lambda: nn.Conv2d(1 + c, 1, 8, **F64))
    logits = D(ops.concatenate([images.detach(), planes], 1))
    assert np.abs(grad(ops.sum(logits), y).data).min() > 0.01
    assert grad(ops.sum(images), y).data.any()


@erratum(
    "B5",
    claim="A DCGAN discriminator is a stack of convolutions and a dense layer.",
    correct="Without activations between them the stack is one affine map; DCGAN has LeakyReLU "
    "after each convolution but the last, batch norm, and no hidden dense layer.",
    sources=("arXiv:1511.06434",),
)
def test_a_discriminator_without_activations_is_affine():
    """Affine maps compose to an affine map, so D(x) + D(y) = D(x + y) + D(0) for all x and y.

    Such a D can't tell data from fakes that are all their mean: E D(x) = D(E x). By Jensen's
    inequality, as softplus is convex,

        E softplus(-D(x)) + softplus(D(E x)) >= softplus(-D(E x)) + softplus(D(E x)) >= 2 log 2,

    the loss of a D that knows nothing, however long it is trained. LeakyReLU breaks the sum and
    the bound.
    """
    x = constant(Stream(0, "x").normal((6, 1, 8, 8), np.float64))
    mean_image = constant(x.data.mean(axis=0, keepdims=True))

    def stack(act):
        return seeded(
            lambda: nn.Sequential(
                nn.Conv2d(1, 4, 4, 2, 1, **F64), act(), nn.Conv2d(4, 8, 4, 2, 1, **F64), act(),
                nn.Flatten(), nn.Linear(32, 1, **F64),
            )
        )  # fmt: skip

    def trained_loss(D):
        def loss():
            return ops.logistic_d_loss(D(x), D(mean_image))

        return descend(loss, D.parameters(), lr=0.1, steps=60)

    def bent(D):
        a, b = x[:1], x[1:2]
        return abs(float(D(a)) + float(D(b)) - float(D(a + b)) - float(D(a * 0.0)))

    flat, curved = stack(nn.Identity), stack(lambda: nn.LeakyReLU(0.2))
    assert bent(flat) < 1e-12
    assert bent(curved) > 1e-3
    assert trained_loss(flat) >= 2 * np.log(2) - 1e-12
    assert trained_loss(curved) < 0.5


@erratum(
    "B8",
    claim="Plot a grey image of a batch by `images[i, :, :, :0]`.",
    correct="A slice `:0` is empty; the first channel is `images[i, :, :, 0]`.",
    sources=("NumPy's user guide, on indexing",),
)
def test_a_slice_up_to_zero_holds_no_pixel():
    """a[:k] holds the entries 0 .. k - 1, of which there are none for k = 0. The array's shape is
    (H, W, 0): a plot of it is blank, raises nothing, and says nothing about G. An index removes
    the axis instead.
    """
    batch = Tensor(np.moveaxis(load("digits").arrays[:2], 1, 3))  # (N, H, W, C)
    assert batch[0, :, :, :0].shape == (8, 8, 0)
    assert batch[0, :, :, :0].size == 0
    np.testing.assert_array_equal(batch[0, :, :, 0].data, load("digits").arrays[0, 0])


@erratum(
    "B11",
    claim="To augment a data set, call the generator in a loop, one sample at a time.",
    correct="Put it in eval mode and record no graph first; in training mode batch norm normalises "
    "each sample by itself, and moves its running statistics with every call.",
    sources=("arXiv:1502.03167",),
)
def test_sampling_one_by_one_needs_eval_mode():
    """Batch norm in training mode uses the batch's own mean and variance, over N, H and W. For
    N = 1 these are the sample's: every channel of every sample comes out with mean 0 and variance
    1 (before the learned scale and shift), so that what told samples apart by brightness or
    contrast is lost. After a dense layer one row has the variance 0, and batch norm refuses. Each
    call also moves the running statistics on.

    In eval mode a sample doesn't depend on its batch, and nothing is changed.
    """
    G = seeded(
        lambda: nn.Sequential(
            nn.ConvTranspose2d(4, 6, 4, **F64), nn.BatchNorm2d(6, **F64), nn.ReLU(),
            nn.ConvTranspose2d(6, 1, 4, 2, 1, **F64), nn.Tanh(),
        )
    )  # fmt: skip
    z = constant(Stream(0, "z").normal((8, 4, 1, 1), np.float64))
    for _ in range(30):
        G(z)  # lets the running statistics settle
    running = G[1].running_var

    def one_by_one():
        return np.concatenate([G(z[i : i + 1]).data for i in range(8)])

    before = running.data.copy()
    in_batch = G(z).data
    assert np.abs(one_by_one() - in_batch).max() > 0.1
    assert np.abs(running.data / before - 1).max() > 0.02
    with pytest.raises(ShapeError):
        nn.BatchNorm1d(6, **F64)(constant(np.ones((1, 6))))

    G.eval()
    settled = running.data.copy()
    with no_grad():
        np.testing.assert_allclose(one_by_one(), G(z).data, atol=1e-12)
        assert not G(z).requires_grad
    np.testing.assert_array_equal(running.data, settled)


@erratum(
    "B13",
    claim="The norm in WGAN-GP's penalty is `gradients.norm(2, dim=1)`.",
    correct="It runs over all axes but the batch's. On images dim=1 is the channels: one norm a "
    "pixel, each pulled to 1.",
    sources=("arXiv:1704.00028", "issues caogang/wgan-gp#47 and Zeleni9/pytorch-wgan#40"),
)
def test_a_norm_over_channels_asks_for_a_slope_far_above_one():
    """For an image (N, C, H, W), norm(dim=1) is a map (N, H, W): the slope is measured pixel by
    pixel. With the true norm s spread evenly, each pixel has s / sqrt(H W): for 32 x 32 pixels a
    slope of 1.1 is seen as 0.03, and the penalty pulls *upwards*. Its minimum, 1 at every pixel, is
    a slope of sqrt(H W) = 32: 32 times too steep. The flat norm ends at 1.

    (The authors' code flattens its images first: there axis 1 holds all of a sample. A D that
    scores patches may be meant to have a slope of 1 for each; this is about one logit an image.)
    """
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 32, 32))
    start *= 1.1 / np.linalg.norm(start)
    real, fake = (constant(rng.normal(size=(2, 3, 32, 32))) for _ in range(2))

    def critic(w):
        return lambda x: ops.sum(x * w, (1, 2, 3))

    def over_channels(w):
        x = leaf(real.data)
        slopes = grad(ops.sum(critic(w)(x)), x, create_graph=True)
        return ops.mean(ops.square(ops.sqrt(ops.sum(ops.square(slopes), 1) + 1e-12) - 1.0))

    def right(w):
        return gradient_penalty(critic(w), real, fake, alpha=np.array([0.3, 0.8]))

    w = leaf(start)
    seen = np.linalg.norm(start, axis=0).mean()
    assert seen == pytest.approx(0.033, abs=0.003)
    assert float(right(w)) == pytest.approx(0.1**2)
    assert float(over_channels(w)) == pytest.approx((1 - seen) ** 2, rel=0.01)

    descend(lambda: over_channels(w), [w], lr=0.25 * 32 * 32, steps=20)
    assert np.linalg.norm(w.data) == pytest.approx(32.0, rel=1e-3)
    descend(lambda: right(w), [w], lr=0.25, steps=60)
    assert np.linalg.norm(w.data) == pytest.approx(1.0, rel=1e-3)


@erratum(
    "B14",
    claim="The features of D for a linear probe are `activations.view(-1)`.",
    correct="Flatten each sample's own axes and keep the batch's: `flatten(1)`.",
    sources=("arXiv:1511.06434", "arXiv:1605.09782"),
)
def test_features_are_flattened_sample_by_sample():
    """A probe learns from N pairs (feature vector, label). view(-1) joins the N samples to one
    vector of N d numbers: one "sample", whose length depends on the batch, and no label fits it.
    flatten(1) gives (N, d), in which row i depends on sample i alone.
    """
    digits = Tensor(load("digits").arrays[:12].astype(np.float64))
    labels = Tensor(np.arange(12) % 3)
    features = seeded(lambda: nn.Conv2d(1, 4, 4, 2, 1, **F64))
    probe = seeded(lambda: nn.Linear(64, 3, **F64))

    joined = ops.flatten(features(digits))
    assert joined.shape == (12 * 64,)
    with pytest.raises(ShapeError):
        probe(joined)

    rows = ops.flatten(features(digits), 1)
    np.testing.assert_allclose(rows.data[3:4], ops.flatten(features(digits[3:4]), 1).data)
    start = float(ops.cross_entropy(probe(rows), labels))
    fixed = rows.detach()
    end = descend(
        lambda: ops.cross_entropy(probe(fixed), labels), probe.parameters(), lr=0.2, steps=40
    )
    assert end < 0.5 * start


@erratum(
    "B15",
    claim="Defense-GAN projects an image by gradient descent on z from one random start.",
    correct="||G(z) - x||^2 isn't convex in z: take R restarts of L steps and keep the best.",
    sources=("arXiv:1805.06605",),
)
def test_one_restart_gets_stuck_where_several_find_the_image():
    """Take G(z) = (z, 2 sin 3z): a wave in the plane. The distance to one of its points, x, has a
    local minimum wherever the wave comes back to about the height of x, twice in each period, and
    descent ends in the one that its start belongs to. If a start fails with probability p, all of R
    independent ones fail with p^R: for R = 10 and p = 0.7, 3 %.
    """

    def residuals(starts, steps=200, lr=0.01):
        z = leaf(starts)
        x = constant([0.4, 2 * np.sin(1.2)])  # = G(0.4): the residual can be 0

        def distances():
            made = ops.stack([z, 2.0 * ops.sin(3.0 * z)], 1)
            return ops.sum(ops.square(made - x), 1)

        descend(lambda: ops.sum(distances()), [z], lr=lr, steps=steps)
        return distances().data

    found = residuals(Stream(0, "z").normal(400, np.float64, std=2.0)).reshape(40, 10)
    stuck = found > 0.05
    p = stuck.mean()
    assert 0.3 < p < 0.9
    best_of_ten = found.min(axis=1)
    assert (best_of_ten > 0.05).mean() == pytest.approx(p**10, abs=0.1)
    assert np.median(best_of_ten) < 1e-6


@erratum(
    "B16",
    claim="An adversarial example is x + G(x), with G trained until the classifier errs.",
    correct="The perturbation is clipped to +-eps and the sum to the range of pixels; without a "
    "bound every classifier that has a choice can be made to err, and nothing is measured.",
    sources=("arXiv:1801.02610", "arXiv:1412.6572"),
)
def test_an_unbounded_perturbation_proves_nothing():
    """For a linear classifier with the margin m = w x + b > 0, the worst perturbation of entries in
    +-eps is -eps sign(w), since

        min over |d_i| <= eps of w d = -eps ||w||_1.

    So x can be attacked if and only if eps > m / ||w||_1. Unbounded steps along -w pass that line
    for every x, by leaving the set of images; clipped to an eps below it, no perturbation succeeds.
    (Clipping the sum to the range of pixels takes away more of them.)
    """
    x = load("digits").arrays[5].ravel().astype(np.float64)
    w = Stream(0, "w").normal(64, np.float64)
    b = 3.0 - w @ x  # the margin is 3
    needed = 3.0 / np.abs(w).sum()

    def margin_after(eps):
        d = leaf(np.zeros(64))
        for _ in range(50):
            descend(lambda: ops.sum(d * w) + (w @ x + b), [d], lr=0.1, steps=1)
            if eps is not None:
                d.assign_(ops.clip(d, -eps, eps).data)
        return float(ops.sum(d * w) + (w @ x + b)), d.data

    margin, d = margin_after(None)
    assert margin < 0
    assert np.abs(x + d).max() > 2  # no image: pixels lie in [-1, 1]
    margin, d = margin_after(0.9 * needed)
    assert margin == pytest.approx(0.1 * 3.0)
    np.testing.assert_allclose(d, -0.9 * needed * np.sign(w))
    assert margin_after(1.1 * needed)[0] == pytest.approx(-0.1 * 3.0)


@erratum(
    "B18",
    claim="A StyleGAN block adds the style to the features and noise times one learned number.",
    correct="AdaIN replaces each channel's mean and deviation by the style's; the noise has a "
    "learned gain for each channel.",
    sources=("arXiv:1812.04948",),
)
def test_a_style_replaces_statistics_and_noise_has_a_gain_a_channel():
    """AdaIN(x, s, b) = s (x - mean(x)) / std(x) + b, by channel and sample. Its output has mean b
    and deviation |s| *whatever x was*: a layer's style overrules the statistics that those before
    it left, so styles of layers can be mixed. For x + b the mean is mean(x) + b, and the deviation
    that of x.

    Noise of one plane e (1 x H x W) enters as gain_c * e, with C gains. Let the wanted gains be 1
    and 0: strong in one channel, none in the other. The best single number is their mean 1/2, with
    a squared error of 1/4 of the noise's own.

    (Such blocks also tend to lack the learned constant that synthesis starts from, and most of the
    eight layers of the mapping network: see E15.)
    """
    spread = np.array([2.0, 0.5, 1.0]).reshape(1, 3, 1, 1)
    x = constant(Stream(0, "x").normal((2, 3, 8, 8), np.float64) * spread + 4.0)
    scale = constant([[0.3, 2.0, 1.0], [1.5, 0.7, 0.2]])
    shift = constant([[1.0, -1.0, 0.5], [0.0, 2.0, -0.5]])

    for features in (x, x * 10.0 - 3.0):
        styled = ops.adain(features, scale, shift, eps=1e-12).data
        np.testing.assert_allclose(styled.mean(axis=(2, 3)), shift.data, atol=1e-9)
        np.testing.assert_allclose(styled.std(axis=(2, 3)), scale.data, rtol=1e-9)
    added = [(f + shift.reshape(2, 3, 1, 1)).data.std(axis=(2, 3)) for f in (x, x * 10.0)]
    np.testing.assert_allclose(added[1], 10 * added[0])

    noise = constant(Stream(0, "e").normal((1, 1, 32, 32), np.float64))
    wanted = ops.concatenate([noise, noise * 0.0], 1)

    def fit(gain):
        def loss():
            return ops.mean(ops.square(gain.reshape(1, -1, 1, 1) * noise - wanted))

        return descend(loss, [gain], lr=0.4, steps=60)

    power = (noise.data**2).mean()
    single = leaf([0.3])
    assert fit(single) == pytest.approx(power / 4)
    assert single.item() == pytest.approx(0.5)
    assert fit(leaf([0.3, 0.3])) < 1e-8
