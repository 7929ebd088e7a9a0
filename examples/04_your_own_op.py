"""4. Add an op: a forward rule on arrays, a vjp rule in differentiable ops, and its check.

Because the rule is made of ops, its own derivative exists already: nobody writes a double backward.
"""

import numpy as np

from tinygan import Tensor, grad, ops
from tinygan.autograd import Op
from tinygan.errors import GradientCheckError
from tinygan.testing import check_grads

rng = np.random.default_rng(0)

# softsign(x) = x / (1 + |x|), with derivative 1 / (1 + |x|)^2.
softsign = Op("softsign", lambda x: x / (1 + np.abs(x)))


@softsign.defvjp
def softsign_vjp(g, y, xs, needs):
    """Turn the cotangent of y into the cotangent of x: tensors in, tensors out."""
    (x,) = xs
    return (g[0] / ops.square(1.0 + ops.abs(x)),)


x = np.array([-2.0, -0.4, 0.3, 1.7])
check_grads(softsign, [x], order=3)
print("softsign: right to third order")

# Second derivative by hand: -2 sign(x) / (1 + |x|)^3.
t = Tensor(x, requires_grad=True)
first = grad(softsign(t).sum(), t, create_graph=True)
second = grad(first.sum(), t)
assert np.allclose(second.data, -2 * np.sign(x) / (1 + np.abs(x)) ** 3)

# The classic mistake: computing the rule on arrays cuts the graph. Order 1 is right, order 2 not.
careless = Op("careless", lambda x: x / (1 + np.abs(x)))
careless.defvjp(lambda g, y, xs, needs: (g[0] * Tensor(1 / (1 + np.abs(xs[0].data)) ** 2),))
check_grads(careless, [x], order=1)
try:
    check_grads(careless, [x], order=2)
except GradientCheckError as error:
    print("careless:", error)
else:
    raise SystemExit("the check missed a rule that is wrong at second order")
