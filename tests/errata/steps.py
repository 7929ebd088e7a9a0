"""What several errata share: float64 tensors, plain gradient descent, modes hit."""

from collections.abc import Callable, Sequence

import numpy as np

from tinygan.autograd import Tensor, grad
from tinygan.data import Toy
from tinygan.optim import SGD


def constant(values):
    """Make a float64 tensor."""
    return Tensor(np.asarray(values, dtype=np.float64))


def leaf(values):
    """Make a float64 tensor to differentiate with respect to."""
    return Tensor(np.array(values, dtype=np.float64), requires_grad=True)


def descend(loss: Callable[[], Tensor], params: Sequence[Tensor], *, lr: float, steps: int):
    """Take gradient steps down ``loss`` and return its last value."""
    optimizer = SGD(params, lr)
    for _ in range(steps):
        optimizer.step(grad(loss(), optimizer.params))
    return float(loss())


def on_a_mode(points: np.ndarray, toy: Toy):
    """Tell for each point whether it lies within 3 sigma of a mode, and which mode is nearest."""
    distances = np.linalg.norm(points[:, None].astype(np.float64) - toy.centres, axis=-1)
    return distances.min(axis=1) < 3 * toy.sigma, distances.argmin(axis=1)
