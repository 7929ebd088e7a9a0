"""2. Derivatives of derivatives: what a gradient penalty needs, and where others go wrong.

WGAN-GP trains D on (||dD/dx|| - 1)^2, so the weights get the gradient *of a gradient*. With
``create_graph=True`` the reverse pass is recorded like any other computation.
"""

import numpy as np

from tinygan import Tensor, grad, ops
from tinygan.testing import check_grads

rng = np.random.default_rng(0)

# f(x) = x^5: five derivatives, each the gradient of the last.
x = Tensor(np.array(2.0), requires_grad=True)
f = x**5
for order in range(1, 6):
    f = grad(f, x, create_graph=True)
    print(f"derivative {order} of x^5 at 2: {float(f):.0f}")


def critic(x, w, gamma, beta, v):
    """A small critic with batch norm: convolution, normalisation, LeakyReLU, convolution."""
    h = ops.batch_norm(ops.conv2d(x, w, stride=2, padding=1), gamma, beta)
    return ops.conv2d(ops.leaky_relu(h, negative_slope=0.2), v).sum((1, 2, 3))


def penalty(x, *weights):
    """(||dD/dx||_2 - 1)^2, the norm over all axes of a sample."""
    gx = grad(critic(x, *weights).sum(), x, create_graph=True)
    norm = ops.sqrt((gx * gx).sum((1, 2, 3)) + 1e-12)
    return ((norm - 1.0) ** 2).mean()


shapes = [(4, 3, 4, 4), (4,), (4,), (1, 4, 3, 3)]
weights = [Tensor(0.3 * rng.normal(size=s), requires_grad=True) for s in shapes]
images = Tensor(rng.normal(size=(5, 3, 6, 6)), requires_grad=True)

gradients = grad(penalty(images, *weights), weights)

# The same by differences: move all weights a little along a random direction.
directions = [rng.normal(size=s) for s in shapes]
moved = [
    float(
        penalty(images, *[Tensor(w.data + e * d) for w, d in zip(weights, directions, strict=True)])
    )
    for e in (1e-6, -1e-6)
]
numeric = (moved[0] - moved[1]) / 2e-6
analytic = sum(float((g.data * d).sum()) for g, d in zip(gradients, directions, strict=True))
print(f"penalty's slope: {analytic:.8f} by grad, {numeric:.8f} by differences")
assert abs(numeric - analytic) < 1e-6 * abs(numeric)

# check_grads does this to third order, with cotangents that depend on x themselves.
check_grads(
    lambda x, g, b: ops.batch_norm(x, g, b),
    [rng.normal(size=(6, 2)), rng.normal(size=2), rng.normal(size=2)],
    order=3,
)
print("batch norm: derivatives of order 1, 2 and 3 agree with finite differences")
