"""One training run on disk: start it, watch it step by step, stop it, go on with it.

    for game in train(get("dcgan"), Settings(data="digits:16", steps=2000)):
        print(game.step, game.metrics)

``train`` makes the run directory and ``resume`` finds one again; both give a ``Training``, whose
iterator takes the steps of ``gan.fit`` and puts down what a run leaves behind. A run that does not
end well ends with an exception: ``Stopped`` after a signal, ``DivergedError``, ``SaveError``.

A resumed run goes on bit for bit: the random numbers of a step are a function of (seed, stream,
step), and a checkpoint holds all that the coming steps depend on. Metrics that were written after
the checkpoint are dropped, since those steps are taken again.
"""

from __future__ import annotations

import contextlib
import json
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from .. import data, random
from ..errors import CheckpointError, DivergedError, OptionError
from ..gan import Game, Recipe, Source, advance, new_game
from ..kernels.arrays import Array, Shape
from ..random import Stream, Streams
from . import pictures
from .checkpoint import has_checkpoint, load_checkpoint, remove_stale, save_checkpoint
from .device import Device, choose_device, kernels_of
from .files import PathLike, SaveError, save_tensors
from .rundir import RunDirectory
from .signals import StopRequest, graceful_stop

SAVE_SECONDS = 600.0  # a checkpoint at least so often, however long a snapshot takes to come
ROWS = 2000  # rows of metrics that a whole run leaves, about
FRAMES = 20  # sample pictures that a whole run leaves, unless ``snap`` says otherwise
SIDES = (16, 32, 64)  # pixels that every recipe for images takes


class Stopped(Exception):
    """A signal ended the run at the end of a step, and the step is saved.

    Attributes:
        exit_code: 130 for Ctrl-C, 75 for SIGTERM and SIGUSR1.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is told besides its recipe's own configuration; ``config.json`` keeps it.

    Attributes:
        data: name or path of the data set.
        steps: number of the last step.
        seed: determines every random number.
        size: side of the images in pixels; None: their own.
        channels: 1 or 3; None: their own.
        device: ``cpu``, ``cuda`` or ``auto``.
        backend: the only kernels to use, ``""`` for the best that fit.
        snap: steps between sample pictures, and between checkpoints.
    """

    data: str
    steps: int
    seed: int = 0
    size: int | None = None
    channels: int | None = None
    device: str = "auto"
    backend: str = ""
    snap: int = 0

    def checked(self) -> Settings:
        """Return these settings with ``snap`` filled in and a path that holds from anywhere.

        Raises:
            OptionError: a number is out of range.
        """
        if self.steps < 1 or self.snap < 0:
            raise OptionError(f"steps={self.steps}, snap={self.snap}: use 1 or more steps, snap 0+")
        path = Path(self.data).expanduser()
        return replace(
            self,
            data=str(path.resolve()) if path.exists() else self.data,
            snap=self.snap or max(1, self.steps // FRAMES),
        )


class Training:
    """A run that has been set up; iterating takes the steps.

    Attributes:
        run: its directory.
        recipe: what is trained.
        settings: how long, on what, where.
        dataset: the data.
        game: the game at the current step.
        device: where it computes, and why there.
        notices: lines that the user should see; the reader takes them out.
    """

    def __init__(
        self,
        run: RunDirectory,
        recipe: Recipe,
        settings: Settings,
        setup: tuple[Device, data.Dataset, Game],
    ) -> None:
        self.run, self.recipe, self.settings = run, recipe, settings
        self.device, self.dataset, self.game = setup
        self.batches = batches_of(self.dataset, self.game.config, settings.seed, self.device)
        self.notices: list[str] = []
        self._seconds = 0.0  # of training, in earlier sessions too
        self._began = time.monotonic()
        self._saved = self._began
        self._complaint = ""

    @property
    def images(self) -> int:
        """Real samples that have been served so far."""
        return self.batches.cursor * self.batches.batch_size

    def __iter__(self) -> Iterator[Game]:
        """Take the steps that are left; yield the game after each.

        Raises:
            Stopped: a signal asked for it; the last step is saved.
            DivergedError: a loss or a weight is not finite; the last checkpoint is as it was.
            SaveError: the last checkpoint could not be written.
        """
        try:
            with graceful_stop() as stop:
                yield from self._steps(stop)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._log(str(error) if isinstance(error, Stopped) else traceback.format_exc())
            if isinstance(error, DivergedError):
                alarm = {"step": self.game.step + 1, "message": str(error)}
                self._try(lambda: self.run.append_row(alarm, "alarms"))
                self._try(lambda: pictures.write_summary(self.run))
            raise

    def _steps(self, stop: StopRequest) -> Iterator[Game]:
        self._began = self._saved = time.monotonic()
        source = Source(self.batches, self.device.xp)
        source.shape = self.dataset.shape
        if self.game.step == 0:
            self._picture(None)
        while self.game.step < self.settings.steps:
            with kernels_of(self.settings.backend):
                advance(self.recipe, self.game, source)
            self._keep()
            yield self.game
            if stop.requested:
                self._stop(stop)
        self.finish()

    def _stop(self, stop: StopRequest) -> None:
        self.save()
        where = f"{stop.signal_name} at step {self.game.step}, saved"
        raise Stopped(f"{where}; go on with: tinygan resume {self.run.path}", stop.exit_code or 0)

    # --- what a run leaves behind ---

    def _keep(self) -> None:
        """Put down the metrics of a step, and a picture and a checkpoint when they are due."""
        step, last = self.game.step, self.settings.steps
        if step % max(1, last // ROWS) == 0 or step == last:
            row = {"step": step, "kimg": self.images / 1000, "seconds": round(self._elapsed(), 3)}
            self._try(lambda: self.run.append_row(row | self.game.metrics))
        snap = step % self.settings.snap == 0 or step == last
        if snap:
            self._try(lambda: self._picture(step))
        if step == last:
            self.save()  # here a failure ends the run
        elif snap or time.monotonic() - self._saved > SAVE_SECONDS:
            self._try(self.save)

    def save(self) -> None:
        """Write a checkpoint of the current step, and the generator for others to use.

        Raises:
            SaveError: it could not be written; the former checkpoint is as it was.
        """
        tensors, scalars = self.game.state()
        state = {"game": scalars, "batches": self.batches.state(), "seconds": self._elapsed()}
        save_checkpoint(self.run.path, self.game.step, tensors, state)
        save_generator(self.run.path / "g_ema.safetensors", self.game, self.recipe)
        self._saved = time.monotonic()

    def finish(self) -> None:
        """Write the animation, the curves and the report."""
        self._try(lambda: pictures.write_summary(self.run))
        self._log(f"step {self.game.step}: done")

    def _picture(self, step: int | None) -> None:
        with kernels_of(self.settings.backend):
            samples = self.game.sample(pictures.count(self.dataset.shape))
        pictures.save_samples(self.run.fakes_path(step), samples, pictures.reach(self.dataset))

    def _elapsed(self) -> float:
        return self._seconds + time.monotonic() - self._began

    def _try(self, action: Callable[[], None]) -> None:
        """Do what training can go on without; say it once where the disk refuses."""
        try:
            action()
        except SaveError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                self.notices.append(f"warning: {error}; training goes on")

    def _log(self, text: str) -> None:
        with contextlib.suppress(SaveError):  # the reason itself may be a full disk
            self.run.log(text)

    # --- set up and go on ---

    def begin(self) -> Training:
        """Fill a new run directory."""
        self.write_config()
        self.run.write_environment(device=self.device.name, device_why=self.device.why)
        chosen = Stream(self.settings.seed, "reals").permutation(len(self.dataset))
        reals = self.dataset.take(chosen[: pictures.count(self.dataset.shape)])
        pictures.save_samples(self.run.path / "reals.png", reals, pictures.reach(self.dataset))
        self._log(f"training {self.recipe.name} on {self.dataset!r}, {self.device.why}")
        return self

    def write_config(self) -> None:
        """Write ``config.json``: all that ``resume`` needs."""
        self.run.write_config(
            {
                "recipe": self.recipe.name,
                "settings": asdict(self.settings) | {"device": self.device.name},
                "config": asdict(self.game.config),
                "shape": list(self.dataset.shape),
            }
        )

    def go_on(self) -> Training:
        """Take back the last whole checkpoint, and drop the metrics that came after it."""
        remove_stale(self.run.path)
        if has_checkpoint(self.run.path):
            found = load_checkpoint(self.run.path)
            restore(self.game, found.tensors, found.state, self.run.path)
            self.batches.restore(found.state["batches"])
            self._seconds = float(found.state["seconds"])
            self.notices += [found.notice] if found.notice else []
        else:
            self.notices.append(f"{self.run.path} has no checkpoint yet: starting at step 0")
        self.run.truncate_after(self.game.step)
        self.write_config()
        self._log(f"going on from step {self.game.step}")
        return self


# --- the public functions ---


def train(
    recipe: Recipe,
    settings: Settings,
    config: Any = None,
    *,
    outdir: PathLike = "runs",
    desc: str = "",
) -> Training:
    """Set up a new run; iterate over the result to train.

    Args:
        recipe: which variant.
        settings: data, steps, seed and the like.
        config: an instance of ``recipe.config``; None takes the defaults.
        outdir: folder that gets the numbered run folder.
        desc: put behind the run folder's name.

    Raises:
        OptionError: a setting is out of range, or the recipe does not take such data.
        DataError: the data can't be read.
        DeviceError: the device can't be used.
        SaveError: the run folder can't be written.
    """
    settings = settings.checked()
    device = choose_device(settings.device)
    config = recipe.config() if config is None else config
    notices: list[str] = []
    dataset, game = _fitting(recipe, settings, config, device, notices)
    batches_of(dataset, config, settings.seed, device)  # refuses a batch that is too large
    if len(dataset.shape) == 3:
        settings = replace(settings, size=dataset.shape[1], channels=dataset.shape[0])
    run = RunDirectory.create(outdir, dataset.name, recipe.name, desc or None)
    training = Training(run, recipe, settings, (device, dataset, game)).begin()
    training.notices = notices
    return training


def resume(
    run: RunDirectory, recipe: Recipe, *, steps: int | None = None, device: str | None = None
) -> Training:
    """Set up a run again at its last checkpoint; iterate over the result to go on.

    Args:
        run: the run.
        recipe: the recipe that ``recipe_name(run)`` names.
        steps: number of the last step; None is the one that the run was started with.
        device: another device than the run was started on; its bits will differ.

    Raises:
        CheckpointError: nothing whole is left, or it does not fit.
        DataError: the data can't be read any more.
    """
    settings, config, _ = read_settings(run, recipe)
    settings = replace(settings, steps=steps or settings.steps, device=device or settings.device)
    settings = settings.checked()
    place = choose_device(settings.device)
    dataset = _load(settings)
    game = _new_game(recipe, dataset.shape, settings, config, place)
    return Training(run, recipe, settings, (place, dataset, game)).go_on()


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


def load_game(run: RunDirectory, recipe: Recipe, *, device: str = "cpu") -> tuple[Game, str | None]:
    """Return a run's game at its last whole checkpoint, without its data, and a notice or None.

    Raises:
        CheckpointError: there is none, or it does not fit.
    """
    settings, config, shape = read_settings(run, recipe)
    found = load_checkpoint(run.path)
    game = _new_game(recipe, shape, settings, config, choose_device(device))
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


def batches_of(dataset: data.Dataset, config: Any, seed: int, device: Device) -> data.Batches:
    """Return the endless batches of a run."""
    return data.Batches(dataset, config.batch, seed=seed, xp=device.xp)


# --- parts ---


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value  # JSON has no tuples


def _load(settings: Settings) -> data.Dataset:
    return data.load(settings.data, size=settings.size, channels=settings.channels)


def _new_game(
    recipe: Recipe, shape: Shape, settings: Settings, config: Any, device: Device
) -> Game:
    ambient = Streams(settings.seed, device.xp)
    with kernels_of(settings.backend), random.using(ambient):
        return new_game(recipe, shape, seed=settings.seed, config=config)


def _fitting(
    recipe: Recipe, settings: Settings, config: Any, device: Device, notices: list[str]
) -> tuple[data.Dataset, Game]:
    """Load the data and make the game; resize images that the recipe does not take as they are."""
    dataset = _load(settings)
    notices += dataset.notes
    try:
        return dataset, _new_game(recipe, dataset.shape, settings, config, device)
    except OptionError:
        if settings.size is not None or len(dataset.shape) != 3:
            raise
        height, width = dataset.shape[1:]
        side = next((s for s in SIDES if s >= min(height, width)), SIDES[-1])
        if (height, width) == (side, side):
            raise
        smaller = _load(replace(settings, size=side))
        game = _new_game(recipe, smaller.shape, settings, config, device)
    notices.append(
        f"{recipe.name} does not take {width} x {height} images: resized to {side} x {side} "
        "(--size N for another)"
    )
    return smaller, game
