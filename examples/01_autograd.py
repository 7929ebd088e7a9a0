"""1. What a gradient is here: a function that is itself made of ops.

A ``Tensor`` remembers the op that made it. ``grad`` walks from an output back to the inputs that
were asked for; each op on the way turns the cotangent of its output into cotangents of its inputs.
"""

import numpy as np

from tinygan import Tensor, grad, ops

x = Tensor(np.array([0.5, -1.0, 2.0]), requires_grad=True)
w = Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)

y = (w * ops.tanh(x)).sum()
gx, gw = grad(y, (x, w))
print("y      =", float(y))
print("dy/dx  =", gx.data, "  by hand:", w.data * (1 - np.tanh(x.data) ** 2))
print("dy/dw  =", gw.data, "  by hand:", np.tanh(x.data))

# A central difference says the same, entry by entry.
for i in range(3):
    step = np.zeros(3)
    step[i] = 1e-6
    up, down = ((w.data * np.tanh(x.data + s * step)).sum() for s in (1, -1))
    assert abs((up - down) / 2e-6 - gx.data[i]) < 1e-8

# The two players of a GAN have two losses. Each asks for the gradient of its own weights alone,
# and only what lies on a path to those is ever computed.
d = Tensor(np.array(0.7), requires_grad=True)  # "discriminator": D(x) = d x
g = Tensor(np.array(0.3), requires_grad=True)  # "generator":     G(z) = g z
z, real = 1.5, 2.0
loss_d = ops.softplus(-d * real) + ops.softplus(d * (g * z).detach())
loss_g = ops.softplus(-d * (g * z))
print("dL_D/dd =", float(grad(loss_d, d)), "  dL_G/dg =", float(grad(loss_g, g)))

# PyTorch's habit works too, and is the same walk.
(w * ops.tanh(x)).sum().backward()
assert np.allclose(x.grad.data, gx.data)
