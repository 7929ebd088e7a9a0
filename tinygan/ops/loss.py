"""GAN losses on logits, all minimised, each a mean of one fused pointwise function.

    logistic        softplus(l) - t*l        t in [0, 1]: binary cross-entropy with target t
    hinge           relu(1 - t*l)            t = +-1
    wasserstein     -t*l                     t = +-1
    least_squares   (l - t)^2 / 2            t any number

The paper of each loss stands at its function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import Tensor, fused
from ..autograd.basic import log_softmax, mean, relu, softplus, square
from ..autograd.linear import as_tensor, gather, reshape
from ..errors import DtypeError, OptionError, ShapeError
from ..kernels.cuda.graph import active

_PHI: dict[str, Callable[[Tensor, float], Tensor]] = {
    "logistic": lambda x, t: softplus(x) - x * t,
    "hinge": lambda x, t: relu(1.0 - x * t),
    "wasserstein": lambda x, t: x * -t,
    "least_squares": lambda x, t: square(x - t) * 0.5,
}

_gan_loss = fused("gan_loss", lambda x, *, kind, target: mean(_PHI[kind](x, target)))


def gan_loss(logit: Any, *, kind: str, target: float) -> Tensor:
    """Mean of phi(logit), the pointwise loss ``kind`` of the table above.

    Shapes: logit, any -> ().

    Raises:
        OptionError: unknown kind, or a target that it does not take.

    Differentiable: any order; at the hinge's kink the slope is 0.
    """
    if kind not in _PHI:
        raise OptionError(f"gan_loss: no kind {kind!r}; use one of {', '.join(_PHI)}")
    if kind == "logistic" and not 0 <= target <= 1:
        raise OptionError(f"gan_loss: a logistic target is a probability, got {target}")
    if kind in ("hinge", "wasserstein") and target not in (-1, 1):
        raise OptionError(f"gan_loss: a {kind} target is 1 or -1, got {target}")
    logit = as_tensor(logit)
    if not logit.size:
        raise ShapeError(f"gan_loss: logit {logit.shape} has no entry to average")
    return _gan_loss(logit, kind=kind, target=float(target))


def bce_with_logits(logit: Any, target: float) -> Tensor:
    """Binary cross-entropy of sigmoid(logit) against one target. Differentiable: any order."""
    return gan_loss(logit, kind="logistic", target=target)


def logistic_d_loss(real: Any, fake: Any, *, smooth: float = 0.0) -> Tensor:
    """E softplus(-real) + E softplus(fake): D of the original GAN.

    ``smooth`` > 0 is one-sided label smoothing: reals aim at 1 - smooth, fakes stay at 0
    (arXiv:1606.03498, section 3.4). Differentiable: any order. Source: arXiv:1406.2661.
    """
    return bce_with_logits(real, 1.0 - smooth) + bce_with_logits(fake, 0.0)


def nonsaturating_g_loss(fake: Any) -> Tensor:
    """E softplus(-fake): G maximises log D(G(z)). Differentiable: any order. arXiv:1406.2661."""
    return bce_with_logits(fake, 1.0)


def saturating_g_loss(fake: Any) -> Tensor:
    """-E softplus(fake): the minimax game itself; no slope where D wins. arXiv:1406.2661.

    Differentiable: any order.
    """
    return -bce_with_logits(fake, 0.0)


def hinge_d_loss(real: Any, fake: Any) -> Tensor:
    """E relu(1 - real) + E relu(1 + fake). Differentiable: any order. arXiv:1705.02894."""
    return gan_loss(real, kind="hinge", target=1) + gan_loss(fake, kind="hinge", target=-1)


def hinge_g_loss(fake: Any) -> Tensor:
    """-E fake. Differentiable: any order. arXiv:1705.02894."""
    return wasserstein_g_loss(fake)


def wasserstein_d_loss(real: Any, fake: Any) -> Tensor:
    """E fake - E real, minimised by the critic. Differentiable: any order. arXiv:1701.07875."""
    return gan_loss(real, kind="wasserstein", target=1) + gan_loss(
        fake, kind="wasserstein", target=-1
    )


def wasserstein_g_loss(fake: Any) -> Tensor:
    """-E fake. Differentiable: any order. arXiv:1701.07875."""
    return gan_loss(fake, kind="wasserstein", target=1)


def least_squares_d_loss(real: Any, fake: Any, *, smooth: float = 0.0) -> Tensor:
    """E (real - 1 + smooth)^2 / 2 + E fake^2 / 2. Differentiable: any order. arXiv:1611.04076."""
    return gan_loss(real, kind="least_squares", target=1.0 - smooth) + gan_loss(
        fake, kind="least_squares", target=0.0
    )


def least_squares_g_loss(fake: Any) -> Tensor:
    """E (fake - 1)^2 / 2. Differentiable: any order. arXiv:1611.04076."""
    return gan_loss(fake, kind="least_squares", target=1.0)


def cross_entropy(logits: Any, labels: Any) -> Tensor:
    """Mean of -log softmax(logits)[label].

    Shapes: logits (N, K), labels (N,) integers in [0, K) -> (). Differentiable: any order.

    Raises:
        ShapeError: shapes do not fit, there is no sample, or a label is out of range.
        DtypeError: labels are not of integers.
    """
    logits, labels = as_tensor(logits), as_tensor(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1]:
        raise ShapeError(
            f"cross_entropy: logits (N, K) and labels (N,) fit, got {logits.shape} and "
            f"{labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise DtypeError(f"cross_entropy: labels are integers, got {labels.dtype}")
    if not labels.size:
        raise ShapeError(f"cross_entropy: logits {logits.shape} have no sample to average")
    looks = active() is None  # before a step is captured, others like it have run
    if looks and not 0 <= int(labels.data.min()) <= int(labels.data.max()) < logits.shape[1]:
        raise ShapeError(
            f"cross_entropy: labels run from {int(labels.data.min())} to "
            f"{int(labels.data.max())}, logits {logits.shape} take 0 to {logits.shape[1] - 1}"
        )
    chosen = gather(log_softmax(logits, 1), 1, reshape(labels, (-1, 1)))
    return -mean(chosen)
