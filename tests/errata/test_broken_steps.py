"""Examples of training steps that run and don't train what they say."""

import numpy as np
import pytest

from errata.record import erratum
from errata.steps import constant, descend, leaf
from tinygan import nn, ops, random
from tinygan.autograd import Tensor, grad
from tinygan.data import TOYS
from tinygan.errors import NotDifferentiableError
from tinygan.gan import gradient_penalty
from tinygan.gan.networks import MLPDiscriminator
from tinygan.optim import Adam, RMSprop
from tinygan.random import Stream


def ring(n, name="real"):
    return constant(TOYS["ring"].sample(n, Stream(0, name))[0])


@erratum(
    "B1",
    claim="D's step: compute the loss of D(x) against the label 1 and step the optimizer.",
    correct="Both halves are needed: without the fakes' term, D calls everything real.",
    sources=("arXiv:1406.2661",),
)
def test_a_discriminator_trained_on_reals_alone_calls_everything_real():
    """E softplus(-l(x)) falls as l grows anywhere, and the bias of the last layer raises l
    everywhere at once: its gradient is -E sigmoid(-l) < 0 in every step. So D's logit of the fakes
    grows as well: D never sees one, and has nothing to teach G about them.

    With E softplus(l(G(z))) added, the bias has a balance, and the logits part.
    """

    def mean_logits(d_loss):
        real, fake = ring(64), constant(np.zeros((64, 2)))
        with random.using(random.Streams(1)):
            D = nn.Sequential(
                nn.Linear(2, 16, dtype=np.float64),
                nn.LeakyReLU(0.2),
                nn.Linear(16, 1, dtype=np.float64),
            )
        descend(lambda: d_loss(D(real), D(fake)), D.parameters(), lr=1.0, steps=80)
        return float(ops.mean(D(real))), float(ops.mean(D(fake)))

    on_real, on_fake = mean_logits(lambda real, fake: ops.bce_with_logits(real, 1.0))
    assert min(on_real, on_fake) > 1.5
    on_real, on_fake = mean_logits(ops.logistic_d_loss)
    assert on_fake < -1.5 < 1.5 < on_real


@erratum(
    "B2",
    claim="G's step: draw random images as the fakes, score them by D, and go backward.",
    correct="The fakes must be G(z): the loss of freshly drawn numbers has no path to G's weights.",
    sources=("arXiv:1406.2661",),
)
def test_fakes_that_g_did_not_make_have_no_path_to_g():
    """The chain rule needs G in the chain: d loss / d theta_G is the sum over all paths from
    theta_G to the loss. Numbers that a random generator drew lie on none, so it is 0, and
    ``backward`` leaves G's ``.grad`` as it was: None.
    """
    with random.using(random.Streams(2)):
        G = nn.Linear(3, 2, dtype=np.float64)
        D = nn.Linear(2, 1, dtype=np.float64)
    drawn = constant(Stream(0, "drawn").uniform((8, 2), dtype=np.float64))
    loss = ops.nonsaturating_g_loss(D(drawn))
    assert not any(g.data.any() for g in grad(loss, G.parameters(), retain_graph=True))
    loss.backward()
    assert all(p.grad is None for p in G.parameters())

    z = constant(Stream(0, "z").normal((8, 3), np.float64))
    ops.nonsaturating_g_loss(D(G(z))).backward()
    assert all(p.grad is not None and p.grad.data.any() for p in G.parameters())


@erratum(
    "B3",
    claim="G's step: descend the cross-entropy of D(G(z)) against the label 0, since fakes are "
    "fake.",
    correct="G descends it against the label 1 (or ascends it against 0): it wants to be taken for "
    "real.",
    sources=("arXiv:1406.2661",),
)
def test_descending_the_label_zero_loss_moves_g_the_wrong_way():
    """Against the label 0 the loss is softplus(l): D's own. Its slope in l is sigmoid(l) > 0, so
    descent *lowers* l and helps D. Against 1 it is softplus(-l), with the slope -sigmoid(-l) < 0:
    descent raises l. So does ascent of softplus(l), that is, descent of the saturating loss
    -softplus(l).
    """
    w = constant([[2.0], [-1.0]])  # D(x) = w x
    z = constant(Stream(0, "z").normal((32, 2), np.float64))

    def mean_logit_after(g_loss):
        weight = leaf(np.eye(2))
        shift = leaf([0.0, 0.0])
        descend(lambda: g_loss((z @ weight + shift) @ w), [weight, shift], lr=0.1, steps=20)
        return float(ops.mean((z @ weight + shift) @ w))

    start = float(ops.mean(z @ w))
    assert mean_logit_after(lambda fake: ops.bce_with_logits(fake, 0.0)) < start - 1
    assert mean_logit_after(lambda fake: ops.bce_with_logits(fake, 1.0)) > start + 1
    assert mean_logit_after(ops.saturating_g_loss) > start + 1


@erratum(
    "B6",
    claim="CycleGAN's generators also minimise the loss of the real images against the label 0.",
    correct="That term doesn't depend on G: it has no gradient there, but one in D, which teaches "
    "D the opposite of its own loss if it isn't cleared.",
    sources=("arXiv:1703.10593",),
)
def test_a_term_on_real_images_does_nothing_in_the_loss_of_g():
    """E D(y)^2 / 2 holds no G(x), so its gradient with respect to G is 0; it only adds a number to
    the curve that is read. ``backward`` also fills D's ``.grad``, and if that isn't cleared, D's
    next step goes down this term too, towards "real images are fake": where D gives a real the
    score s, its slope in s is s, that of LSGAN's own term (s - 1)^2 / 2 is s - 1, of the opposite
    sign wherever 0 < s < 1.
    """
    with random.using(random.Streams(3)):
        G = nn.Linear(2, 2, dtype=np.float64)
    d = leaf([[0.3], [0.2]])
    x, real = ring(8, "x"), constant(np.ones((8, 2)))  # every real has the score 0.5

    def g_loss(with_reals):
        loss = ops.least_squares_g_loss(G(x) @ d)
        return loss + ops.gan_loss(real @ d, kind="least_squares", target=0.0) * with_reals

    plain, padded = (grad(g_loss(on), G.parameters()) for on in (0.0, 1.0))
    for a, b in zip(plain, padded, strict=True):
        np.testing.assert_allclose(a.data, b.data, rtol=1e-12)
    assert float(g_loss(1.0)) == pytest.approx(float(g_loss(0.0)) + 0.5 * 0.5**2)

    left_over = grad(g_loss(1.0) - g_loss(0.0), d).data
    own = grad(ops.gan_loss(real @ d, kind="least_squares", target=1.0), d).data
    assert (left_over * own < 0).all()


@erratum(
    "B7",
    claim="Set D's weights to not trainable for G's step, and read from G's falling loss that "
    "training works.",
    correct="A flag that stays set freezes D for good, and against a frozen D the loss of G can "
    "fall to 0 while its samples run away. Ask each step for one player's gradient: then no flag "
    "is needed.",
    sources=("arXiv:1406.2661", "arXiv:1701.04862", "on compile and trainable: issue Keras-GAN#22"),
)
def test_a_falling_loss_against_a_frozen_discriminator_proves_nothing():
    """A loss of G is a loss against *this* D. With data at 1, G = theta and D(x) = x frozen,
    softplus(-theta) falls towards 0 as theta -> inf: past the data and away. At the equilibrium it
    is softplus(0) = log 2 and *not* 0.

    In Keras, ``discriminator.trainable = False`` was captured when a model was compiled. Since
    Keras 3 (seen with 3.15 on PyTorch) it holds for D's own, compiled step too, which then moves
    nothing. Here a frozen player raises. With ``grad(loss, weights of one player)`` each step names
    what it moves, and nothing is switched.
    """
    d = leaf([[1.0]])
    theta = leaf([[0.0]])

    def g_loss():
        return ops.nonsaturating_g_loss(theta @ d)

    d.requires_grad_(False)
    start = float(g_loss())
    assert start == pytest.approx(np.log(2))
    falling = [descend(g_loss, [theta], lr=1.0, steps=40) for _ in range(3)]
    assert start > falling[0] > falling[1] > falling[2]
    assert falling[2] < 0.02
    assert abs(theta.item() - 1) > 3  # three times as far from the data as it began

    d_loss = ops.logistic_d_loss(constant([[1.0]]) @ d, theta.detach() @ d)
    with pytest.raises(NotDifferentiableError, match="does not require grad"):
        grad(d_loss, d)
    d.requires_grad_(True)
    moves_g = grad(g_loss(), theta)
    moves_d = grad(ops.logistic_d_loss(constant([[1.0]]) @ d, theta.detach() @ d), d)
    assert moves_g.item() < 0 < moves_d.item()


@erratum(
    "B9",
    claim="A Wasserstein GAN is a GAN with a linear last layer and mean scores as its losses.",
    correct="Without a bound on the critic's slope its loss has no minimum; clipping, a penalty or "
    "a norm constraint is the method, not an option.",
    sources=("arXiv:1701.07875", "arXiv:1704.00028"),
)
def test_the_wasserstein_loss_of_an_unbounded_critic_has_no_minimum():
    """The loss is linear in the critic: if f has the gap g = E f(x) - E f(G(z)) > 0, then k f has
    the loss -k g, for every k. So descent never ends, and the number on the curve measures how
    long the critic was trained. Bounded to |f'| <= 1, it can fall to -W1 and no further.
    """
    real, fake = ring(64), ring(64, "fake") * 0.5
    with random.using(random.Streams(4)):
        D = MLPDiscriminator((2,), hidden=(16,), act=nn.ReLU)
    real, fake = (Tensor(v.data.astype(np.float32)) for v in (real, fake))

    def loss():
        return ops.wasserstein_d_loss(D(real), D(fake))

    optimizer = RMSprop(D.parameters(), 1e-2)
    curve = []
    for _ in range(60):
        optimizer.step(grad(loss(), optimizer.params))
        curve.append(float(loss()))
    assert curve[-1] < 2 * curve[29] < 4 * curve[14] < 0
    gap = -float(loss())
    for p in D.parameters()[-2:]:  # the last layer: f becomes 10 f
        p.assign_(p.data * np.float32(10))
    assert -float(loss()) == pytest.approx(10 * gap, rel=1e-4)


@erratum(
    "B10",
    claim="A WGAN-GP is trained by mean scores and by clipping the weights to +-0.01.",
    correct="That is the original WGAN. WGAN-GP has no clipping; it adds "
    "lambda E (||grad D(x^)|| - 1)^2 at points x^ between reals and fakes.",
    sources=("arXiv:1701.07875", "arXiv:1704.00028"),
)
def test_clipping_weights_is_not_a_gradient_penalty():
    """Clipping bounds the slope from above, by a number that has nothing to do with 1: an m x n
    matrix with entries in +-c has a norm of at most c sqrt(m n). With c = 0.01 a critic of 2 inputs
    and 16 tanh units has a slope of at most c sqrt(32) * c sqrt(16) = 0.0023; wide and deep ones
    may have one far above 1. Where the penalty acts, the slope is pulled to 1 from both sides.

    (Both papers take five critic steps, each on fresh data and noise, for a step of G.)
    """
    real = Tensor(TOYS["ring"].sample(128, Stream(0, "real"))[0])
    fake = Tensor(Stream(0, "fake").normal((128, 2), std=0.3))
    alpha = Stream(0, "alpha").uniform(128)

    def slopes(method):
        with random.using(random.Streams(5)):
            D = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
        clips = method == "clip"
        optimizer = RMSprop(D.parameters(), 1e-3) if clips else Adam(D.parameters(), 1e-2)
        for _ in range(100):
            loss = ops.wasserstein_d_loss(D(real), D(fake))
            if not clips:
                loss = loss + 10.0 * gradient_penalty(D, real, fake, alpha=alpha)
            optimizer.step(grad(loss, optimizer.params))
            for p in optimizer.params if clips else ():
                p.assign_(p.data.clip(-0.01, 0.01))
        between = alpha[:, None] * real.data + (1 - alpha[:, None]) * fake.data
        x = Tensor(between, requires_grad=True)
        return np.linalg.norm(grad(ops.sum(D(x)), x).data, axis=1)

    assert slopes("clip").max() < 0.0023
    assert np.abs(slopes("penalty") - 1).mean() < 0.25


@erratum(
    "B12",
    claim="Feature matching is `mse_loss(D.features(real), D.features(fake))`.",
    correct="It is the squared norm of the difference of *means*, with the reals' side detached: "
    "a mean over features changes its weight with the layer's width.",
    sources=("arXiv:1606.03498",),
)
def test_feature_matching_compares_means_and_detaches_the_reals():
    """The loss is ||E f(x) - E f(G(z))||^2.

    Sample by sample, E ||f(x_i) - f(G(z_i))||^2 pairs samples that have nothing to do with each
    other. For fakes that are exactly the reals in another order it isn't 0, but on average twice
    the variance of the features. One point whose features are the mean costs that variance once, so
    a G that collapses scores better than the data.

    An MSE of means averages over the d features: the same loss divided by d, so that its weight
    beside other losses depends on the width of a layer.

    f(x) doesn't depend on G, so detaching the reals leaves G's gradient as it is. Going backward
    without it walks through D's features of the reals for nothing, and changes what is added to
    the gradient of D's weights.
    """
    f = leaf(np.random.default_rng(4).normal(size=(2, 16)))
    real = ring(64)
    fake = Tensor(real.data[::-1].copy(), requires_grad=True)  # the same samples

    def mean_features(x, weight=f):
        return ops.mean(ops.leaky_relu(x @ weight), 0)

    def matching(x):
        return ops.sum(ops.square(mean_features(real).detach() - mean_features(x)))

    paired = ops.leaky_relu(real @ f) - ops.leaky_relu(fake @ f)
    assert float(ops.mean(ops.square(paired))) > 0.5
    assert float(matching(fake)) < 1e-25
    one_point = constant(np.tile(real.data.mean(axis=0), (64, 1)))
    still = ops.leaky_relu(real @ f) - ops.leaky_relu(one_point @ f)
    assert float(ops.mean(ops.square(still))) < float(ops.mean(ops.square(paired)))

    shifted = Tensor(fake.data + 0.3, requires_grad=True)
    mean_reduced = ops.mean(ops.square(mean_features(real) - mean_features(shifted)))
    assert float(mean_reduced) == pytest.approx(float(matching(shifted)) / 16)

    open_ = ops.sum(ops.square(mean_features(real) - mean_features(shifted)))
    to_fake, to_f = grad(open_, [shifted, f])
    closed_fake, closed_f = grad(matching(shifted), [shifted, f])
    np.testing.assert_allclose(to_fake.data, closed_fake.data, rtol=1e-12)
    assert np.abs(to_f.data - closed_f.data).max() > 0.01


@erratum(
    "B17",
    claim="GAIL: compute the discriminator's loss, reward the policy by D, update the policy.",
    correct="The discriminator must be stepped too: an untrained D rewards the policy above the "
    "expert about as often as below.",
    sources=("arXiv:1606.03476",),
)
def test_a_loss_that_is_computed_and_not_stepped_teaches_nothing():
    """Computing a loss changes no weight. The reward r(s, a) = -log(1 - sigmoid(D(s, a))) =
    softplus(D) then stays a random function: over many initial D, in about half of them the policy
    has the higher reward, and nothing in its updates leads to the expert. After steps on
    E softplus(-D(expert)) + E softplus(D(policy)) the expert has the higher reward for every one.
    The same slip is found in adversarial training, where the generator of the perturbations gets a
    loss and no step. (GAIL also bounds each step of the policy, and rewards its entropy: not tested
    here.)
    """
    towards = np.array([1.0, 0.0, -0.5])
    expert = constant(Stream(0, "e").normal((64, 3), np.float64) + towards)
    policy = constant(Stream(0, "p").normal((64, 3), np.float64) - towards)

    def expert_wins(steps):
        wins = []
        for seed in range(12):
            with random.using(random.Streams(seed)):
                D = nn.Linear(3, 1, dtype=np.float64)
            descend(
                lambda D=D: ops.logistic_d_loss(D(expert), D(policy)),
                D.parameters(),
                lr=0.5,
                steps=steps,
            )
            gap = ops.mean(ops.softplus(D(expert))) - ops.mean(ops.softplus(D(policy)))
            wins.append(float(gap) > 0)
        return np.mean(wins)

    assert 0.2 < expert_wins(0) < 0.8
    assert expert_wins(30) == 1.0
