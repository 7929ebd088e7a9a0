"""Claims about the objective: which function is minimised, by whom, with which sign."""

import numpy as np
import pytest

from errata.record import erratum
from errata.steps import constant, descend, leaf
from tinygan import ops
from tinygan.autograd import Tensor, grad


def rmse(logit, target):
    return ops.sqrt(ops.mean(ops.square(ops.sigmoid(logit) - target)))


@erratum(
    "E1",
    claim="The GAN's loss is the root mean squared error between D's outputs and the labels.",
    correct="The original GAN's is binary cross-entropy, whose minimum is 2 log 2 - 2 JS(p, q); "
    "squared error is a GAN loss as LSGAN, on D's raw output and without the root.",
    sources=("arXiv:1406.2661", "arXiv:1611.04076"),
)
def test_root_mean_squared_error_is_not_the_loss_of_a_gan():
    """Three properties of the game's loss are lost with the root and the sigmoid.

    1. The loss of a minibatch should be that of all samples on average, or descent follows another
       function. A mean over samples is. The root of a mean isn't: roots are concave, so by Jensen's
       inequality the mean of two halves' RMSE is at most the RMSE of all, and less if they differ.

    2. A D that is wrong and sure must hear of it. With d = sigmoid(l) and one real sample,

           d/dl RMSE   = d/dl (1 - d) = -d (1 - d)  ~  -exp(l)  ->   0    as l -> -inf,
           d/dl -log d = -(1 - d)                               ->  -1.

       LSGAN's (l - 1)^2 / 2 has the slope l - 1: without the sigmoid it grows.

    3. Let D be free in every x. Both losses are then least at D* = p / (p + q). Cross-entropy is
       2 log 2 - 2 JS(p, q) there: a G that works against the best D, and so raises it, lowers the
       Jensen-Shannon divergence. RMSE knows another distance, of the chi-square kind:

           RMSE^2 = 1/2 sum p q / (p + q) = 1/4 - 1/8 sum (p - q)^2 / (p + q).
    """
    logits = np.array([3.0, 0.5, -2.0, 0.1])
    halves = [float(rmse(constant(half), 1.0)) for half in (logits[:2], logits[2:])]
    assert np.mean(halves) < float(rmse(constant(logits), 1.0)) - 0.04
    for loss in (ops.bce_with_logits, lambda x, t: ops.gan_loss(x, kind="least_squares", target=t)):
        halves = [float(loss(constant(half), 1.0)) for half in (logits[:2], logits[2:])]
        assert np.mean(halves) == pytest.approx(float(loss(constant(logits), 1.0)), rel=1e-12)

    wrong = leaf([-20.0])  # a real sample, taken for a fake
    assert abs(grad(rmse(wrong, 1.0), wrong).item()) < 1e-8
    assert grad(ops.bce_with_logits(wrong, 1.0), wrong).item() == pytest.approx(-1.0)
    assert grad(ops.least_squares_g_loss(wrong), wrong).item() == pytest.approx(-21.0)

    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    best = constant(np.log(p / q))  # the logit of p / (p + q)
    entropy = float((constant(p) * ops.softplus(-best) + constant(q) * ops.softplus(best)).sum())
    m = (p + q) / 2
    js = 0.5 * (p * np.log(p / m)).sum() + 0.5 * (q * np.log(q / m)).sum()
    assert entropy == pytest.approx(2 * np.log(2) - 2 * js, rel=1e-12)
    logit = leaf(best.data)
    d = ops.sigmoid(logit)
    squared = 0.5 * ops.sum(constant(p) * ops.square(1.0 - d) + constant(q) * ops.square(d))
    np.testing.assert_allclose(grad(ops.sqrt(squared), logit).data, 0, atol=1e-15)
    chi_square = ((p - q) ** 2 / (p + q)).sum()
    assert float(squared) == pytest.approx(0.25 - chi_square / 8, rel=1e-12)


@erratum(
    "E3",
    claim="The critic of a Wasserstein GAN minimises E D(x) - E D(G(z)).",
    correct="It maximises that; what it minimises is the negative, E D(G(z)) - E D(x).",
    sources=("arXiv:1701.07875",),
)
def test_the_critic_ascends_the_gap_between_real_and_fake():
    """The critic estimates W1(p, q) = sup E_p f - E_q f over 1-Lipschitz f, a supremum.

    Take f(x) = w x with |w| <= 1, reals at 2, fakes at 0, so W1 = 2. Minimising the gap 2 w ends at
    w = -1, where it is -2: reals score lower than fakes, and G, which raises its own score, is
    driven away from the data. Minimising the negative ends at w = 1, and the gap is W1.

    (Code that turns both signs around, so that fakes score high and G *lowers* its score, plays the
    same game with -D for D. One sign alone must not turn.)
    """
    real, fake = constant(np.full((8, 1), 2.0)), constant(np.zeros((8, 1)))

    def gap_after(loss):
        w = leaf([[0.0]])
        for _ in range(40):
            descend(lambda: loss(real @ w, fake @ w), [w], lr=0.1, steps=1)
            w.assign_(w.data.clip(-1, 1))
        return float(ops.mean(real @ w) - ops.mean(fake @ w))

    assert gap_after(lambda r, f: ops.mean(r) - ops.mean(f)) == pytest.approx(-2.0)
    assert gap_after(ops.wasserstein_d_loss) == pytest.approx(2.0)


@erratum(
    "E4",
    claim="The discriminator's hinge loss is E min(0, -1 + D(x)) + E min(0, -1 - D(G(z))).",
    correct="That is what D maximises; the loss is its negative, "
    "E max(0, 1 - D(x)) + E max(0, 1 + D(G(z))).",
    sources=("arXiv:1705.02894", "arXiv:1805.08318"),
)
def test_the_hinge_loss_is_the_negative_of_the_sum_of_minima():
    """min(0, a) = -max(0, -a), so the two forms differ by their sign: D maximises the one and
    minimises the other.

    Both minima are at most 0 and have no lower bound: descending them sends the reals' logits that
    are below 1 to minus infinity and the fakes' above -1 to plus infinity; the others have no
    slope. The hinge is at least 0 and reaches 0 once every real logit is at least 1 and every fake
    one at most -1; then it leaves D alone.
    """

    def minima(real, fake):
        return ops.mean(ops.minimum(0.0, real - 1.0)) + ops.mean(ops.minimum(0.0, -1.0 - fake))

    rng = np.random.default_rng(0)
    real, fake = leaf(rng.normal(size=6)), leaf(rng.normal(size=6))
    assert float(minima(real, fake)) == pytest.approx(-float(ops.hinge_d_loss(real, fake)))

    def trained(loss):
        r, f = leaf(real.data), leaf(fake.data)
        return descend(lambda: loss(r, f), [r, f], lr=1.0, steps=100), r.data, f.data

    value, r, f = trained(minima)
    assert value < -20
    assert r[real.data < 1].max() < 0 < f[fake.data > -1].min()  # those that it can move
    value, r, f = trained(ops.hinge_d_loss)
    assert value == 0
    assert r.min() >= 1
    assert f.max() <= -1


@erratum(
    "E5",
    claim="D minimises -log D(x) + log(1 - D(G(z))), and the generator minimises the critic's "
    "score of its samples.",
    correct="Both terms of D's loss have a minus, and G maximises the critic's score, if the "
    "critic is trained to score reals high.",
    sources=("arXiv:1406.2661", "arXiv:1701.07875"),
)
def test_both_terms_of_d_have_a_minus_and_g_raises_its_score():
    """With D = sigmoid(l), -log D = softplus(-l) and -log(1 - D) = softplus(l).

    With l_r and l_f the logits of reals and fakes and the second sign wrong, the loss is
    E softplus(-l_r) - E softplus(l_f). It has no minimum: l_f -> +inf lowers it for ever, and D
    calls everything real. With a minus before both logarithms, the logits of reals and fakes part.

    The critic that descends E f(G(z)) - E f(x) scores reals high. On the line, with data at 1, a
    fake at theta < 1 and f(x) = x, the distance is W1 = 1 - theta, so a step down E f(G(z)) = theta
    moves the fake away.
    """

    def mixed(real, fake):
        return ops.mean(ops.softplus(-real)) - ops.mean(ops.softplus(fake))

    def trained(loss):
        real, fake = leaf(np.zeros(4)), leaf(np.zeros(4))
        value = descend(lambda: loss(real, fake), [real, fake], lr=1.0, steps=200)
        return value, real.data, fake.data

    value, real, fake = trained(mixed)
    assert value < -20
    assert min(real.min(), fake.min()) > 3  # everything is real
    value, real, fake = trained(ops.logistic_d_loss)
    assert 0 < value < 0.1
    assert fake.max() < -3 < 3 < real.min()

    def distance_after(loss):
        theta = leaf([0.0])
        descend(lambda: loss(theta), [theta], lr=0.1, steps=5)
        return 1.0 - theta.item()

    assert distance_after(ops.mean) == pytest.approx(1.5)
    assert distance_after(ops.wasserstein_g_loss) == pytest.approx(0.5)


@erratum(
    "E7",
    claim="Detached fakes carry the gradient back to the generator, which then does gradient "
    "ascent.",
    correct="Detaching blocks every gradient to G; it belongs in D's step, where only D is to "
    "move. G's own step doesn't detach, and descends its loss.",
    sources=("arXiv:1406.2661",),
)
def test_detach_blocks_the_gradient_to_g_and_leaves_that_of_d():
    """detach(y) is the function y with the derivative declared 0.

    So d loss(D(detach(G(z)))) / d theta_G = 0 for every loss, and no optimizer can move G by it.
    The derivative with respect to D's weights doesn't pass through G's, and is the same with and
    without: detaching in D's step saves work, and keeps ``backward`` from leaving the gradient of
    D's loss in G's ``.grad``, where G's next step would find it.

    In G's step the fakes stay attached, and its update theta - lr * grad is a *descent* of
    softplus(-D(G(z))) = -log sigmoid(D(G(z))). (That is an ascent of log sigmoid(D(G(z))): one
    step, two names. What an optimizer is given is a loss to descend.)
    """
    z = constant([[0.3], [-1.2]])
    g, d = leaf([[0.5, -0.4]]), leaf([[0.7], [0.2]])
    real = constant([[1.0, 1.0]])

    def d_loss(fake):
        return ops.logistic_d_loss(real @ d, fake @ d)

    to_g, to_d = grad(d_loss((z @ g).detach()), [g, d])
    assert not to_g.data.any()
    assert np.abs(to_d.data).max() > 0.1
    np.testing.assert_array_equal(to_d.data, grad(d_loss(z @ g), d).data)
    d_loss((z @ g).detach()).backward()
    assert g.grad is None
    assert isinstance(d.grad, Tensor)
    d_loss(z @ g).backward()
    assert g.grad.data.any()  # stale, if G's own step doesn't clear it first

    before, score = float(ops.nonsaturating_g_loss(z @ g @ d)), float(ops.mean(z @ g @ d))
    after = descend(lambda: ops.nonsaturating_g_loss(z @ g @ d), [g], lr=0.1, steps=1)
    assert after < before - 1e-4
    assert float(ops.mean(z @ g @ d)) > score  # D takes the fakes for more real than before
