"""Claims about layers and architectures."""

import numpy as np
import pytest

from errata.record import erratum
from errata.steps import constant, leaf
from tinygan import nn, ops, random
from tinygan.autograd import Tensor, grad
from tinygan.errors import ShapeError
from tinygan.gan.networks import DCGANDiscriminator, DCGANGenerator
from tinygan.metrics import frechet_distance, gaussian_statistics


@erratum(
    "E11",
    claim="DCGAN has strided convolutions in the generator and fractionally strided ones in the "
    "discriminator.",
    correct="The other way round: D shrinks the image by strided convolutions, G enlarges it by "
    "fractionally strided (transposed) ones.",
    sources=("arXiv:1511.06434", "arXiv:1603.07285"),
)
def test_strided_convolutions_shrink_and_fractionally_strided_ones_enlarge():
    """A convolution with kernel 4, stride 2, padding 1 takes an even number H of pixels to

        floor((H + 2 - 4) / 2) + 1 = H / 2,

    its transpose takes H / 2 pixels to H. G goes from a vector (1 x 1) to an image, so it must
    enlarge. With the roles swapped, G's 4 x 4 map would be 2 x 2, then 1 x 1, then nothing: the
    kernel no longer fits. The second half reads the strides off the networks themselves.
    """
    small = constant(np.ones((1, 1, 4, 4)))
    w = constant(np.ones((1, 1, 4, 4)))
    shrink, enlarge = (
        lambda x, f=f: f(x, w, stride=2, padding=1) for f in (ops.conv2d, ops.conv_transpose2d)
    )
    assert shrink(small).shape == (1, 1, 2, 2)
    assert shrink(shrink(small)).shape == (1, 1, 1, 1)
    with pytest.raises(ShapeError):
        shrink(shrink(shrink(small)))
    assert enlarge(enlarge(small)).shape == (1, 1, 16, 16)

    G, D = DCGANGenerator(6, (1, 16, 16), ngf=4), DCGANDiscriminator((1, 16, 16), ndf=4)
    kinds = {
        player: {type(m) for m in player.modules() if getattr(m, "stride", 1) == 2}
        for player in (G, D)
    }
    assert kinds == {G: {nn.ConvTranspose2d}, D: {nn.Conv2d}}


@erratum(
    "E14",
    claim='A transposed convolution ("deconvolution") undoes a convolution.',
    correct="It is the convolution's adjoint: it restores the shape and not the image. A "
    "convolution that returns fewer numbers than it takes has no inverse at all.",
    sources=("arXiv:1603.07285", "arXiv:1511.06434"),
)
def test_a_transposed_convolution_is_the_adjoint_and_not_the_inverse():
    """Write the convolution as a matrix A. Its transpose is A^T, and not A^-1:

        <A x, y> = <x, A^T y>    for all x and y,

    which is why it is also the convolution's gradient. Here an inverse can't exist: with one
    channel in and out, stride 2 takes 64 numbers to 16, so the null space of A, the images x0 with
    A x0 = 0, has at least 48 dimensions. Take an image x and remove from it what A^T reaches,
    A^T (A A^T)^-1 A x; the rest, x0, is in that null space, and x and x - x0 give one output. Where
    A is square and has an inverse, A^T is that only if A is orthogonal.
    """
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(1, 1, 8, 8)), rng.normal(size=(1, 1, 4, 4))
    w = constant(rng.normal(size=(1, 1, 4, 4)))

    def a(image):
        return ops.conv2d(constant(image), w, stride=2, padding=1).data

    def a_transposed(image):
        return ops.conv_transpose2d(constant(image), w, stride=2, padding=1).data

    assert a_transposed(a(x)).shape == x.shape
    assert np.linalg.norm(a_transposed(a(x)) - x) > np.linalg.norm(x)
    assert (a(x) * y).sum() == pytest.approx((x * a_transposed(y)).sum(), rel=1e-12)
    image = leaf(x)
    gradient = grad(ops.conv2d(image, w, stride=2, padding=1), image, constant(y))
    np.testing.assert_allclose(gradient.data, a_transposed(y), rtol=1e-12)

    matrix = np.stack([a(e.reshape(x.shape)).ravel() for e in np.eye(64)], axis=1)  # (16, 64)
    reached = matrix.T @ np.linalg.solve(matrix @ matrix.T, a(x).ravel())
    x0 = x - reached.reshape(x.shape)
    assert np.linalg.norm(x0) > 1
    np.testing.assert_allclose(a(x - x0), a(x), atol=1e-12)


@erratum(
    "E18",
    claim="TimeGAN's discriminator compares series in feature space, and a synthetic series is "
    "recovery(generator(z)).",
    correct="It compares latent series only, and a synthetic series is "
    "recovery(supervisor(generator(z))), as in the authors' code.",
    sources=(
        "Yoon, Jarrett & van der Schaar, Time-series Generative Adversarial Networks, NeurIPS 2019",
        "its code, timegan.py",
    ),
)
def test_timegan_judges_latents_and_decodes_the_supervised_ones():
    """The parts, at each time t:

        h = e(x)        embedder           r(h) = x    recovery
        h_g = g(z)      generator          h_s = s(h_g)    supervisor, one step ahead

    D's terms are on h, on h_s and (with a weight gamma) on h_g: all latent. So D doesn't fit
    features of another width, and no adversarial loss has a gradient with respect to r, which
    learns from reconstruction alone.

    Which latents are decoded matters. Take a case where everything is linear and exact:
    r(e(x)) = x, and s is one step of the data's dynamics, s(e(x_t)) = e(x_(t+1)). With gamma = 0, D
    pulls the law of s(g(z)) to that of e(x), so a g that lags one step is in equilibrium. Then
    r(s(g(z))) has the law of the data, and r(g(z)) that of the data one step before.
    """
    rng = np.random.default_rng(2)
    basis = np.linalg.qr(rng.normal(size=(5, 2)))[0]  # data lie in a plane of 5 features
    dynamics = np.array([[1.1, 0.3], [-0.2, 1.2]])

    def layer(weight):
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=np.float64)
        linear.weight.assign_(weight)
        return linear

    embedder, recovery = layer(basis.T.copy()), layer(basis.copy())
    supervisor = layer(dynamics)
    with random.using(random.Streams(1)):
        generator, D = nn.Linear(3, 2, dtype=np.float64), nn.Linear(2, 1, dtype=np.float64)

    before = rng.normal(size=(4000, 2)) + 3.0
    x_before, x = before @ basis.T, before @ dynamics.T @ basis.T
    np.testing.assert_allclose(recovery(embedder(constant(x))).data, x, atol=1e-12)

    h_g = generator(constant(rng.normal(size=(8, 3))))
    h_s = supervisor(h_g)
    fake_loss = ops.nonsaturating_g_loss(D(h_s)) + ops.nonsaturating_g_loss(D(h_g))
    to_recovery, to_g = grad(fake_loss, [recovery.weight, generator.weight])
    assert not to_recovery.data.any()
    assert to_g.data.any()
    with pytest.raises(ShapeError):
        D(recovery(h_s))  # 5 features, where D takes a latent of 2

    lagging = embedder(Tensor(x_before))  # g(z) at the equilibrium
    real = gaussian_statistics(x)
    claimed = gaussian_statistics(recovery(lagging).data)
    correct = gaussian_statistics(recovery(supervisor(lagging)).data)
    assert frechet_distance(*correct, *real) < 1e-6
    assert frechet_distance(*claimed, *real) > 1
