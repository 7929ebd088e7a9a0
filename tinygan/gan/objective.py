"""Train a recipe under another loss, or with regularisers on top: both chosen by their names.

    with_objective(recipe, loss="hinge", reg="r1:10/16,lecam:0.3")

is the same recipe, with its networks, optimizers and configuration, and

    L_D = d(D(x), D(G(z))) + penalties,   L_G = g(D(G(z)), D(x)) + penalties

of ``losses.LOSSES`` and ``regularisers.KINDS``. Without ``loss`` the recipe keeps its own losses,
whatever they are, and penalties are added; what acts inside a loss (``adv``, ``lecam``,
``noise``, ``smooth``) then has nothing to act on and is refused. With ``loss`` both losses of the
recipe go, a penalty in them included.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

from .. import nn, ops, random
from ..autograd import Tensor, no_grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Shape
from ..nn.norm import BatchNorm
from ..nn.utils import SpectralNorm
from .game import Game, evaluating
from .judge import judge_both
from .loop import Alternating, Recipe
from .losses import AUTOENCODERS, NamedLoss, get_loss
from .noise import instance_noise
from .regularisers import KINDS, LeCam, Regulariser, adversarial, parse_regularisers

# Fields of a recipe's configuration that its own losses alone read, and what replaces them.
_OF_LOSSES = {
    "smooth": "smooth", "noise": "noise", "lambda_gp": "gp", "gamma_r1": "r1", "gamma_r2": "r2",
}  # fmt: skip
_BOUNDS = ("clip", "gp", "dragan", "r1", "r2", "sn")


def with_objective(recipe: Recipe, *, loss: str = "", reg: str = "") -> Recipe:
    """Return a recipe with another loss, with regularisers, or both; itself where neither is given.

    Args:
        recipe: one whose step is ``alternating``.
        loss: a name of ``losses.LOSSES``; ``""`` keeps the recipe's own losses.
        reg: regularisers, ``"r1:10/16,noise:0.1"``, see ``parse_regularisers``.

    Raises:
        OptionError: a name or a weight does not fit, the recipe has a step of its own, or a
            regulariser needs a loss that is not there. From ``setup``: D does not return logits.
    """
    if not loss and not reg:
        return recipe
    if not isinstance(recipe.step, Alternating):
        raise OptionError(
            f"{recipe.name} has a step of its own: --loss and --reg fit recipes that alternate, "
            "as dcgan does"
        )
    named = get_loss(loss) if loss else None
    objective = _Objective(recipe.step, named, parse_regularisers(reg))
    objective.check(recipe.name, loss)

    @wraps(recipe.setup)
    def _setup(config: Any, data_shape: Shape) -> Game:
        game = recipe.setup(config, data_shape)
        objective.prepare(game, data_shape, f"{recipe.name} with --loss {loss}")
        return game

    step = Alternating(
        objective.d_loss,
        objective.g_loss,
        recipe.step.n_critic,
        recipe.step.share_z,
        g_sees_real=recipe.step.g_sees_real if named is None else named.needs_real,
        descend=objective.descend,
    )
    return replace(recipe, setup=_setup, step=step, loss=loss or recipe.loss)


@dataclass(frozen=True)
class _Objective:
    """The losses of a step: the recipe's own, or named ones, and the regularisers."""

    own: Alternating
    loss: NamedLoss | None
    regs: tuple[Regulariser, ...]

    def weight(self, name: str) -> float:
        """Return the weight of a regulariser; 0 where it was not asked for."""
        return next((reg.weight for reg in self.regs if reg.name == name), 0.0)

    def check(self, name: str, loss: str) -> None:
        """Refuse what acts inside a loss where there is none that takes it."""
        inside = [reg.name for reg in self.regs if reg.kind.in_loss]
        if self.loss is None and inside:
            raise OptionError(
                f"--reg {inside[0]} acts inside the loss, and {name}'s own can't be reached: "
                "name one, e.g. --loss nonsaturating"
            )
        if self.loss is not None and name in AUTOENCODERS:
            raise OptionError(
                f"{name}'s D returns the error of an autoencoder, low for reals, and --loss {loss} "
                "takes logits: dcgan has such a D"
            )
        if self.loss is not None and self.weight("smooth") and not self.loss.smooths:
            raise OptionError(f"--reg smooth: the loss {loss} has no target for reals to smooth")

    def prepare(self, game: Game, data_shape: Shape, what: str) -> None:
        """Change D as asked, add what has state, and see that D returns logits."""
        for reg in self.regs:
            if reg.kind.module is not None:
                reg.kind.module(game.D, reg.weight)
        if self.weight("lecam"):
            game.extra["lecam"] = LeCam()
        if self.loss is not None:
            check_logits(game.D, data_shape, self.loss.embeds, what)

    # --- D ---

    def d_loss(self, game: Game, real: Tensor, z: Tensor) -> Tensor:
        """D's loss with its penalties, each of which is noted among the metrics."""
        step = game.opt_d.step_count
        due = [reg for reg in self.regs if reg.kind.d_penalty and reg.strength(step)]
        if self.loss is not None or any(reg.kind.sees_fakes for reg in due):
            with nullcontext() if self.own.share_z else no_grad():  # else G's graph serves nobody
                game.fake(z)
        if self.loss is None:
            loss = self.own.d_loss(game, real, z)
        else:
            loss = self._of_logits(self.loss, game, real, game.fake(z).detach())
        for reg in due:
            if reg.kind.d_penalty is not None:
                penalty = reg.kind.d_penalty(game, real, z, reg.strength(step))
                loss = loss + _noted(game, reg.name, penalty)
        return loss

    def _of_logits(self, named: NamedLoss, game: Game, real: Tensor, fake: Tensor) -> Tensor:
        """A named loss of D, and LeCam's penalty on the same logits."""
        std, eps = self.weight("noise"), self.weight("adv")
        target = {"smooth": self.weight("smooth")} if self.weight("smooth") else {}
        real, fake = instance_noise(real, std=std), instance_noise(fake, std=std)
        real_logit, fake_logit = judge_both(game.D, real, fake)
        game.observe(real_logit, fake_logit)
        loss = named.d_loss(real_logit, fake_logit, **target)
        if eps:
            moved = self._at_worst(named, game, (real, fake), eps, target)
            loss = (loss + _noted(game, "adv", moved)) * 0.5
        lecam = game.extra.get("lecam")
        if isinstance(lecam, LeCam):
            penalty = lecam(real_logit, fake_logit) * self.weight("lecam")
            loss = loss + _noted(game, "lecam", penalty)
        return loss

    def _at_worst(
        self,
        named: NamedLoss,
        game: Game,
        pair: tuple[Tensor, Tensor],
        eps: float,
        target: dict[str, float],
    ) -> Tensor:
        """D's loss where each real and fake has moved by eps to raise it."""

        def _loss(real: Tensor, fake: Tensor) -> Tensor:
            return named.d_loss(*judge_both(game.D, real, fake), **target)

        moved = adversarial(lambda both: _loss(*ops.split(both, 2)), ops.concatenate(pair), eps)
        return _loss(*ops.split(moved, 2))

    # --- G ---

    def g_loss(self, game: Game, z: Tensor, real: Tensor | None = None) -> Tensor:
        """G's loss with its penalties; ``real`` is there where the loss needs it."""
        std = self.weight("noise")
        if self.loss is None:
            loss = self.own.g_loss(game, z, real) if real is not None else self.own.g_loss(game, z)
        else:
            real_logit = None
            if real is not None:
                with no_grad():  # G has no part in it
                    real_logit = game.D(instance_noise(real, std=std))
            fake_logit = game.D(instance_noise(game.fake(z), std=std))
            loss = self.loss.g_loss(fake_logit, real_logit)
        for reg in self.regs:
            strength = reg.strength(game.opt_g.step_count)
            if reg.kind.g_penalty is not None and strength:
                loss = loss + _noted(game, reg.name, reg.kind.g_penalty(game, strength))
        return loss

    # --- both ---

    def descend(self, game: Game, player: str, grads: Sequence[Tensor]) -> None:
        """Move a player along its gradients as the regularisers leave them, and bound D."""
        params = (game.opt_g if player == "G" else game.opt_d).params
        moved = list(grads)
        for reg in self.regs:
            if reg.kind.gradients is not None:
                moved = reg.kind.gradients(params, moved, reg.weight)
        self.own.descend(game, player, moved)
        for reg in self.regs:
            if reg.kind.weights is not None and player == "D":
                reg.kind.weights(params, reg.weight)


def _noted(game: Game, name: str, penalty: Tensor) -> Tensor:
    game.metrics[f"reg_{name}"] = float(penalty)
    return penalty


def check_logits(D: nn.Module, data_shape: Shape, embeds: bool, what: str) -> None:
    """Let D judge two blank samples in evaluation mode, which changes nothing in it.

    Args:
        D: discriminator.
        data_shape: shape of one sample.
        embeds: vectors serve as well as logits.
        what: asks for it; it begins the message.

    Raises:
        OptionError: D does not return one logit a sample, or its logit's sigmoid.
    """
    if isinstance(D.modules()[-1], nn.Sigmoid):
        raise OptionError(f"{what}: D ends in a sigmoid, and every loss here takes logits")
    blank = Tensor(random.current().xp.zeros((2, *data_shape), dtype="float32"))
    try:
        with no_grad(), evaluating(D):
            out = D(blank)
    except (ShapeError, TypeError) as error:
        raise OptionError(f"{what}: its D does not judge samples one by one: {error}") from None
    shape = out.shape if isinstance(out, Tensor) else type(out).__name__
    if shape in ((2,), (2, 1)) or (embeds and isinstance(shape, tuple) and len(shape) == 2):
        return
    raise OptionError(f"{what}: D of two samples is {shape}; logits of shape (2,) fit")


def objective_warnings(recipe: Recipe, game: Game, *, loss: str = "", reg: str = "") -> list[str]:
    """Say in a line each what is allowed but hardly meant; see ``with_objective``.

    Args:
        recipe: the one that was given to ``with_objective``, or what it returned.
        game: the game as it was set up.
        loss: as given to ``with_objective``.
        reg: as given to ``with_objective``.
    """
    regs = parse_regularisers(reg)
    names = {r.name for r in regs}
    lines = _of_slopes(recipe.name, game.D, [r.name for r in regs if r.kind.slopes])
    if "dropout" in names and any(isinstance(m, nn.Dropout) for m in game.D.modules()):
        lines.append(f"warning: {recipe.name}'s D has dropout of its own: --reg dropout is on top")
    if not loss:
        return lines
    bounded = names & set(_BOUNDS) or _has_spectral_norm(game.D)
    if get_loss(loss).unbounded and not bounded:
        lines.append(
            f"warning: --loss {loss} falls without end where nothing bounds D's slope: add --reg gp"
        )
    for field, name in _OF_LOSSES.items():
        value, like = getattr(game.config, field, 0), recipe.name if recipe.name in KINDS else name
        if value and like not in names:
            lines.append(
                f"warning: {recipe.name}'s {field}={value} belongs to its own loss, which --loss "
                f"{loss} replaces: --reg {like}:{value} is the regulariser"
            )
    return lines


def _of_slopes(name: str, D: nn.Module, slopes: list[str]) -> list[str]:
    if not slopes or not any(isinstance(m, BatchNorm) for m in D.modules()):
        return []
    return [
        f"warning: {name}'s D has batch norm, so the logit of one sample depends on the whole "
        f"batch, and {', '.join(slopes)} is not the slope of one sample's logit: the penalty is "
        "wrong (arXiv:1704.00028, section 4); use a D without batch norm"
    ]


def _has_spectral_norm(D: nn.Module) -> bool:
    return any(isinstance(c, SpectralNorm) for m in D.modules() for c in m._computed)
