"""The game, the recipe, one way to alternate, and the training loop as a generator.

    for game in fit(RECIPE, batches, steps=100_000, seed=0):
        if game.step % 1000 == 0:
            print(game.metrics)

Logging, snapshots and evaluation live in *your* loop: there is no trainer and no callback. A
recipe's ``step(game, batches) -> metrics`` is the only seam. Every random number of step n is a
function of (seed, stream, n), so a game restored at step n goes on with the bits that the
uninterrupted one would have had.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import numpy as np

from .. import random
from ..autograd import Tensor, grad
from ..data import Batches
from ..errors import OptionError
from ..kernels.arrays import Array, Shape
from ..kernels.memory import caching, trim_memory
from . import finite
from .captured import Captured
from .game import Game, Metrics, State
from .settings import check_settings
from .source import Source, Take

Loss = Callable[..., Tensor]
Step = Callable[[Game, Iterator[Array]], Metrics]


@dataclass(frozen=True)
class Recipe:
    """One GAN variant: how to set up the game, and how to take one step.

    Attributes:
        name: as the command line calls it.
        paper: where it comes from, e.g. ``"arXiv:1704.00028"``.
        setup: ``setup(config, data_shape) -> Game``; layers draw from the ambient streams.
        step: ``step(game, batches) -> metrics``; every metric must be finite.
        config: the dataclass of its settings; the defaults are the canonical ones.
        labelled: the batches are pairs of samples and labels, and the settings have
            ``num_classes``. A G that takes classes has ``num_classes`` of its own, and without
            labels makes one class after the other.
        loss: the loss in words, for the list of recipes; so are ``reg`` and ``data``.
        reg: what holds D, or the pair, in bounds.
        data: kinds of data that it takes: points, images, labelled images, pairs.
        domains: it translates images of one domain into another, and its settings have
            ``source_channels``, 0 for half of a sample's: ``"matched"`` takes pairs that belong
            together, ``"any"`` two domains of any kind.
        presets: settings by name; ``paper`` are those of the paper at full size.
        unfit: why a procedure of ``with_procedures`` does not suit it, by the procedure's name.
    """

    name: str
    paper: str
    setup: Callable[[Any, Shape], Game]
    step: Step
    config: type[Any]
    labelled: bool = False
    loss: str = ""
    reg: str = ""
    data: str = ""
    domains: Literal["", "matched", "any"] = ""
    presets: Mapping[str, Any] = field(default_factory=dict, hash=False)
    unfit: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def summary(self) -> str:
        """First line of the docstring of the recipe's file."""
        doc = sys.modules[self.setup.__module__].__doc__ or self.name
        return doc.strip().splitlines()[0]


def descend(game: Game, player: str, grads: Sequence[Tensor]) -> None:
    """Take one step of the optimizer of a player, ``"G"`` or ``"D"``, along ``grads``."""
    (game.opt_g if player == "G" else game.opt_d).step(grads)


@dataclass(frozen=True)
class Alternating:
    """The step that most variants use; ``alternating`` makes it, ``with_objective`` changes it.

    Attributes:
        d_loss: ``d_loss(game, real, z) -> scalar``; it cuts the graph at the fakes.
        g_loss: ``g_loss(game, z) -> scalar``, or ``(game, z, real)`` where ``g_sees_real``.
        n_critic: D steps a G step; ``game.config.n_critic`` wins where it exists.
        share_z: G descends on the z of the last D step.
        g_sees_real: give G's loss the reals of the last D step too.
        descend: ``descend(game, player, grads)`` moves a player.
    """

    d_loss: Loss
    g_loss: Loss
    n_critic: int = 1
    share_z: bool = False
    g_sees_real: bool = False
    descend: Callable[[Game, str, Sequence[Tensor]], None] = descend

    def __call__(self, game: Game, batches: Iterator[Array]) -> Metrics:
        """Take ``n_critic`` steps of D, then one of G."""
        for _ in range(getattr(game.config, "n_critic", self.n_critic)):
            real = Tensor(next(batches))
            z = game.latent(real.shape[0])
            loss_d = self.d_loss(game, real, z)
            self.descend(game, "D", grad(loss_d, game.opt_d.params))
        if not self.share_z:
            z = game.latent(real.shape[0])
        loss_g = self.g_loss(game, z, real) if self.g_sees_real else self.g_loss(game, z)
        self.descend(game, "G", grad(loss_g, game.opt_g.params))
        return {"loss_d": float(loss_d), "loss_g": float(loss_g)}


def alternating(
    d_loss: Loss, g_loss: Loss, n_critic: int = 1, *, share_z: bool = False
) -> Alternating:
    """Make the step that most variants use: ``n_critic`` descents of D, then one of G.

    Each gradient is taken with respect to one player alone, so the G step never computes the
    gradient of D's weights.

    Args:
        d_loss: ``d_loss(game, real, z) -> scalar``; it cuts the graph at the fakes.
        g_loss: ``g_loss(game, z) -> scalar``.
        n_critic: D steps a G step; ``game.config.n_critic`` wins where it exists.
        share_z: let G descend on the z of the last D step, as PyTorch's DCGAN example does.
    """
    return Alternating(d_loss, g_loss, n_critic, share_z)


def new_game(
    recipe: Recipe,
    data_shape: Shape,
    *,
    seed: int = 0,
    config: Any = None,
    resume: State | None = None,
) -> Game:
    """Set up a game at step 0, or at the step of the state ``resume``.

    Args:
        recipe: which variant.
        data_shape: shape of one sample: (C, H, W), or (2,) for points.
        seed: determines every random number of the run; the array library is that of the
            ambient streams.
        config: an instance of ``recipe.config``; None takes the defaults.
        resume: what ``Game.state`` returned.

    Raises:
        OptionError: ``config`` is of another recipe, or a number in it is out of range.
        StateError: ``resume`` doesn't fit.
    """
    config = recipe.config() if config is None else config
    if not isinstance(config, recipe.config):
        raise OptionError(
            f"{recipe.name} takes a {recipe.config.__qualname__} of its own, got {config!r}"
        )
    check_settings(recipe.name, config)
    streams = random.Streams(seed, random.current().xp)
    with random.using(streams):
        game = recipe.setup(config, tuple(data_shape))
    game.streams = streams
    if game.config is None:
        game.config = config
    if resume is not None:
        game.restore(*resume)
    return game


def fit(
    recipe: Recipe,
    batches: Iterable[Any],
    *,
    steps: int,
    seed: int = 0,
    config: Any = None,
    resume: State | None = None,
    data_shape: Shape | None = None,
    capture: bool = False,
) -> Iterator[Game]:
    """Train: yield the game after every step, until ``steps`` in all have been taken.

    The game is yielded as it is, not copied; the next step changes it. While a step runs, arrays
    come from the cache of ``kernels.memory``; between the steps NumPy's own allocator is back.

    Args:
        recipe: which variant.
        batches: an endless iterable of samples in [-1, 1], (N, C, H, W) or (N, 2), float32.
        steps: the number of the last step, also when resumed.
        seed: determines every random number of the run but the order of the batches.
        config: an instance of ``recipe.config``; None takes the defaults.
        resume: what ``Game.state`` returned; ``batches`` must go on where they were then.
        data_shape: shape of one sample; None looks at the first batch.
        capture: on a GPU, record a whole step once as a graph and replay it; see ``captured``.

    Raises:
        CaptureError: a step can't be captured; the message says at which op, and why.
        DivergedError: a loss or a parameter isn't finite; the game is as before that step.
        DataError: the batches ended.
        ShapeError: a batch has another shape than the first.
    """
    source = Source(batches, random.current().xp)
    if data_shape is None:
        first = source.peek()
        data_shape = (first[0] if isinstance(first, tuple) else first).shape[1:]
    game = new_game(recipe, data_shape, seed=seed, config=config, resume=resume)
    if isinstance(batches, Batches):
        game.dataset = batches.dataset
    source.shape = tuple(data_shape)
    take = Captured(prepare_step, partial(play_step, recipe)) if capture else None
    try:
        while game.step < steps:
            advance(recipe, game, source, take)
            yield game
    finally:
        trim_memory()


def advance(recipe: Recipe, game: Game, source: Source, take: Take | None = None) -> None:
    """Take one step, by ``take`` or else eagerly, and check that all is finite.

    Raises:
        DivergedError: a loss or a parameter isn't finite; the game is put back to before the step.
    """
    before = source.before

    def _attempt(take: Take) -> None:
        source.rewind()
        game.step = before.step + 1
        take(game, source)

    eagerly = partial(_take_step, recipe)
    with caching():
        before.take(game)
        _attempt(take or eagerly)
        fault = finite.find_fault(game.metrics, before.tensors)
        if fault is not None:
            raise finite.diagnose(
                fault, game, before, list(source.used), partial(_attempt, eagerly)
            )
        source.accept()


def _take_step(recipe: Recipe, game: Game, source: Any) -> None:
    prepare_step(game)
    play_step(recipe, game, source)


def prepare_step(game: Game) -> None:
    """Let streams, rates and metrics be those of the game's step."""
    game.streams.step = game.step
    game.metrics = {}
    for optimizer, schedule in game.schedules:
        schedule.apply(optimizer, game.step - 1)  # schedules count from 0


def play_step(recipe: Recipe, game: Game, source: Any) -> None:
    """Take the recipe's step on batches of ``source``, a ``Source`` or what stands for one."""
    # The ambient streams are set around the step and not around the caller's loop body: between
    # two yields of a generator a context variable would leak into the caller.
    with random.using(game.streams), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        game.metrics |= recipe.step(game, source)
        game.forget_fake()
        if game.ema is not None:
            last = source.used[-1]
            game.ema.update(game.G, len(last[0] if isinstance(last, tuple) else last))
