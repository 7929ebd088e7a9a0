"""Named pairs of GAN losses on logits, so that a recipe's loss can be chosen by its name.

r = D(x), f = D(G(z)); E is the mean over a batch, sp is softplus; everything is minimised.

    name                 D                                    G
    minimax              E sp(-r) + E sp(f)                   -E sp(f)             1406.2661
    nonsaturating        E sp(-r) + E sp(f)                   E sp(-f)             1406.2661
    least_squares        E (r - 1)^2 / 2 + E f^2 / 2          E (f - 1)^2 / 2      1611.04076
    wasserstein          E f - E r                            -E f                 1701.07875
    hinge                E relu(1 - r) + E relu(1 + f)        -E f                 1705.02894
    relativistic         E sp(-a) + E sp(b)                   E sp(a) + E sp(-b)   1807.00734
    relativistic_ls      E (a - 1)^2 + E (b + 1)^2            E (a + 1)^2 + E (b - 1)^2
    relativistic_hinge   E relu(1 - a) + E relu(1 + b)        E relu(1 + a) + E relu(1 - b)
    fgan_*               E f*(g(f)) - E g(r)                  -E f*(g(f))          1606.00709
    cramer               E |r| - E |r - f| + E |f - f'| - E |f|      2 E |r - f| - E |f - f'|

Relativistic average: a = r - E f, b = f - E r, and the slope goes through both means.

f-GAN, table 2 of arXiv:1606.00709: g is the output activation, f* the conjugate of the divergence's
generator. With g put into f*, no logarithm of a negative number and no 0/0 is left:

    divergence     g(v)                f*(t)                f*(g(v))
    kl             v                   exp(t - 1)           exp(v - 1)
    reverse_kl     -exp(-v)            -1 - log(-t)         v - 1
    pearson        v                   t^2 / 4 + t          v^2 / 4 + v
    hellinger      1 - exp(-v)         t / (1 - t)          exp(v) - 1
    js             log 2 - sp(-v)      -log(2 - exp(t))     sp(v) - log 2

Cramer, arXiv:1705.10743, algorithm 1: D may return vectors (N, K), and |.| is their length. D
maximises the surrogate f(x) - f(G(z)), f(x) = E |D(x) - D(G(z'))| - |D(x)|.

Deviations: f-GAN's G takes algorithm 1 of its paper, not the variant of its section 3.2. Cramer
averages over all pairs of a batch, a fake never with itself, where the paper pairs with a second
batch of fakes: the same mean, with less variance. BEGAN and EBGAN judge by the error of an
autoencoder; they are recipes of their own.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from math import log

from .. import ops
from ..autograd import Tensor
from ..errors import OptionError, ShapeError
from ..kernels.arrays import xp_of

_LOG_2 = log(2.0)
_EPS = 1e-12  # inside the root, whose slope at 0 is infinite
AUTOENCODERS = ("began", "ebgan")  # recipes whose D returns an error, low for reals


@dataclass(frozen=True)
class NamedLoss:
    """A pair of losses.

    Attributes:
        paper: where it comes from.
        d_loss: ``d_loss(real_logit, fake_logit) -> scalar``; with ``smooth=`` where ``smooths``.
        g_loss: ``g_loss(fake_logit, real_logit) -> scalar``; the latter is None unless
            ``needs_real``.
        needs_real: G's loss looks at D's logits of real samples too.
        smooths: D's loss has a target for reals that can be smoothed.
        embeds: D may return vectors (N, K) in place of logits (N,).
        unbounded: D's loss falls without end unless something bounds D's slope.
    """

    paper: str
    d_loss: Callable[..., Tensor]
    g_loss: Callable[[Tensor, Tensor | None], Tensor]
    needs_real: bool = False
    smooths: bool = False
    embeds: bool = False
    unbounded: bool = False


def _of_fakes(g_loss: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor | None], Tensor]:
    return lambda fake, real: g_loss(fake)


def _relativistic(phi: Callable[[Tensor], Tensor]) -> NamedLoss:
    """Make the average relativistic pair of phi(x), the loss of a logit x that aims up."""

    def _pair(up: Tensor, down: Tensor) -> Tensor:
        over, under = up - ops.mean(down), down - ops.mean(up)
        return ops.mean(phi(over)) + ops.mean(phi(-under))

    def _g_loss(fake: Tensor, real: Tensor | None) -> Tensor:
        if real is None:
            raise ShapeError("a relativistic loss of G takes the logits of real samples too")
        return _pair(fake, real)

    return NamedLoss("arXiv:1807.00734", _pair, _g_loss, needs_real=True)


def _fgan(g: Callable[[Tensor], Tensor], conjugate: Callable[[Tensor], Tensor]) -> NamedLoss:
    """Make f-GAN's pair of g(v) and f*(g(v))."""
    return NamedLoss(
        "arXiv:1606.00709",
        lambda real, fake: ops.mean(conjugate(fake)) - ops.mean(g(real)),
        lambda fake, real: -ops.mean(conjugate(fake)),
    )


def _lengths(x: Tensor) -> Tensor:
    return ops.sqrt(ops.sum(ops.square(x), -1) + _EPS)


def _vectors(logit: Tensor) -> Tensor:
    """Shapes: (N,) or (N, K) -> (N, K or 1)."""
    return ops.reshape(logit, (logit.shape[0], -1))


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Lengths of all differences. Shapes: (N, K), (M, K) -> (N, M)."""
    return _lengths(ops.expand_dims(a, 1) - ops.expand_dims(b, 0))


def _among(x: Tensor) -> Tensor:
    """Mean distance of two different samples. Shapes: (N, K) -> ()."""
    n = x.shape[0]
    if n < 2:
        raise ShapeError(f"cramer compares fakes with each other: {n} is too few, use 2 or more")
    others = 1 - xp_of(x.data).eye(n, dtype=x.dtype)
    return ops.sum(_distances(x, x) * Tensor(others)) * (1.0 / (n * (n - 1)))


def _cramer_d(real: Tensor, fake: Tensor) -> Tensor:
    r, f = _vectors(real), _vectors(fake)
    of_real = ops.mean(_distances(r, f)) - ops.mean(_lengths(r))
    of_fake = _among(f) - ops.mean(_lengths(f))
    return of_fake - of_real


def _cramer_g(fake: Tensor, real: Tensor | None) -> Tensor:
    if real is None:
        raise ShapeError("cramer's loss of G takes D of real samples too")
    r, f = _vectors(real), _vectors(fake)
    return 2.0 * ops.mean(_distances(r, f)) - _among(f)


_GAN, _WGAN = "arXiv:1406.2661", "arXiv:1701.07875"

LOSSES: dict[str, NamedLoss] = {
    "minimax": NamedLoss(_GAN, ops.logistic_d_loss, _of_fakes(ops.saturating_g_loss), smooths=True),
    "nonsaturating": NamedLoss(
        _GAN, ops.logistic_d_loss, _of_fakes(ops.nonsaturating_g_loss), smooths=True
    ),
    "least_squares": NamedLoss(
        "arXiv:1611.04076",
        ops.least_squares_d_loss,
        _of_fakes(ops.least_squares_g_loss),
        smooths=True,
    ),
    "wasserstein": NamedLoss(
        _WGAN, ops.wasserstein_d_loss, _of_fakes(ops.wasserstein_g_loss), unbounded=True
    ),
    "hinge": NamedLoss("arXiv:1705.02894", ops.hinge_d_loss, _of_fakes(ops.hinge_g_loss)),
    "relativistic": _relativistic(lambda x: ops.softplus(-x)),
    "relativistic_ls": _relativistic(lambda x: ops.square(x - 1.0)),
    "relativistic_hinge": _relativistic(lambda x: ops.relu(1.0 - x)),
    "fgan_kl": _fgan(lambda v: v, lambda v: ops.exp(v - 1.0)),
    "fgan_reverse_kl": _fgan(lambda v: -ops.exp(-v), lambda v: v - 1.0),
    "fgan_pearson": _fgan(lambda v: v, lambda v: ops.square(v) * 0.25 + v),
    "fgan_hellinger": _fgan(lambda v: -ops.expm1(-v), lambda v: ops.expm1(v)),
    "fgan_js": _fgan(lambda v: _LOG_2 - ops.softplus(-v), lambda v: ops.softplus(v) - _LOG_2),
    "cramer": NamedLoss(
        "arXiv:1705.10743", _cramer_d, _cramer_g, needs_real=True, embeds=True, unbounded=True
    ),
}


def get_loss(name: str) -> NamedLoss:
    """Return the pair of losses of that name; ``-`` and ``_`` mean the same.

    Raises:
        OptionError: there is none; the message has the nearest name.
    """
    key = name.replace("-", "_").lower()
    if key in LOSSES:
        return LOSSES[key]
    if key in AUTOENCODERS:
        raise OptionError(
            f"loss {name!r} needs a D that is an autoencoder, not one with logits: "
            f"it is a recipe of its own, `tinygan train {key}`"
        )
    near = difflib.get_close_matches(key, LOSSES, n=1, cutoff=0.5)
    hint = f"perhaps you meant {near[0]}" if near else f"there are {', '.join(LOSSES)}"
    raise OptionError(f"no loss {name!r}: {hint}")
