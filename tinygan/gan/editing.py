"""Edit given samples through a G that knows a trait: the z that keeps who it is, and another trait.

    z* = argmin_z  E |f(G(z, y)) - f(x)|^2,   from z_0 = E(x), by Adam          f: identity features
    edited = G(z*, y')

Antipov, Baccouche & Dugelay, arXiv:1702.01983, section 2.3 ("identity preserving" optimisation):
nearness of pixels keeps background and lighting and loses the face; nearness of a recogniser's
features keeps who it is. *Deviations*: Adam in place of L-BFGS; ``lambda_z`` holds z where G has
been trained; ``lambda_x`` adds their pixelwise term.
"""

from __future__ import annotations

from collections.abc import Callable

from .. import nn, ops, optim
from ..autograd import Tensor, grad, no_grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from .game import evaluating

Features = Callable[[Tensor], Tensor]


def find_latent(
    G: nn.Module,
    x: Tensor,
    y: Array,
    start: Tensor,
    *,
    features: Features,
    steps: int = 100,
    lr: float = 0.05,
    lambda_x: float = 0.0,
    lambda_z: float = 0.0,
) -> Tensor:
    """Find for each sample the z whose G(z, y) has its features.

    Shapes: x (N, ...), y (N,), start (N, nz) -> (N, nz).

    Args:
        G: a generator of z and a class, taken in evaluation mode; it does not change.
        x: samples.
        y: their traits.
        start: z to begin with, an encoder's.
        features: what makes a sample who it is, (N, ...) -> (N, ...), differentiable; a net in
            evaluation mode.
        steps: of Adam, 0 or more.
        lr: its learning rate.
        lambda_x: weight of the mean squared error of pixels.
        lambda_z: weight of the mean of z^2.

    Raises:
        ShapeError: there are not as many traits or z as samples.
        OptionError: ``steps`` is below 0.
    """
    if not len(x) == len(y) == len(start):
        raise ShapeError(f"find_latent: {len(x)} samples, {len(y)} traits, {len(start)} z")
    if steps < 0:
        raise OptionError(f"find_latent: steps={steps}: use 0 or more")
    z = nn.Parameter(start.data.copy())
    adam = optim.Adam([z], lr)
    with evaluating(G):
        with no_grad():
            wanted = features(x)
        for _ in range(steps):
            made = G(z, y)
            loss = ops.mean(ops.square(features(made) - wanted))
            if lambda_x:
                loss = loss + lambda_x * ops.mean(ops.square(made - x))
            if lambda_z:
                loss = loss + lambda_z * ops.mean(ops.square(z))
            adam.step(grad(loss * len(x), [z]))  # each z on its own, whatever the batch
    return z.detach()
