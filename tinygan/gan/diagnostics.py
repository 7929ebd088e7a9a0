"""What a training step shows of the players' health, measured now and then at little cost.

    with Watch(game) as seen:                 # a context around one step of any recipe
        advance(recipe, game, source)
    seen.report(source.before)                # numbers by name

grad_norm_g, ..._d      ||g||, the gradient that a player's last descent of the step was given
update_ratio_g, ..._d   ||theta' - theta|| / ||theta|| over the whole step, of a player's parameters
d_fake_before, _after   E sigmoid(D(G(z))) on one probe of z, before and after G's descent
slope_g                 ||grad_theta L_G|| / ||grad_theta E D(G(z))||: what L_G lets through

and, by ``spectral_norms``, the largest singular value of each weight matrix.

``slope_g`` tells a vanishing gradient from a small one. E D(G(z)) is the Wasserstein critic's
opinion, whose slope in the logit is 1. A loss that saturates has the slope sigmoid(D(G(z))), which
is nothing where D is sure of itself (arXiv:1701.04862, theorem 2.4), while the non-saturating one
has 1 - sigmoid(D(G(z))). The quotient has neither the scale of D nor that of G in it.

The probe has random numbers of its own and runs in evaluation mode, so a run that is watched has
the bits of one that is not. Where the recipe has classes, the probe holds them all in turn; of a D
that tells the class too, the logit counts, which comes first, while ``slope_g`` has all of L_G. It
is left out where a player takes anything else, or D gives more than a logit a sample.

Singular values come from power iterations and are lower bounds, closer than a percent where the
second is below 0.8 of the first; of a convolution, that of the matrix (out, in * kh * kw), as in
arXiv:1802.05957.
"""

from __future__ import annotations

import inspect
import math
import zlib
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from .. import nn, ops, optim, random
from ..autograd import Tensor, grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array, xp_of
from ..random import Stream
from .game import Game, evaluating
from .networks.conditional import in_turn
from .snapshot import Snapshot

PROBES = 32  # samples that the probe looks at
ITERATIONS = 20  # of the power method


class Watch:
    """Looks on while one step is taken: a context whose ``report`` has the numbers.

    Args:
        game: the game that takes the step.
        probes: samples of the probe, at least 1.

    Raises:
        OptionError: ``probes`` is below 1.
    """

    def __init__(self, game: Game, *, probes: int = PROBES) -> None:
        if probes < 1:
            raise OptionError(f"Watch: probes={probes}: 1 or more fit")
        self._game, self._probes = game, probes
        self._norms: dict[str, float] = {}
        self._slope: float | None = None  # ||grad_theta E D(G(z))|| before G's descent
        self._before: float | None = None
        self._after: float | None = None

    def __enter__(self) -> Watch:
        game = self._game
        self._intercept(game.opt_d, self._on_d)
        self._intercept(game.opt_g, self._on_g)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        for optimizer in (self._game.opt_d, self._game.opt_g):
            vars(optimizer).pop("step", None)  # the class's own is back

    def report(self, before: Snapshot) -> dict[str, Any]:
        """Return the numbers of the step; those that could not be measured are left out.

        Args:
            before: the state before the step.
        """
        row: dict[str, Any] = {f"grad_norm_{name}": x for name, x in self._norms.items()}
        for name, player in (("G", self._game.G), ("D", self._game.D)):
            row[f"update_ratio_{name.lower()}"] = update_ratio(name, player, before)
        if self._before is not None and self._after is not None:
            row |= {"d_fake_before": self._before, "d_fake_after": self._after}
        if self._slope is not None and "g" in self._norms and math.isfinite(self._slope):
            # both nothing: D is flat, and no gradient comes through
            row["slope_g"] = self._norms["g"] / self._slope if self._slope else 0.0
        return row

    def _intercept(self, optimizer: optim.Optimizer, seen: Callable[..., Any]) -> None:
        step = optimizer.step

        def _seen(grads: optim.base.Gradients | None = None) -> None:
            given = [p.grad for p in optimizer.params] if grads is None else list(grads)
            after = seen(_norm(g.data for g in given if g is not None))
            step(grads)
            after()

        vars(optimizer)["step"] = _seen

    def _on_d(self, norm: float) -> Callable[[], None]:
        self._norms["d"] = norm
        return _nothing

    def _on_g(self, norm: float) -> Callable[[], None]:
        self._norms["g"] = norm
        self._slope, self._before = self._probe(slope=True)

        def _after() -> None:
            self._after = self._probe(slope=False)[1]

        return _after

    def _probe(self, *, slope: bool) -> tuple[float | None, float | None]:
        """Return ||grad_theta E D(G(z))|| and E sigmoid(D(G(z))), None where it can't be told."""
        game = self._game
        if game.translation is not None:  # G takes no z
            return None, None
        streams = random.Streams(game.streams.seed, game.streams.xp)
        z = Tensor(streams.stream("probe").normal((self._probes, game.nz)))
        with random.using(streams), evaluating(game.G), evaluating(game.D):
            logit = _logit_of_fakes(game, z)
            if logit is None:
                return None, None
            steepness = None
            if slope:
                grads = grad(ops.mean(logit), game.opt_g.params)
                steepness = _norm(g.data for g in grads)
        share = 0.5 + 0.5 * xp_of(logit.data).tanh(0.5 * logit.data)
        return steepness, float(share.mean())


def update_ratio(name: str, player: nn.Module, before: Snapshot) -> float:
    """Return ||theta' - theta|| / ||theta|| of a player's parameters; 0 if nothing moved.

    Args:
        name: of the player among the game's parts: ``G`` or ``D``.
        player: the player after the step.
        before: the game's state before it.
    """
    moved, size = [], []
    for key, p in player.named_parameters().items():
        was = before.was(f"{name}.{key}")
        if was is not None:
            moved.append(p.data - was)
            size.append(was)
    distance, length = _norm(moved), _norm(size)
    return distance / length if length else math.copysign(math.inf, distance) if distance else 0.0


def spectral_norms(player: nn.Module, *, iterations: int = ITERATIONS) -> dict[str, float]:
    """Return the largest singular value of each weight matrix of a player, by name.

    Power iterations from one start, so the same weights give the same bits.

    Args:
        player: its parameters of two axes and more are looked at, as (out, the rest).
        iterations: at least 1.

    Raises:
        OptionError: ``iterations`` is below 1.

    Source: arXiv:1802.05957, section 2.1; of the parameter itself, also where the layer
    normalises it.
    """
    if iterations < 1:
        raise OptionError(f"spectral_norms: iterations={iterations}: 1 or more fit")
    weights = {name: p.data for name, p in player.named_parameters().items() if p.ndim > 1}
    return {name: _largest(w.reshape(len(w), -1), iterations) for name, w in weights.items()}


def _largest(w: Array, iterations: int) -> float:
    xp = xp_of(w)
    v = xp.asarray(Stream(0, "spectral").normal(w.shape[1]), w.dtype)
    sigma = 0.0
    for _ in range(iterations):
        u = w @ (v / (float(xp.linalg.norm(v)) or 1.0))
        sigma = float(xp.linalg.norm(u))
        v = w.T @ u
    return sigma


def fingerprint(player: nn.Module) -> int:
    """Return a checksum of a player's parameters: another one if a bit of them changed."""
    check = 0
    for p in player.parameters():
        check = zlib.crc32(p.numpy().tobytes(), check)
    return check


def _norm(arrays: Any) -> float:
    total = sum(float(xp_of(x).vdot(x, x)) for x in arrays)
    return math.sqrt(total) if total >= 0.0 else total  # NaN is not negative, and stays


def _logit_of_fakes(game: Game, z: Tensor) -> Tensor | None:
    """Return D of G(z), one number a sample; None where the players want something else."""
    classes = getattr(game.config, "num_classes", 0)
    labels = (in_turn(z, classes),) if classes else ()
    others = inputs_required(game.D) - 1
    if inputs_required(game.G) > 1 or others > len(labels):
        return None
    try:
        out = game.D(game.G(z), *labels[:others])  # without labels G makes the classes in turn, too
    except ShapeError:  # a D of packs of samples
        return None
    logit = out[0] if isinstance(out, tuple) else out
    return logit if isinstance(logit, Tensor) and logit.size == z.shape[0] else None


def inputs_required(player: nn.Module) -> int:
    """Count the inputs that a player can't be called without, at least its first."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters: Sequence[inspect.Parameter] = list(
        inspect.signature(player.forward).parameters.values()
    )
    return max(1, sum(p.kind in kinds and p.default is p.empty for p in parameters))


def _nothing() -> None:
    """Do what there is to do after D's descent."""
