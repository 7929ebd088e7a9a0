"""An optimizer that is reset moves as a new one does."""

import numpy as np
import pytest

from tinygan import nn, optim
from tinygan.autograd import Tensor

GRADIENTS = [0.5, -1.25, 2.0, 0.0, 3.0, -0.25, 1.0]


def path(optimizer):
    """Return the values of its one parameter under the gradients."""
    values = []
    for g in GRADIENTS:
        optimizer.step([Tensor(np.array([g]))])
        values.append(float(optimizer.params[0][0]))
    return values


@pytest.mark.parametrize(
    "make",
    [
        lambda p: optim.Adam(p, 0.1),
        lambda p: optim.SGD(p, 0.1, momentum=0.9),
        lambda p: optim.RMSprop(p, 0.1, centered=True),
        lambda p: optim.Lookahead(optim.Adam(p, 0.1), k=3),
        lambda p: optim.OptimisticAdam(p, 0.1),
    ],
)
def test_after_a_reset_an_optimizer_moves_as_a_new_one(make):
    used = make([nn.Parameter(np.array([1.5]))])
    path(used)
    start = used.params[0].data.copy()
    used.reset()
    assert used.step_count == len(GRADIENTS)
    again = path(used)
    assert again == path(make([nn.Parameter(start)]))
    assert again != path(used)  # which has moments now, and another start
