"""What a whole DCGAN step does: which kernels, in which dtype, with how many copies."""

import collections
import sys

import numpy as np
import pytest
from kernel_checks import no_float64

from tinygan import Tensor, grad, nn, ops, optim
from tinygan.kernels import arrays, registry

NZ, NF, N = 8, 4, 6


def generator():
    return nn.Sequential(
        nn.ConvTranspose2d(NZ, 2 * NF, 4, 1, 0, bias=False),
        nn.BatchNorm2d(2 * NF),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * NF, NF, 4, 2, 1, bias=False),
        nn.BatchNorm2d(NF),
        nn.ReLU(),
        nn.ConvTranspose2d(NF, 3, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def discriminator():
    return nn.Sequential(
        nn.Conv2d(3, NF, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2),
        nn.Conv2d(NF, 2 * NF, 4, 2, 1, bias=False),
        nn.BatchNorm2d(2 * NF),
        nn.LeakyReLU(0.2),
        nn.Conv2d(2 * NF, 1, 4, 1, 0, bias=False),
    )


@pytest.fixture
def step():
    G, D = generator(), discriminator()
    opt_g = optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_d = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    rng = np.random.default_rng(0)
    real = rng.normal(size=(N, 16, 16, 3)).astype(np.float32).transpose(0, 3, 1, 2)

    def run():
        fake = G(Tensor(rng.normal(size=(N, NZ, 1, 1)).astype(np.float32)))
        loss_d = ops.logistic_d_loss(D(Tensor(real)), D(fake.detach()))
        opt_d.step(grad(loss_d, opt_d.params))
        loss_g = ops.nonsaturating_g_loss(D(fake))
        opt_g.step(grad(loss_g, opt_g.params))
        return loss_d, loss_g

    run()  # the optimizers make their state
    return run


@no_float64()
def test_no_float64_appears_in_a_float32_step(step):
    losses = step()
    assert all(loss.dtype == np.float32 for loss in losses)


def test_a_step_makes_at_most_two_layout_copies(step, monkeypatch):
    copies = []

    def counting(x):
        if not arrays.is_channels_last(x):
            copies.append(x.shape)
        return plain(x)

    plain = arrays.as_channels_last
    for name, module in list(sys.modules.items()):
        if name.startswith("tinygan.") and getattr(module, "as_channels_last", None) is plain:
            monkeypatch.setattr(module, "as_channels_last", counting)
    step()
    assert len(copies) <= 2, copies


def test_the_g_step_never_computes_weight_gradients_of_d(step, monkeypatch):
    calls = collections.Counter()
    choose = registry.choose

    def spy(op, *operands, **params):
        calls[op] += 1
        return choose(op, *operands, **params)

    monkeypatch.setattr(registry, "choose", spy)
    step()
    # wgrad: 3 layers of D on real and on fake, 3 layers of G; none for D in the G step
    assert calls["conv2d_wgrad"] == 9
    # dgrad: G's 3 forwards (transposed); D step, all layers but the first, twice; G step: through
    # all of D; G's own cotangents go back by conv2d
    assert calls["conv2d_dgrad"] == 3 + 2 * 2 + 3


def test_a_step_changes_both_players():
    G = generator()
    before = [p.data.copy() for p in G.parameters()]
    z = np.random.default_rng(1).normal(size=(N, NZ, 1, 1)).astype(np.float32)
    fake = G(Tensor(z))
    optimizer = optim.Adam(G.parameters(), lr=1e-2)
    optimizer.step(grad((fake * fake).sum(), optimizer.params))
    assert all((a != p.data).any() for a, p in zip(before, G.parameters(), strict=True))
