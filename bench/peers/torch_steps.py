"""The training steps of bench/steps.py in PyTorch, each in the variants that make it faster.

The networks have the layers and the names of tinygan's, so that its weights load as they are and
both sides can be compared before they are timed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Loss = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Variant:
    """How PyTorch runs the step.

    Attributes:
        freeze: D's parameters need no gradient in the G step.
        channels_last: images and weights in NHWC memory.
        fused: Adam in one kernel.
        compiled: both networks through torch.compile.
    """

    freeze: bool = False
    channels_last: bool = False
    fused: bool = False
    compiled: bool = False


VARIANTS = {
    "eager": Variant(),
    "frozen D": Variant(freeze=True),
    "channels last": Variant(freeze=True, channels_last=True),
    "fused Adam": Variant(freeze=True, channels_last=True, fused=True),
    "compiled": Variant(freeze=True, fused=True, compiled=True),
    "compiled, channels last": Variant(True, True, True, True),
}


def dcgan_generator(nz: int, image: tuple[int, ...], width: int) -> nn.Module:
    """DCGANGenerator for an image of 4 * 2^k pixels a side."""
    stages = (image[1] // 4).bit_length() - 1
    channels = width * 2 ** (stages - 1)
    layers = [nn.ConvTranspose2d(nz, channels, 4, 1, 0, bias=False), nn.BatchNorm2d(channels)]
    layers.append(nn.ReLU(True))
    for _ in range(stages - 1):
        layers.append(nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=False))
        layers += [nn.BatchNorm2d(channels // 2), nn.ReLU(True)]
        channels //= 2
    layers += [nn.ConvTranspose2d(channels, image[0], 4, 2, 1, bias=False), nn.Tanh()]
    return nn.Sequential(*layers)


def dcgan_discriminator(image: tuple[int, ...], width: int, *, norm: bool = True) -> nn.Module:
    """DCGANDiscriminator for an image of 4 * 2^k pixels a side."""
    stages = (image[1] // 4).bit_length() - 1
    layers: list[nn.Module] = [nn.Conv2d(image[0], width, 4, 2, 1, bias=not norm)]
    layers.append(nn.LeakyReLU(0.2, True))
    for _ in range(stages - 1):
        layers.append(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=not norm))
        layers += [nn.BatchNorm2d(2 * width)] if norm else []
        layers.append(nn.LeakyReLU(0.2, True))
        width *= 2
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4, 1, 0, bias=not norm), nn.Flatten(0))


def mlp(sizes: tuple[int, ...], *, image: tuple[int, ...] | None = None) -> nn.Module:
    """Linear layers with LeakyReLU between them; with an image, G: tanh and its shape."""
    layers: list[nn.Module] = [] if image else [nn.Flatten()]
    for sides in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(*sides), nn.LeakyReLU(0.2)]
    layers.append(nn.Linear(*sizes[-2:]))
    layers += [nn.Tanh(), nn.Unflatten(1, image)] if image else [nn.Flatten(0)]
    return nn.Sequential(*layers)


def load(module: nn.Module, state: dict[str, np.ndarray]) -> None:
    """Copy tinygan's parameters and buffers, which come in the same order, into a module."""
    own = [v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")]
    given = [v for k, v in state.items() if not k.endswith("num_batches_tracked")]
    if [tuple(a.shape) for a in own] != [tuple(b.shape) for b in given]:
        raise SystemExit(f"the peer's layers differ: {[a.shape for a in own]}")
    for a, b in zip(own, given, strict=True):
        a.copy_(torch.from_numpy(np.array(b)))


class Step:
    """One training step: D on real and fake, then G on the same z.

    Args:
        G: generator.
        D: discriminator, with logits.
        real: images (N, ...).
        z: latent vectors; None draws them anew at each step, as training does.
        lr: learning rate of both.
        betas: of both.
        variant: how to run it.
        nz: length of z.
    """

    def __init__(self, G, D, real, *, z=None, lr=2e-4, betas=(0.5, 0.999), variant, nz=100):
        layout = torch.channels_last if variant.channels_last and real.ndim == 4 else None
        if layout is not None:
            G, D = G.to(memory_format=layout), D.to(memory_format=layout)
            real = real.contiguous(memory_format=layout)
        self.G, self.D, self.real, self.z, self.nz = G, D, real, z, nz
        self.variant = variant
        self.reads = True  # a captured step must not wait for its losses
        self.run_G, self.run_D = G, D
        if variant.compiled:
            self.run_G, self.run_D = (torch.compile(m, dynamic=False) for m in (G, D))
        options = {"lr": lr, "betas": betas, "fused": variant.fused}
        self.opt_g = torch.optim.Adam(G.parameters(), **options)
        self.opt_d = torch.optim.Adam(D.parameters(), **options)

    def d_loss(self, fake: torch.Tensor) -> torch.Tensor:
        """Return D's loss on reals and these fakes."""
        loss = functional.softplus(-self.run_D(self.real)).mean()
        return loss + functional.softplus(self.run_D(fake)).mean()

    def g_loss(self, fake: torch.Tensor) -> torch.Tensor:
        """Return G's loss."""
        return functional.softplus(-self.run_D(fake)).mean()

    def latent(self) -> torch.Tensor:
        """Return z."""
        return torch.randn(len(self.real), self.nz) if self.z is None else self.z

    def freeze(self, frozen: bool) -> None:
        """Say whether D's parameters need gradients."""
        if self.variant.freeze:
            for p in self.D.parameters():
                p.requires_grad_(not frozen)

    def __call__(self) -> tuple[float, float] | None:
        """Run it; return the losses of D and G."""
        self.opt_d.zero_grad()
        z = self.latent()
        fake = self.run_G(self._shaped(z))
        loss_d = self.d_loss(fake.detach())
        loss_d.backward()
        self.opt_d.step()
        self.opt_g.zero_grad()
        self.freeze(True)
        loss_g = self.g_loss(fake)
        loss_g.backward()
        self.opt_g.step()
        self.freeze(False)
        return (loss_d.item(), loss_g.item()) if self.reads else None

    def _shaped(self, z: torch.Tensor) -> torch.Tensor:
        convolutional = any(isinstance(m, nn.ConvTranspose2d) for m in self.G.modules())
        return z.reshape(*z.shape, 1, 1) if convolutional else z


class HingeStep(Step):
    """One step of SNGAN: the hinge losses."""

    def d_loss(self, fake: torch.Tensor) -> torch.Tensor:
        """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))."""
        real, fake = self.run_D(self.real), self.run_D(fake)
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()

    def g_loss(self, fake: torch.Tensor) -> torch.Tensor:
        """-E D(G(z))."""
        return -self.run_D(fake).mean()


class CriticStep(Step):
    """One critic step of WGAN-GP, with the penalty's second derivative; ``lambda_gp`` is 10."""

    alpha: torch.Tensor | None = None  # a fixed interpolation, to compare with

    def __call__(self) -> tuple[float, float]:
        """Run it; return the critic's loss twice."""
        self.opt_d.zero_grad()
        n = len(self.real)
        with torch.no_grad():
            fake = self.run_G(self._shaped(self.latent()))
        alpha = torch.rand(n, 1, 1, 1) if self.alpha is None else self.alpha
        x_hat = (alpha * self.real + (1 - alpha) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(self.run_D(x_hat).sum(), x_hat, create_graph=True)
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        loss = self.run_D(fake).mean() - self.run_D(self.real).mean() + 10 * penalty
        loss.backward()
        self.opt_d.step()
        return loss.item(), loss.item()
