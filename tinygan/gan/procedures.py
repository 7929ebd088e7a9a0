"""Procedures around a recipe's step: rates apart, old fakes, a head start for D, augmentation.

    with_procedures(recipe, ttur=4, pool=50, pretrain_d=200, augment="diff")

is the same recipe, with its networks, losses and configuration, and

    ttur        D's learning rate is that of G times ttur, whatever the schedule   1706.08500
    pool        D judges fakes of a pool that keeps old ones; see ``replay``       1612.07828
    pretrain_d  in the first steps D moves alone                                   1406.2661
    curriculum  all players begin on blurred images; see ``curriculum``            2106.12423
    augment     D judges augmented images; see ``augment``                         2006.10738

``pool`` and ``pretrain_d`` need a step that is ``alternating``; ``ttur`` and ``augment`` fit any,
as they act on an optimizer and on D's input. Penalties at fakes (``gp``, ``r2``) take those of the
pool.

Why D should *not* be the best it can be: where it tells all fakes apart, sigmoid(D(G(z))) is nearly
0, and the slope of the saturating loss, -sigmoid(D(G(z))), with it. The non-saturating loss has the
slope sigmoid - 1, nearly -1 (arXiv:1701.04862, theorem 2.4). ``bench/claims/procedures.py``
measures both after a head start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import wraps
from typing import Any

from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..kernels.arrays import Array, Shape, xp_of
from .augment import ADA, EVERY, AugmentedInput, DiffAugment, parse_augment
from .curriculum import with_curriculum
from .diagnostics import inputs_required
from .game import Game, Metrics
from .loop import Alternating, Recipe, Step
from .losses import AUTOENCODERS
from .objective import check_logits
from .replay import ReplayPool

Setup = Callable[[Any, Shape], Game]

# Words of ``Recipe.loss`` whose D takes a sample for real where its logit is above 0.
_ABOUT_ZERO = ("minimax", "nonsaturating", "non-saturating", "hinge", "fgan_js", "feature matching")


def with_procedures(
    recipe: Recipe,
    *,
    ttur: float = 0.0,
    pool: int = 0,
    pretrain_d: int = 0,
    curriculum: str = "",
    augment: str = "",
) -> Recipe:
    """Return a recipe with procedures around its step; itself where none is given.

    A loss and regularisers are chosen before: ``with_procedures(with_objective(recipe, ...))``.

    Args:
        recipe: which variant.
        ttur: D's learning rate over G's; 0 leaves the recipe's own.
        pool: fakes that the pool keeps; 0: D judges new fakes alone.
        pretrain_d: steps in which D moves alone.
        curriculum: ``blur:2/2000``, see ``with_curriculum``; ``""`` is none.
        augment: ``diff:color,translation,cutout`` or ``ada:0.6/500``, see ``parse_augment``; ``""``
            is none.

    Raises:
        OptionError: a number is out of range, or a procedure does not fit the recipe. From
            ``setup``: the data are no images, or D does not judge them one by one.
    """
    if not 0 <= ttur < float("inf"):
        raise OptionError(f"--ttur {ttur}: D's learning rate over G's, above 0, fits")
    if pool < 0 or pretrain_d < 0:
        raise OptionError(f"--pool {pool}, --pretrain-d {pretrain_d}: numbers from 0 up fit")
    asked: dict[str, object] = {"ttur": ttur, "pool": pool, "pretrain_d": pretrain_d}
    asked |= {"curriculum": curriculum, "augment": augment}
    for name, why in recipe.unfit.items():
        if asked.get(name):
            raise OptionError(f"{recipe.name}: --{name.replace('_', '-')} does not suit it: {why}")
    if ttur:
        recipe = _with_setup(recipe, lambda game, _: _set_rates(game, ttur))
    if pool:
        recipe = _with_pool(recipe, pool)
    if pretrain_d:
        recipe = _with_head_start(recipe, pretrain_d)
    recipe = with_curriculum(recipe, curriculum)
    chosen = parse_augment(augment)
    return recipe if chosen is None else _with_augment(recipe, chosen, augment)


def procedure_warnings(recipe: Recipe, *, pretrain_d: int = 0) -> list[str]:
    """Say in a line each what is allowed but hardly meant; see ``with_procedures``.

    Args:
        recipe: what ``with_procedures`` returned.
        pretrain_d: as it was given.
    """
    if not pretrain_d or recipe.loss != "minimax":
        return []
    return [
        "warning: --pretrain-d under --loss minimax: where D is sure, that loss has no slope left "
        "for G (arXiv:1701.04862): nonsaturating has"
    ]


def _with_setup(recipe: Recipe, change: Callable[[Game, Shape], None]) -> Recipe:
    @wraps(recipe.setup)
    def _setup(config: Any, data_shape: Shape) -> Game:
        game = recipe.setup(config, data_shape)
        change(game, data_shape)
        return game

    return replace(recipe, setup=_setup)


def _alternating(recipe: Recipe, flag: str) -> Alternating:
    if not isinstance(recipe.step, Alternating):
        raise OptionError(
            f"{recipe.name} has a step of its own: {flag} fits recipes that alternate, as dcgan "
            "does"
        )
    return recipe.step


# --- rates apart ---


def _set_rates(game: Game, ratio: float) -> None:
    rate = ratio * game.opt_g.base_lr
    game.opt_d.lr = game.opt_d.base_lr = rate  # schedules multiply the second


# --- old fakes ---


def _with_pool(recipe: Recipe, size: int) -> Recipe:
    own = _alternating(recipe, "--pool")

    def _add_pool(game: Game, data_shape: Shape) -> None:
        check_logits(game.D, data_shape, embeds=True, what=f"{recipe.name} with --pool {size}")
        game.extra["pool"] = ReplayPool(size)

    def _d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
        pool = game.extra["pool"]
        assert isinstance(pool, ReplayPool)
        with nullcontext() if own.share_z else no_grad():  # else G's graph serves nobody
            fakes = game.fake(z)
        with game.posing(z, pool.query(fakes)):
            return own.d_loss(game, real, z)

    return replace(_with_setup(recipe, _add_pool), step=replace(own, d_loss=_d_loss))


# --- a head start for D ---


def _with_head_start(recipe: Recipe, steps: int) -> Recipe:
    own = _alternating(recipe, "--pretrain-d")

    def _descend(game: Game, player: str, grads: Sequence[Tensor]) -> None:
        if game.step > steps:
            own.descend(game, player, grads)
        elif player == "D":
            own.descend(game, player, grads)
            game.metrics["pretraining"] = 1.0  # G stands still on purpose

    return replace(recipe, step=replace(own, descend=_descend))


# --- augmentation ---


def _with_augment(recipe: Recipe, augment: DiffAugment | ADA, text: str) -> Recipe:
    what = f"{recipe.name} with --augment {text}"
    if recipe.name in AUTOENCODERS:
        raise OptionError(
            f"{what}: its D is an autoencoder, which would learn augmented images: dcgan has a D "
            "with logits"
        )
    if isinstance(augment, ADA) and recipe.loss and not recipe.loss.startswith(_ABOUT_ZERO):
        raise OptionError(
            f"{what}: ADA asks how many reals have a logit above 0, which says nothing under the "
            f"loss {recipe.loss}: diff fits"
        )

    def _augment_input(game: Game, data_shape: Shape) -> None:
        if len(data_shape) != 3:
            raise OptionError(f"{what}: it takes images, and these are of shape {data_shape}")
        if not recipe.labelled:
            check_logits(game.D, data_shape, embeds=True, what=what)
        chosen = augment
        if isinstance(augment, ADA):  # one of its own, as a recipe may be set up twice
            chosen = ADA(target=augment.target, kimg=augment.kimg, flip=augment.flip)
            game.extra["ada"] = chosen
        game.D._inputs += (AugmentedInput(chosen),)

    recipe = _with_setup(recipe, _augment_input)
    return replace(recipe, step=_adapting(recipe.step)) if isinstance(augment, ADA) else recipe


class _Seen:
    """Batches that are counted on their way; the last is kept."""

    def __init__(self, batches: Iterator[Any]) -> None:
        self._batches = batches
        self.images = 0
        self.last: Any = None

    def __iter__(self) -> _Seen:
        return self

    def __next__(self) -> Any:
        self.last = next(self._batches)
        self.images += len(self.last[0] if isinstance(self.last, tuple) else self.last)
        return self.last


def _adapting(own: Step) -> Step:
    """Adjust ADA's p after every 4th step, by D's opinion of the last reals."""

    def _step(game: Game, batches: Iterator[Array]) -> Metrics:
        seen, ada = _Seen(batches), game.extra["ada"]
        assert isinstance(ada, ADA)
        metrics = own(game, seen)
        ada.images += seen.images
        if game.step % EVERY == 0:
            metrics["ada_r"] = _mean_sign(game, seen.last)
            ada.adjust(metrics["ada_r"])
        return metrics | {"ada_p": ada.p}

    return _step


def _mean_sign(game: Game, batch: Any) -> float:
    """E sign(D(T(x))), in training mode as in D's own step."""
    real, *labels = batch if isinstance(batch, tuple) else (batch,)
    if inputs_required(game.D) == 1:
        labels = []
    with no_grad():
        out = game.D(Tensor(real), *labels)
    logit = out[0] if isinstance(out, tuple) else out
    return float(xp_of(logit.data).sign(logit.data).mean())
