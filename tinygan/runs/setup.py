"""What a run is made of: its settings, its data, its game, and how to find them again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from .. import data, random
from ..data import catalog
from ..data.npz import parse_range
from ..errors import CheckpointError, DataError, OptionError
from ..gan import (
    Game,
    Recipe,
    new_game,
    with_frozen,
    with_objective,
    with_procedures,
)
from ..kernels.arrays import Array, Shape
from ..random import Streams
from .checkpoint import load_checkpoint
from .device import Device, choose_device, computing
from .files import PathLike, save_tensors
from .rundir import RunDirectory

FRAMES = 20  # sample pictures that a whole run leaves, unless ``snap`` says otherwise
SIDES = (16, 32, 64)  # pixels that every recipe for images takes
_DOMAINS = (
    "holds one domain: --data pairs:FOLDER, with folders A and B or images side by side, "
    "pairs:A,B or unpaired:A,B fits"
)
BUILT_IN = ("digits", "fashion-mnist", *data.TOYS)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is told besides its recipe's own configuration; ``config.json`` keeps it.

    Attributes:
        data: name or path of the data set.
        steps: number of the last step.
        seed: determines every random number.
        size: side of the images in pixels; None: their own.
        channels: 1 or 3; None: their own.
        value_range: of float images in an ``.npz``, ``0,1``, ``-1,1`` or ``0,255``.
        background: colour behind transparent pixels; "" refuses them.
        device: ``cpu``, ``cuda`` or ``auto``.
        backend: the only kernels to use, ``""`` for the best that fit.
        snap: steps between sample pictures, and between checkpoints.
        metrics_every: steps between measurements of the samples; 0 for none.
        metrics: what to measure, names of ``metrics.suite.MEASURES`` with commas between; by
            default the usual ones that suit the data.
        net: the feature net of the metrics; ``auto`` takes one that fits the data.
        weights: file of Inception's weights, for metrics in its features.
        metrics_n: samples to measure, and real ones at most.
        loss: named loss in place of the recipe's own; see ``gan.losses``.
        reg: regularisers on top, ``r1:10/16,noise:0.1``; see ``gan.regularisers``.
        ttur: D's learning rate over G's; 0 for the recipe's own. See ``gan.procedures``, also for
            the three that follow.
        pool: old fakes kept for D; 0 for none.
        pretrain_d: steps in which D moves alone.
        augment: what D's images go through, ``diff:color,cutout``, ``ada:0.6/500``.
        curriculum: blur that fades away, ``blur:2/2000``; see ``gan.curriculum``.
        diagnose_every: steps between looks at gradients, updates and weights; 0 for none.
        init: what the players start from, see ``runs.init``; "" for random weights.
        freeze_d: D's first layers that are left as ``init`` has them.
    """

    data: str
    steps: int
    seed: int = 0
    size: int | None = None
    channels: int | None = None
    value_range: str = ""
    background: str = ""
    device: str = "auto"
    backend: str = ""
    snap: int = 0
    metrics_every: int = 0
    metrics: str = ""
    net: str = "auto"
    weights: str = ""
    metrics_n: int = 2048
    loss: str = ""
    reg: str = ""
    ttur: float = 0.0
    pool: int = 0
    pretrain_d: int = 0
    augment: str = ""
    curriculum: str = ""
    diagnose_every: int = 50
    init: str = ""
    freeze_d: int = 0

    def checked(self) -> Settings:
        """Return these settings with ``snap`` filled in and a path that holds from anywhere.

        Raises:
            OptionError: a number is out of range.
        """
        if self.steps < 1 or self.snap < 0:
            raise OptionError(f"steps={self.steps}, snap={self.snap}: use 1 or more steps, snap 0+")
        if self.metrics_every < 0 or self.metrics_n < 2:
            raise OptionError(
                f"metrics_every={self.metrics_every}, metrics_n={self.metrics_n}: "
                "use 0 or more steps, 2 or more samples"
            )
        if self.diagnose_every < 0:
            raise OptionError(f"diagnose_every={self.diagnose_every}: use 0 or more steps")
        if self.freeze_d < 0 or (self.freeze_d and not self.init):
            raise OptionError(
                f"freeze_d={self.freeze_d}: 0 or more of the layers that --init brings fit"
            )
        if self.pretrain_d >= self.steps:
            raise OptionError(
                f"pretrain_d={self.pretrain_d}: G never moves in {self.steps} steps; fewer fit"
            )
        snap = self.snap or max(1, self.steps // FRAMES)
        init = str(Path(self.init).expanduser().resolve()) if self.init else ""
        return replace(self, data=catalog.map_parts(self.data, _absolute), snap=snap, init=init)


def recipe_name(run: RunDirectory) -> str:
    """Return the name of the recipe that a run trains; raises ``CheckpointError``."""
    name = run.read_config().get("recipe")
    if not isinstance(name, str):
        raise CheckpointError(f"{run.path / 'config.json'}: damaged: it names no recipe")
    return name


def read_settings(run: RunDirectory, recipe: Recipe) -> tuple[Settings, Any, Shape]:
    """Return a run's settings, its recipe's configuration and the shape of a sample.

    Raises:
        CheckpointError: ``config.json`` is missing, damaged or of another version.
    """
    stored = run.read_config()
    try:
        settings = Settings(**stored["settings"])
        config = recipe.config(
            **{f.name: _tuple(stored["config"][f.name]) for f in fields(recipe.config)}
        )
        return settings, config, tuple(int(extent) for extent in stored["shape"])
    except (KeyError, TypeError, ValueError) as error:
        what = " ".join(str(error).split())
        raise CheckpointError(f"{run.path / 'config.json'}: does not fit: {what}") from None


def with_settings(recipe: Recipe, settings: Settings) -> Recipe:
    """Return a run's recipe with the losses, procedures and frozen layers of its settings.

    Raises:
        OptionError: they do not fit the recipe.
    """
    chosen = with_procedures(
        with_objective(recipe, loss=settings.loss, reg=settings.reg),
        ttur=settings.ttur,
        pool=settings.pool,
        pretrain_d=settings.pretrain_d,
        curriculum=settings.curriculum,
        augment=settings.augment,
    )
    return with_frozen(chosen, settings.freeze_d)


def load_game(
    run: RunDirectory, recipe: Recipe, *, device: str = "cpu", step: int | None = None
) -> tuple[Game, str | None]:
    """Return a run's game at a checkpoint, without its data, and a notice or None.

    Args:
        run: the run.
        recipe: what it trains.
        device: where to put the game.
        step: of the checkpoint; None takes the last whole one.

    Raises:
        CheckpointError: there is none, or it does not fit.
    """
    settings, config, shape = read_settings(run, recipe)
    found = load_checkpoint(run.path, step=step)
    game = make_game(
        with_settings(recipe, settings), shape, settings, config, choose_device(device)
    )
    restore(game, found.tensors, found.state, run.path)
    return game, found.notice


def restore(game: Game, tensors: dict[str, Array], state: dict[str, Any], path: Path) -> None:
    """Put a checkpoint into a game; raises ``CheckpointError`` naming the run."""
    try:
        game.restore(tensors, state["game"])
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


def save_generator(path: PathLike, game: Game, recipe: Recipe) -> str:
    """Write G's averaged weights (its own, where there is no average); return the SHA-256."""
    weights = game.G.state_dict() if game.ema is None else game.ema.state_dict()
    facts = {
        "recipe": recipe.name,
        "step": str(game.step),
        "weights": "G" if game.ema is None else "G_ema",
        "config": json.dumps(asdict(game.config)),
    }
    return save_tensors(path, weights, facts)


def with_data(recipe: Recipe, config: Any, dataset: data.Dataset) -> Any:
    """Return the configuration with what it must know of the data: classes, channels of a domain.

    Raises:
        DataError: the recipe needs labels, or two domains, and the data have none.
        OptionError: the data have two domains, which the recipe has no use for, or the
            configuration does not fit them.
    """
    if recipe.labelled:
        return _with_classes(recipe, config, dataset)
    domains = dataset.domains
    if domains is None:
        if recipe.domains:
            raise DataError(f"{recipe.name} translates images, and {dataset.name} {_DOMAINS}")
        return config
    if not recipe.domains:
        raise OptionError(
            f"{recipe.name} makes samples, it translates none: {dataset.name} has two domains, and "
            "one of them fits"
        )
    if recipe.domains == "matched" and not dataset.matched:
        raise DataError(
            f"{recipe.name} needs pairs that belong together, and {dataset.name} has two domains "
            "apart: --data pairs:FOLDER or pairs:A,B; cyclegan learns from such data"
        )
    channels = domains[0].shape[0]
    if config.source_channels not in (0, channels):
        raise OptionError(
            f"--source-channels {config.source_channels}: {domains[0].name} has {channels}"
        )
    return replace(config, source_channels=channels)


def _with_classes(recipe: Recipe, config: Any, dataset: data.Dataset) -> Any:
    if dataset.labels is None:
        raise DataError(
            f"{recipe.name} needs labels, which {dataset.name} has none of: a folder of folders "
            "has, one for each class"
        )
    if 0 < config.num_classes < len(dataset.classes):
        raise OptionError(
            f"--num-classes {config.num_classes}: {dataset.name} has {len(dataset.classes)} classes"
        )
    return config if config.num_classes else replace(config, num_classes=len(dataset.classes))


def batches_of(dataset: data.Dataset, config: Any, seed: int, device: Device) -> data.Batches:
    """Return the endless batches of a run."""
    return data.Batches(dataset, config.batch, seed=seed, xp=device.xp)


def _absolute(spec: str) -> str:
    """Return a data set's name as it is, and a path (``PATH`` or ``PATH:32``) from the root on."""
    path, colon, size = spec.rpartition(":")
    if not (colon and size.isdecimal()) or Path(spec).expanduser().exists():
        path, colon, size = spec, "", ""
    if path in BUILT_IN or not Path(path).expanduser().exists():
        return spec
    return f"{Path(path).expanduser().resolve()}{colon}{size}"


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON has no tuples


def load_data(settings: Settings, *, split: catalog.Split = "train") -> data.Dataset:
    """Load a run's data set, or its test part; raises ``DataError``."""
    return data.load(
        settings.data,
        split=split,
        size=settings.size,
        channels=settings.channels,
        value_range=parse_range(settings.value_range),
        background=settings.background or None,
    )


def make_game(
    recipe: Recipe, shape: Shape, settings: Settings, config: Any, device: Device
) -> Game:
    """Set up a run's game at step 0."""
    ambient = Streams(settings.seed, device.xp)
    with computing(settings.backend), random.using(ambient):
        return new_game(recipe, shape, seed=settings.seed, config=config)


def fitting(
    recipe: Recipe, settings: Settings, config: Any, device: Device, notices: list[str]
) -> tuple[Settings, data.Dataset, Game]:
    """Load the data and make the game; resize images that the recipe does not take as they are.

    Returns:
        The settings, with the new size if there is one; the data; the game.

    Raises:
        OptionError: the recipe does not take such data, or the configuration is wrong.
        DataError: the data can't be read.
    """
    dataset = load_data(settings)
    config = with_data(recipe, config, dataset)
    notices += dataset.notes
    try:
        return settings, dataset, make_game(recipe, dataset.shape, settings, config, device)
    except OptionError:
        if settings.size is not None or len(dataset.shape) != 3:
            raise
        height, width = dataset.shape[1:]
        side = next((s for s in SIDES if s >= min(height, width)), SIDES[-1])
        if (height, width) == (side, side):
            raise
        settings = replace(settings, size=side)
        dataset = load_data(settings)
        game = make_game(recipe, dataset.shape, settings, config, device)
    notices.append(
        f"{recipe.name} does not take {width} x {height} images: resized to {side} x {side} "
        "(--size N for another)"
    )
    return settings, dataset, game
