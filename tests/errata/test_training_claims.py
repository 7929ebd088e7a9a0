"""Claims about training: Lipschitz critics, collapse, equilibrium, pretraining."""

import numpy as np
import pytest

from errata.record import erratum
from errata.steps import constant, descend, leaf, on_a_mode
from tinygan import nn, ops, random
from tinygan.autograd import Tensor, grad
from tinygan.data import TOYS
from tinygan.gan import game_field, game_jacobian, r1
from tinygan.optim import SGD
from tinygan.random import Stream


@erratum(
    "E2",
    claim="A Wasserstein GAN clips its gradients, and its critic makes a single decision: real or "
    "fake.",
    correct="It clips the critic's weights, which bounds its slope; the critic is the dual "
    "potential of the distance W1, and decides nothing.",
    sources=("arXiv:1701.07875",),
)
def test_a_wasserstein_gan_clips_weights_and_not_gradients():
    """The dual of W1 is a supremum over functions of slope at most 1 (Kantorovich-Rubinstein):

        W1(p, q) = sup { E_p f - E_q f : |f(x) - f(y)| <= |x - y| }.

    Take f(x) = w x, reals at 3 and fakes at 0, so W1 = 3. The loss is -3 w. A gradient clipped to
    size c is still a gradient of constant sign: w grows by lr * c in every step, without end, and
    the value estimates nothing. Clipped weights end at w = c, where the gap is c W1: the distance,
    times a constant. (Of a deeper critic it is known only that the gap is at most K W1, with K the
    largest slope that weights in +-c allow.)

    Nor is f(x) a verdict: f + b has the same loss for every b, so the sign of a score means
    nothing. A classifier's loss does depend on b.
    """
    real, fake = constant(np.full((4, 1), 3.0)), constant(np.zeros((4, 1)))

    def gap_after(steps, *, clip_gradient=None, clip_weight=None):
        w = leaf([[0.0]])
        optimizer = SGD([w], 0.1)
        for _ in range(steps):
            gw = grad(ops.wasserstein_d_loss(real @ w, fake @ w), w)
            if clip_gradient:
                nn.utils.clip_grad_norm_(gw, clip_gradient)
            optimizer.step([gw])
            if clip_weight:
                w.assign_(w.data.clip(-clip_weight, clip_weight))
        return float(ops.mean(real @ w) - ops.mean(fake @ w))

    assert gap_after(100, clip_gradient=1.0) == pytest.approx(3 * 10.0, rel=1e-4)
    assert gap_after(200, clip_gradient=1.0) == pytest.approx(3 * 20.0, rel=1e-4)
    for c in (0.01, 1.0):
        assert gap_after(100, clip_weight=c) == gap_after(200, clip_weight=c)
        assert gap_after(100, clip_weight=c) == pytest.approx(c * 3.0)

    scores = constant([0.3, -0.2, 0.9]), constant([-0.7, 0.1, 0.0])
    shifted = tuple(s + 5.0 for s in scores)
    same = float(ops.wasserstein_d_loss(*scores))
    assert float(ops.wasserstein_d_loss(*shifted)) == pytest.approx(same)
    assert float(ops.logistic_d_loss(*shifted)) > float(ops.logistic_d_loss(*scores)) + 1


@erratum(
    "E6",
    claim="An ensemble of GANs averages the outputs of its generators.",
    correct="It draws from a mixture: for each sample one generator, chosen at random, makes it.",
    sources=("arXiv:1701.02386",),
)
def test_averaging_generators_makes_samples_that_no_generator_makes():
    """Averaging independent samples convolves their laws; a mixture averages the densities.

    If x ~ p and y ~ q are independent, (x + y) / 2 has the (rescaled) convolution of p and q, whose
    mass lies *between* theirs. Two generators that each know one mode of the ring, at c and -c,
    average to points about 0, where neither has mass and no data are. The mixture
    (p + q) / 2 has both modes.

    Even two perfect generators fail: their average lies on a mode only where both drew the same
    one of the ring's 8, that is in 1/8 of the cases; the mixture is perfect. (On a mode: within 3
    sigma of its centre, which a Gaussian in the plane is with probability 1 - exp(-9/2) = 0.989.)
    """
    ring = TOYS["ring"]
    n = 8000
    x, labels = ring.sample(n, Stream(0, "one"))
    y, _ = ring.sample(n, Stream(0, "other"))

    g_a, g_b = (ring.centres[k] + x - ring.centres[labels] for k in (1, 5))
    hit, _ = on_a_mode((g_a + g_b[::-1]) / 2, ring)
    assert not hit.any()
    pick = Stream(0, "pick").bernoulli(n, 0.5)[:, None]
    hit, nearest = on_a_mode(np.where(pick, g_a, g_b), ring)
    assert hit.mean() == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert set(nearest) == {1, 5}

    hit, _ = on_a_mode((x + y) / 2, ring)
    assert hit.mean() == pytest.approx(1 / 8, abs=0.02)
    hit, nearest = on_a_mode(np.where(pick, x, y), ring)
    assert hit.mean() == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert set(nearest) == set(range(8))


def closeness(features, kernels):
    """What minibatch discrimination appends. Shapes: (N, A), (A, B, C) -> (N, B)."""
    return ops.minibatch_discrimination(features, kernels)[:, features.shape[1] :]


@erratum(
    "E9",
    claim="Dropout, batch norm and weight decay cure mode collapse; minibatch discrimination "
    "does it by adding randomness.",
    correct="Minibatch discrimination is deterministic and compares the samples of a batch, so D "
    "sees that they are alike; the other three don't aim at diversity.",
    sources=("arXiv:1606.03498, section 3.2", "arXiv:1502.03167", "arXiv:1712.04086"),
)
def test_minibatch_discrimination_compares_samples_and_draws_no_random_number():
    """A collapsed G repeats one good sample. To object, D must look at several samples at once.

    Dropout and weight decay leave D a function of one sample (and, for dropout, of the mask). So
    the logit of x is the same beside copies of itself as beside other data, and

        mean over i of mean D(x_i, x_i, ..., x_i)  =  mean D(x_1, ..., x_n):

    batches that repeat a random real sample score on average what real batches score.

    Batch norm does mix samples, but what they have in common is what it removes: of n equal rows it
    makes 0, whatever they are. So every fully collapsed batch has the same logits and G the
    gradient 0: D can tell such a batch, and can't tell G the way out.

    Minibatch discrimination gives D also o_b(x_i) = sum over j != i of exp(-||M_ib - M_jb||_1),
    where M = f(x) T and T is learned. For equal samples each is n - 1, the maximum; for samples
    that differ in M it is less, and a step down its gradient drives them apart. It draws no random
    number. (Other ways to show D several samples at once: packing, which joins them, and the
    standard deviation over the batch. None is proven to end collapse.)
    """
    n = 16
    real = constant(TOYS["ring"].sample(n, Stream(0, "real"))[0])
    with random.using(random.Streams(3)):
        f64 = {"dtype": np.float64}
        D = nn.Sequential(
            nn.Linear(2, 12, **f64), nn.LeakyReLU(0.2), nn.Dropout(0.5), nn.Linear(12, 1, **f64)
        )

    def logits(batch):
        with random.using(random.Streams(5)):  # the same masks each time
            return D(batch).data[:, 0]

    def repeat(i):
        return constant(np.tile(real.data[i], (n, 1)))

    decayed = SGD(D.parameters(), 0.05, weight_decay=0.1)
    decayed.step(grad(ops.logistic_d_loss(D(real), D(repeat(3))), decayed.params))
    assert logits(repeat(0))[0] == pytest.approx(logits(real)[0], rel=1e-12)
    D.eval()
    collapsed = np.mean([logits(repeat(i)).mean() for i in range(n)])
    assert collapsed == pytest.approx(logits(real).mean(), rel=1e-12)

    with random.using(random.Streams(4)):
        D = nn.Sequential(
            nn.Linear(2, 12, **f64), nn.BatchNorm1d(12, **f64), nn.Tanh(), nn.Linear(12, 1, **f64)
        )
    fakes = [Tensor(repeat(i).data, requires_grad=True) for i in (0, 9)]
    np.testing.assert_allclose(D(fakes[0]).data, D(fakes[1]).data, rtol=1e-9)
    for fake in fakes:
        slope = grad(ops.nonsaturating_g_loss(D(fake)), fake).data
        assert np.abs(slope).max() < 1e-9
    assert np.ptp(D(real).data) > 0.1  # it does tell diverse samples apart

    kernels = constant(Stream(0, "T").normal((2, 5, 3), np.float64))
    np.testing.assert_allclose(closeness(repeat(0), kernels).data, n - 1)
    assert closeness(real, kernels).data.max() < n - 1.5
    m = np.einsum("na,abc->nbc", real.data, kernels.data)
    o = [sum(np.exp(-np.abs(m[i] - m[j]).sum(axis=1)) for j in range(n) if j != i) for i in (0, 9)]
    np.testing.assert_allclose(closeness(real, kernels).data[[0, 9]], o, rtol=1e-12)
    near = leaf(repeat(0).data + 0.01 * Stream(0, "off").normal((n, 2), np.float64))
    apart = near.data - 0.001 * grad(ops.sum(closeness(near, kernels)), near).data
    assert apart.std(axis=0).min() > 1.2 * near.data.std(axis=0).min()


@erratum(
    "E10",
    claim="At the Nash equilibrium training oscillates.",
    correct="There the gradient field of the game is zero, and full-batch descent stands still; "
    "oscillation is the rotation of the field around the equilibrium, before it is reached.",
    sources=("arXiv:1705.10461", "arXiv:1801.04406"),
)
def test_the_field_is_zero_at_a_nash_equilibrium_and_may_rotate_around_it():
    """Take the bilinear game L_G = theta psi, L_D = -theta psi of two numbers, u = (theta, psi),
    with its equilibrium at (0, 0).

    The field v = (dL_G/dtheta, dL_D/dpsi) = (psi, -theta) is 0 there, as it is at every equilibrium
    of smooth losses without constraints, since each player's loss is at a minimum in its own
    weights. (Minibatches give v plus noise of mean 0: with them players tremble around it.)

    Elsewhere v stands at a right angle to u, and its Jacobian [[0, 1], [-1, 0]] has the eigenvalues
    +-i: a pure rotation. A step of size h that both players take at once gives

        |u - h v|^2 = |u|^2 + h^2 |v|^2 = (1 + h^2) |u|^2,

    an outward spiral. A penalty gamma/2 psi^2 (R1 of D(x) = psi x) makes the Jacobian
    [[0, 1], [-1, gamma]]. Its eigenvalues gamma/2 +- sqrt(gamma^2/4 - 1) have positive real part,
    and descent in small enough steps goes inwards, for gamma < 2 in a spiral.
    """
    data = constant([[0.4]])  # R1 of a linear D is the same everywhere

    def game(theta, psi, gamma):
        loss_g = ops.sum(theta * psi)
        return (loss_g, -loss_g + r1(lambda x: x @ psi, data, gamma_r1=gamma)), (theta, psi)

    def radii(start, gamma, steps=60, h=0.1):
        theta, psi = leaf([[start[0]]]), leaf([[start[1]]])
        found = []
        for _ in range(steps):
            v = game_field(*game(theta, psi, gamma))
            theta.assign_(theta.data - h * v[0].data)
            psi.assign_(psi.data - h * v[1].data)
            found.append(np.hypot(theta.item(), psi.item()))
        return np.array(found)

    assert (radii((0.0, 0.0), 0.0) == 0).all()
    steps = np.arange(1, 61)
    np.testing.assert_allclose(radii((0.6, 0.8), 0.0), (1 + 0.1**2) ** (steps / 2), rtol=1e-10)
    assert radii((0.6, 0.8), 1.0)[-1] < 0.1

    def eigenvalues(gamma):
        return np.linalg.eigvals(game_jacobian(*game(leaf([[0.0]]), leaf([[0.0]]), gamma)).data)

    np.testing.assert_allclose(sorted(eigenvalues(0.0).imag), [-1, 1], atol=1e-12)
    np.testing.assert_allclose(eigenvalues(0.0).real, 0, atol=1e-12)
    np.testing.assert_allclose(eigenvalues(1.0).real, 0.5, atol=1e-12)


def few_points_with_the_same_mean(values):
    """Weigh at most d + 1 of the rows so that their mean is that of all: Caratheodory's theorem.

    Shapes: (N, d) -> (N,). Any d + 2 rows (value, 1) depend on each other linearly: shifting their
    weights along such a relation keeps the sum and the mean, until one weight is 0.
    """
    n, d = values.shape
    rows = np.concatenate([values, np.ones((n, 1))], axis=1)
    weights = np.full(n, 1 / n)
    while (used := np.nonzero(weights)[0]).size > d + 1:
        block = used[: d + 2]
        relation = np.linalg.svd(rows[block].T)[2][-1]
        steps = weights[block] / np.where(relation > 0, relation, np.nan)
        gone = np.nanargmin(steps)
        weights[block] -= steps[gone] * relation
        weights[block[gone]] = 0.0
    return weights


@erratum(
    "E19",
    claim="Feature matching reduces mode collapse.",
    correct="It asks G for the mean features of the data, which a few points can have. Its authors "
    "report a better classifier in semi-supervised learning and worse-looking samples; minibatch "
    "discrimination does the reverse.",
    sources=("arXiv:1606.03498, sections 3.1, 5 and 6",),
)
def test_feature_matching_is_for_the_classifier_and_can_be_zero_with_few_modes():
    """Feature matching is ||E f(x) - E f(G(z))||^2, with the d features f of a layer of D.

    The mean of any set of points in d dimensions is a weighted mean of d + 1 of them at most
    (Caratheodory's theorem). So for every f there is a G that makes d + 1 samples of the data, some
    more often than others, and has the loss 0. With 6 features and the 25 modes of the grid, such a
    G has at most 7 of the modes. Minibatch discrimination does see it, since samples repeat.

    (f changes in training, so a G can't stay there; but no f asks it for more than d numbers. That
    the classifier is good is a report on trained networks: it is cited here, not tested.)
    """
    grid, n = TOYS["grid"], 500
    real = grid.sample(n, Stream(0, "real"))[0].astype(np.float64)
    f = np.random.default_rng(2).normal(size=(2, 6))

    def features(x):
        return ops.leaky_relu(constant(x) @ f)

    weights = few_points_with_the_same_mean(features(real).data)
    assert (weights >= 0).all()
    made = weights > 0
    mean_real = ops.mean(features(real), 0)
    mean_fake = constant(weights[made]) @ features(real[made])
    assert float(ops.sum(ops.square(mean_real - mean_fake))) < 1e-20
    assert len(set(on_a_mode(real, grid)[1])) == 25
    assert len(set(on_a_mode(real[made], grid)[1])) <= 7

    kernels = constant(Stream(0, "T").normal((2, 5, 3), np.float64))
    fake = np.repeat(real[made], np.ceil(64 * weights[made]).astype(int), axis=0)[:64]
    alike, diverse = (closeness(constant(x), kernels).data for x in (fake, real[:64]))
    assert alike.mean() > 2 * diverse.mean()


@erratum(
    "E21",
    claim="Training the discriminator first, alone, makes the GAN converge faster.",
    correct="Where data and fakes don't overlap, a discriminator near its optimum leaves the "
    "saturating generator next to no gradient; training ahead is safe for a critic of bounded "
    "slope.",
    sources=("arXiv:1701.04862", "arXiv:1701.07875", "arXiv:1710.10345"),
)
def test_a_nearly_optimal_discriminator_starves_the_saturating_generator():
    """On the line, reals about 0, fakes about theta = 2, which a logit l(x) = w x + b separates.

    The gradient of the saturating loss is d/dtheta -softplus(l(theta)) = -sigmoid(l(theta)) w. As D
    is trained, l at the fakes goes to -inf: |w| grows like log t after t steps, but sigmoid(l)
    shrinks exponentially in |w|, so G's gradient vanishes: the better D, the smaller it is.

    The non-saturating loss has the gradient (1 - sigmoid(l)) |w| in size, which doesn't vanish. It
    grows with D's slope instead.

    A critic with |w| <= 1 reaches w = -1 and stays: G's gradient is 1, however long it was trained.
    """
    noise = Stream(0, "noise").normal((2, 64, 1), np.float64, std=0.1)
    real, fake = constant(noise[0]), constant(noise[1] + 2.0)

    def slope_after(steps, d_loss, g_loss, clip=None):
        w, b, theta = leaf([[0.0]]), leaf([0.0]), leaf([0.0])
        for _ in range(steps):
            descend(lambda: d_loss(real @ w + b, fake @ w + b), [w, b], lr=1.0, steps=1)
            if clip:
                w.assign_(w.data.clip(-clip, clip))
        return abs(grad(g_loss((fake + theta) @ w + b), theta).item())

    pretraining = (10, 50, 250)
    saturating = [slope_after(t, ops.logistic_d_loss, ops.saturating_g_loss) for t in pretraining]
    assert saturating[0] > 2 * saturating[1] > 4 * saturating[2]
    assert saturating[2] < 0.03
    others = [slope_after(t, ops.logistic_d_loss, ops.nonsaturating_g_loss) for t in pretraining]
    assert 1 < others[0] < others[1] < others[2]
    losses = ops.wasserstein_d_loss, ops.wasserstein_g_loss
    critics = [slope_after(t, *losses, clip=1.0) for t in pretraining]
    np.testing.assert_allclose(critics, 1.0, rtol=1e-12)
