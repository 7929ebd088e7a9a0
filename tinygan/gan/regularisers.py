"""Named regularisers, so that any of them can be added to a recipe: ``"r1:10/16,noise:0.1"``.

    NAME[:WEIGHT][/INTERVAL]     combined with commas

    name        weight       what it does                                          paper
    clip        c, 0.01      theta_D <- clip(theta_D, -c, c) after each D step     1701.07875
    gp          lambda, 10   + lambda E (|grad D(x_hat)| - 1)^2, x_hat between     1704.00028
    r1          gamma, 10    + gamma / 2 E |grad D(x)|^2 at reals                  1801.04406
    r2          gamma, 10    + gamma / 2 E |grad D(x)|^2 at fakes                  1801.04406
    dragan      lambda, 10   + lambda E (|grad D(x_hat)| - 1)^2, x_hat near reals  1705.07215
    lecam       lambda, 0.3  + lambda (E (r - m_f)^2 + E (f - m_r)^2)              2104.03310
    ortho       beta, 1e-4   G: + beta sum_W |W W^T (1 - I)|^2, off the diagonal   1809.11096
    noise       std, 0.1     N(0, std^2) on all that D's loss and G's loss judge   1610.04490
    adv         eps, 0.1     half of D's loss at x + eps sign(grad_x L_D), for all 1412.6572
    smooth      s, 0.1       D's target for reals is 1 - s, for fakes it stays     1606.03498
    grad_norm   c, 1         g <- g min(1, c / |g|), each player's g as a whole    1211.5063
    decay       w, 1e-4      g <- g + w theta, both players (L2)
    sn          none         W / sigma(W) for each layer of D                      1802.05957
    dropout     p, 0.3       drops inputs of D's layers, but not of its first      1207.0580

``lecam``: m_r and m_f are moving averages (decay 0.99) of D's mean logit of reals and of fakes.
They start at the first means, and are saved with the run.

An interval n evaluates the penalty at every n-th step of its player, n times as strong: the mean
pull is the same and most steps are cheaper (lazy regularisation, arXiv:1912.04958, section 3.2; it
also changes Adam's constants by n / (n + 1), which is left out here). ``clip``, ``grad_norm`` and
``decay`` act on all parameters, biases and batch norm's included, as the papers' code does.
``adv`` moves reals and fakes to where D's loss is highest in a cube of half-side eps, as far as its
slope tells; D's loss is the mean of that before and that after, as in the paper's section 6.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .. import nn, ops, random
from ..autograd import Tensor, enable_grad, grad
from ..errors import OptionError, StateError
from ..kernels.arrays import xp_of
from .game import Game
from .networks.spectral import TRANSPOSED, WEIGHTED, normalise_spectrally, raw_weight
from .penalties import dragan, gradient_penalty, r1, r2

_DECAY = 0.99  # of LeCam's moving averages, as in the paper
_ONE = re.compile(r"([\w-]+)(?::([^/:]+))?(?:/([^/:]+))?")

DPenalty = Callable[[Game, Tensor, Tensor, float], Tensor]


@dataclass(frozen=True)
class Kind:
    """What a regulariser does, as hooks of which it has one.

    Attributes:
        weight: its default weight; None: it takes none.
        d_penalty: ``(game, real, z, weight) -> scalar`` to add to D's loss.
        slopes: the penalty is on D's slope, so D must judge each sample alone.
        sees_fakes: the penalty looks at fakes.
        g_penalty: ``(game, weight) -> scalar`` to add to G's loss.
        gradients: ``(params, gradients, weight) -> gradients`` of one player.
        weights: ``(params of D, weight)``, called after a step of D.
        module: ``(D, weight)``, called once, when the game is set up.
        in_loss: the named loss itself takes it.
        most: the weight lies below this.
    """

    weight: float | None
    d_penalty: DPenalty | None = None
    slopes: bool = False
    sees_fakes: bool = False
    g_penalty: Callable[[Game, float], Tensor] | None = None
    gradients: Callable[[Sequence[Tensor], list[Tensor], float], list[Tensor]] | None = None
    weights: Callable[[Sequence[Tensor], float], None] | None = None
    module: Callable[[nn.Module, float], None] | None = None
    in_loss: bool = False
    most: float = math.inf


@dataclass(frozen=True)
class Regulariser:
    """One regulariser as it was asked for.

    Attributes:
        name: its name in the table.
        weight: its weight.
        interval: steps of its player from one evaluation to the next.
    """

    name: str
    weight: float
    interval: int = 1

    @property
    def kind(self) -> Kind:
        """What it does."""
        return KINDS[self.name]

    def strength(self, step: int) -> float:
        """Return its weight at a step, counted from 0: 0 between evaluations."""
        return 0.0 if step % self.interval else self.weight * self.interval


class LeCam:
    """Pull D's logits towards the moving averages of the other side.

        E (r - m_f)^2 + E (f - m_r)^2,   m <- decay m + (1 - decay) E logit

    Args:
        decay: of the averages, a step of D.

    Source: arXiv:2104.03310, equation 4.
    """

    def __init__(self, decay: float = _DECAY) -> None:
        self.decay = decay
        self.means: tuple[float, float] | None = None  # of reals and of fakes

    def __call__(self, real_logit: Tensor, fake_logit: Tensor) -> Tensor:
        """Move the averages on and return the penalty.

        Shapes: (N,), (N,) -> (). Differentiable: any order; the averages are constants.
        """
        now = _mean(real_logit), _mean(fake_logit)
        old = self.means or now
        m_r, m_f = (self.decay * a + (1 - self.decay) * b for a, b in zip(old, now, strict=True))
        self.means = m_r, m_f
        return ops.mean(ops.square(real_logit - m_f)) + ops.mean(ops.square(fake_logit - m_r))

    def state_dict(self) -> dict[str, Any]:
        """Return the averages; nothing before the first step."""
        return {} if self.means is None else dict(zip(("real", "fake"), self.means, strict=True))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned.

        Raises:
            StateError: it is something else.
        """
        if state and set(state) != {"real", "fake"}:
            raise StateError(f"LeCam takes its averages real and fake, got {', '.join(state)}")
        self.means = (float(state["real"]), float(state["fake"])) if state else None


def _mean(logit: Tensor) -> float:
    return float(logit.data.mean(dtype="float64"))


def orthogonal(module: nn.Module) -> Tensor:
    """Sum of squared inner products of different rows of each weight of a module.

        sum_W |W W^T * (1 - I)|^2,   W as a matrix (outputs, the rest)

    Shapes: -> ().

    Args:
        module: a network; its convolutions and dense layers count.

    Raises:
        OptionError: it has none.

    Differentiable: any order. Source: arXiv:1809.11096, equation 3, which leaves the lengths of the
    rows free.
    """
    terms = []
    for layer in module.modules():
        if isinstance(layer, WEIGHTED):
            w = raw_weight(layer)
            axes = list(range(w.ndim))
            if isinstance(layer, TRANSPOSED):  # (inputs, outputs, ...)
                axes[:2] = 1, 0
            rows = ops.transpose(w, axes)
            rows = ops.reshape(rows, (rows.shape[0], -1))
            others = 1 - xp_of(w.data).eye(rows.shape[0], dtype=w.dtype)
            products = ops.matmul(rows, ops.transpose(rows)) * Tensor(others)
            terms.append(ops.sum(ops.square(products)))
    if not terms:
        raise OptionError(f"ortho: {type(module).__name__} has no convolution and no dense layer")
    return ops.sum(ops.stack(terms))


def _gp(game: Game, real: Tensor, z: Tensor, weight: float) -> Tensor:
    alpha = game.streams.stream("alpha").uniform(real.shape[0])
    return gradient_penalty(game.D, real, game.fake(z), alpha=alpha) * weight


def _r2(game: Game, real: Tensor, z: Tensor, weight: float) -> Tensor:
    return r2(game.D, game.fake(z), gamma_r2=weight)


def _dragan(game: Game, real: Tensor, z: Tensor, weight: float) -> Tensor:
    stream = game.streams.stream("dragan")
    noise, alpha = stream.uniform(real.shape, dtype=real.dtype), stream.uniform(real.shape[0])
    return dragan(game.D, real, noise=noise, alpha=alpha) * weight


def _clip_norm(params: Sequence[Tensor], grads: list[Tensor], c: float) -> list[Tensor]:
    nn.utils.clip_grad_norm_(grads, c)
    return grads


def _decay(params: Sequence[Tensor], grads: list[Tensor], w: float) -> list[Tensor]:
    return [Tensor(g.data + g.dtype.type(w) * p.data) for p, g in zip(params, grads, strict=True)]


def clip_weights(params: Sequence[Tensor], c: float) -> None:
    """Clip every entry to [-c, c], in place. Source: arXiv:1701.07875, algorithm 1."""
    for p in params:
        p.assign_(xp_of(p.data).clip(p.data, -c, c))


def adversarial(loss: Callable[[Tensor], Tensor], x: Tensor, eps: float) -> Tensor:
    """Return x + eps sign(grad_x loss(x)), a constant. Shapes: x (N, ...) -> (N, ...).

    Args:
        loss: ``loss(x) -> scalar``.
        x: where to start from.
        eps: how far each number moves.

    Differentiable: no, on purpose. Source: arXiv:1412.6572, section 4.
    """
    start = Tensor(x.data, requires_grad=True)
    with enable_grad():
        slope = grad(loss(start), start)
    return Tensor(x.data + x.dtype.type(eps) * xp_of(x.data).sign(slope.data))


def _spectral_norm(D: nn.Module, _: float) -> None:
    if not any(isinstance(m, WEIGHTED) for m in D.modules()):
        raise OptionError(f"sn: {type(D).__name__} has no convolution and no dense layer")
    normalise_spectrally(D)


@dataclass(frozen=True)
class DropInput:
    """Drop part of what a layer is called with, in training mode; see ``nn.Dropout``.

    Attributes:
        p: probability of dropping a number.
    """

    p: float

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """Return what the layer's ``forward`` gets."""
        if not module.training:
            return x
        return ops.dropout(x, self.p, mask_stream=random.current().stream("dropout"))


def _dropout(D: nn.Module, p: float) -> None:
    layers = [m for m in D.modules() if isinstance(m, WEIGHTED)]
    if len(layers) < 2:
        raise OptionError(f"dropout: {type(D).__name__} has no hidden layer to drop units of")
    for layer in layers[1:]:
        layer._inputs += (DropInput(p),)


KINDS: dict[str, Kind] = {
    "clip": Kind(0.01, weights=clip_weights),
    "gp": Kind(10.0, _gp, slopes=True, sees_fakes=True),
    "r1": Kind(10.0, lambda game, real, z, w: r1(game.D, real, gamma_r1=w), slopes=True),
    "r2": Kind(10.0, _r2, slopes=True, sees_fakes=True),
    "dragan": Kind(10.0, _dragan, slopes=True),
    "lecam": Kind(0.3, in_loss=True),
    "ortho": Kind(1e-4, g_penalty=lambda game, w: orthogonal(game.G) * w),
    "noise": Kind(0.1, in_loss=True),
    "adv": Kind(0.1, in_loss=True),
    "smooth": Kind(0.1, in_loss=True, most=0.5),
    "grad_norm": Kind(1.0, gradients=_clip_norm),
    "decay": Kind(1e-4, gradients=_decay),
    "sn": Kind(None, module=_spectral_norm),
    "dropout": Kind(0.3, module=_dropout, most=1.0),
}


def parse_regularisers(text: str) -> tuple[Regulariser, ...]:
    """Read regularisers, ``"r1:10/16,noise:0.1"``, in the order in which they will act.

    Args:
        text: the syntax and the names are those of the table above; ``""`` is none.

    Raises:
        OptionError: a name is unknown or there twice, or its weight or interval does not fit.
    """
    found = tuple(_parse_one(part.strip()) for part in text.split(",")) if text.strip() else ()
    names = [reg.name for reg in found]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise OptionError(f"regulariser {twice[0]} is there twice in {text!r}: once fits")
    return found


def _parse_one(text: str) -> Regulariser:
    match = _ONE.fullmatch(text)
    if match is None:
        raise OptionError(f"regulariser {text!r}: NAME, NAME:WEIGHT or NAME:WEIGHT/INTERVAL fits")
    name, weight, interval = match[1].replace("-", "_").lower(), match[2], match[3]
    if name not in KINDS:
        near = difflib.get_close_matches(name, KINDS, n=1, cutoff=0.5)
        hint = f"perhaps you meant {near[0]}" if near else f"there are {', '.join(KINDS)}"
        raise OptionError(f"no regulariser {name!r}: {hint}")
    return Regulariser(name, _weight(name, weight), _interval(name, interval))


def _weight(name: str, text: str | None) -> float:
    kind = KINDS[name]
    if kind.weight is None and text is not None:
        raise OptionError(f"regulariser {name}:{text}: {name} takes no weight")
    try:
        weight = float(text) if text is not None else kind.weight or 0.0
    except ValueError:
        weight = math.nan
    if kind.weight is not None and not 0 < weight < kind.most:
        bound = f" below {kind.most:g}" if kind.most < math.inf else ""
        raise OptionError(f"regulariser {name}:{text}: a weight above 0{bound} fits")
    return weight


def _interval(name: str, text: str | None) -> int:
    if text is None:
        return 1
    kind = KINDS[name]
    if kind.d_penalty is None and kind.g_penalty is None:
        lazy = [n for n, k in KINDS.items() if k.d_penalty or k.g_penalty]
        raise OptionError(f"regulariser {name} acts at every step: {', '.join(lazy)} take /N")
    if not text.isdecimal() or int(text) < 1:
        raise OptionError(f"regulariser {name}/{text}: a number of steps, 1 or more, fits")
    return int(text)
