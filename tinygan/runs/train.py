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
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from .. import data
from ..errors import DivergedError, SaveError
from ..gan import (
    Game,
    Recipe,
    Source,
    Watch,
    advance,
    objective_warnings,
    procedure_warnings,
    spectral_norms,
)
from ..kernels.memory import trim_memory
from ..metrics.suite import metric_name
from ..random import Stream
from . import pictures
from .alarms import Alarm, Alarms
from .checkpoint import has_checkpoint, load_checkpoint, remove_stale, save_checkpoint
from .device import Device, choose_device, computing
from .files import PathLike
from .init import start_players
from .judge import Judge, best_step, judge_of, judged, names_of
from .memory import peak_memory, peak_text
from .rundir import RunDirectory
from .setup import (
    Settings,
    batches_of,
    fitting,
    load_data,
    make_game,
    read_settings,
    restore,
    save_generator,
    with_settings,
)
from .signals import StopRequest, graceful_stop

SAVE_SECONDS = 600.0  # a checkpoint at least so often, however long a snapshot takes to come
ROWS = 2000  # rows of metrics that a whole run leaves, about


class Stopped(Exception):
    """A signal ended the run at the end of a step, and the step is saved.

    Attributes:
        exit_code: 130 for Ctrl-C, 75 for SIGTERM and SIGUSR1.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


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
        judge: Judge | None = None,
    ) -> None:
        self.run, self.recipe, self.settings = run, recipe, settings
        self.device, self.dataset, self.game = setup
        self.game.dataset = self.dataset
        self.batches = batches_of(self.dataset, self.game.config, settings.seed, self.device)
        self.notices: list[str] = []
        self._judge = judge
        self._alarms = Alarms()
        self._seen: dict[str, Any] = {}  # at the last step, where that was watched
        self._best: int | None = None  # step with the least Frechet distance
        self._seconds = 0.0  # of training, before it was resumed too
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
            CheckpointError: another process is training in this run.
        """
        try:
            with self.run.claimed(), graceful_stop() as stop:
                yield from self._steps(stop)
        except GeneratorExit:
            raise
        except BaseException as error:
            self._log(str(error) if isinstance(error, Stopped) else traceback.format_exc())
            if isinstance(error, DivergedError):
                alarm = {"step": self.game.step + 1, "alarm": "diverged", "message": str(error)}
                self._try(lambda: self.run.append_row(alarm, "alarms"))
                self._try(lambda: pictures.write_summary(self.run))
            raise
        finally:
            trim_memory()

    def _steps(self, stop: StopRequest) -> Iterator[Game]:
        self._began = self._saved = time.monotonic()
        labelled = self.recipe.labelled
        source = Source(self.batches.with_labels() if labelled else self.batches, self.device.xp)
        source.shape = self.dataset.shape
        if self.game.step == 0:
            self._picture(None)
        while self.game.step < self.settings.steps:
            with computing(self.settings.backend):
                self._advance(source)
            self._keep()
            yield self.game
            if stop.requested and self.game.step < self.settings.steps:
                self._stop(stop)
        self.finish()

    def _advance(self, source: Source) -> None:
        """Take one step, watched when it is time."""
        game, every, self._seen = self.game, self.settings.diagnose_every, {}
        if not every or (game.step + 1) % every:
            advance(self.recipe, game, source)
            return
        with Watch(game) as watch:
            advance(self.recipe, game, source)
        self._seen = watch.report(source.before)
        self._raise(self._alarms.look(game, self._seen | game.metrics))
        norms = {
            f"{part}.{k}": x
            for part, net in (("G", game.G), ("D", game.D))
            for k, x in spectral_norms(net).items()
        }
        self._seen["spectral_norms"] = norms

    def _raise(self, alarms: Iterable[Alarm]) -> None:
        """Print alarms and put them down."""
        for alarm in alarms:
            self.notices.append(f"alarm: step {alarm.step}: {alarm.message}")
            self._try(partial(self.run.append_row, alarm.row(), "alarms"))

    def _stop(self, stop: StopRequest) -> None:
        self.save()
        where = f"{stop.signal_name} at step {self.game.step}, saved"
        raise Stopped(f"{where}; go on with: tinygan resume {self.run.path}", stop.exit_code or 0)

    # --- what a run leaves behind ---

    def _keep(self) -> None:
        """Put down the metrics of a step, and a picture and a checkpoint when they are due."""
        step, last = self.game.step, self.settings.steps
        if step % max(1, last // ROWS) == 0 or step == last or self._seen:
            row = {"step": step, "kimg": self.images / 1000, "seconds": round(self._elapsed(), 3)}
            self._try(lambda: self.run.append_row(row | self.game.metrics | self._seen))
        snap = step % self.settings.snap == 0 or step == last
        if snap:
            self._try(lambda: self._picture(step))
        best = self._judge is not None and self._measure(self._judge)
        if step == last:
            self.save()  # here a failure ends the run
        elif snap or best or time.monotonic() - self._saved > SAVE_SECONDS:
            self._try(self.save)

    def save(self) -> None:
        """Write a checkpoint of the current step, and the generator for others to use.

        Raises:
            SaveError: it could not be written; the former checkpoint is as it was.
        """
        tensors, scalars = self.game.state()
        state = {"game": scalars, "batches": self.batches.state(), "seconds": self._elapsed()}
        state["alarms"] = asdict(self._alarms)
        save_checkpoint(self.run.path, self.game.step, tensors, state, best=self._best)
        save_generator(self.run.path / "g_ema.safetensors", self.game, self.recipe)
        self._saved = time.monotonic()

    def finish(self) -> None:
        """Write the peak of memory, the animation, the curves and the report."""
        self._try(lambda: self.run.add_environment(peak_memory_bytes=peak_memory()))
        self._try(lambda: pictures.write_summary(self.run))
        self._log(f"step {self.game.step}: done; memory {peak_text()}")

    def _picture(self, step: int | None) -> None:
        with computing(self.settings.backend):
            pictures.save_game(self.run.fakes_path(step), self.game, self.dataset)

    def _measure(self, judge: Judge) -> bool:
        """Measure the samples when it is time; tell whether they are the best so far."""
        step, settings = self.game.step, self.settings
        if step % settings.metrics_every and step != settings.steps:
            return False
        weights = "last" if self.game.ema is None else "averaged (EMA)"
        card = judge.card(split="train", weights=weights, step=step, which="last")
        with computing(settings.backend):
            fakes = self.game.sample(settings.metrics_n, seed=settings.seed)
            pair = judge.pair(fakes)
            rows = dict(judge.rows(pair, names_of(settings.metrics), card))
            if (
                step % settings.metrics_every == 0
            ):  # the last step may be too near to the one before
                self._raise(self._alarms.measure(step, pair))
        for name, row in rows.items():
            self._try(partial(self.run.append_row, row, f"metric-{name}"))
        self._best = self._best_so_far(judge)
        return self._best == step

    def _best_so_far(self, judge: Judge) -> int | None:
        key = metric_name("fd", judge.net_name)
        return best_step(self.run.read_rows(f"metric-{key}"), key)

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
        rows = chosen[: pictures.count(judged(self.dataset).shape)]
        pictures.save_reals(self.run.path / "reals.png", self.game, self.dataset, rows)
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
                "film": pictures.is_film(judged(self.dataset).shape),
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
            self._alarms = Alarms(**found.state.get("alarms", {}))
            self.notices += [found.notice] if found.notice else []
        else:
            self.notices.append(f"{self.run.path} has no checkpoint yet: starting at step 0")
        self.run.truncate_after(self.game.step)
        if self._judge is not None:
            self._best = self._best_so_far(self._judge)
        self.write_config()
        self._log(f"going on from step {self.game.step}")
        return self


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
        CheckpointError: ``init`` can't be read, or does not fit the players.
        DeviceError: the device can't be used.
        SaveError: the run folder can't be written.
    """
    settings = settings.checked()
    recipe = with_settings(recipe, settings)
    device = choose_device(settings.device)
    config = recipe.config() if config is None else config
    notices: list[str] = []
    settings, dataset, game = fitting(recipe, settings, config, device, notices)
    batches_of(dataset, config, settings.seed, device)  # refuses a batch that is too large
    notices += game.notes
    notices += objective_warnings(recipe, game, loss=settings.loss, reg=settings.reg)
    notices += procedure_warnings(recipe, pretrain_d=settings.pretrain_d)
    judge = judge_of(dataset, settings)
    notices += start_players(game, settings.init) if settings.init else []
    run = RunDirectory.create(outdir, dataset.name, recipe.name, desc or None)
    training = Training(run, recipe, settings, (device, dataset, game), judge)
    if settings.init:
        training.save()  # before there is a run to resume, which must not start from other weights
    training.begin().notices = notices
    return training


def resume(
    run: RunDirectory, recipe: Recipe, *, steps: int | None = None, device: str | None = None
) -> Training:
    """Set up a run again at its last checkpoint; iterate over the result to go on.

    Args:
        run: the run.
        recipe: the recipe that ``setup.recipe_name(run)`` names.
        steps: number of the last step; None is the one that the run was started with.
        device: another device than the run was started on; its bits will differ.

    Raises:
        CheckpointError: nothing whole is left, or it does not fit, or the run is going on.
        DataError: the data can't be read any more.
    """
    with run.claimed():  # before anything is written; taken again while it trains
        pass
    try:
        settings, config, _ = read_settings(run, recipe)
        steps, device = steps or settings.steps, device or settings.device
        settings = replace(settings, steps=steps, device=device).checked()
        recipe = with_settings(recipe, settings)
        place = choose_device(settings.device)
        dataset = load_data(settings)
        game = make_game(recipe, dataset.shape, settings, config, place)
        judge = judge_of(dataset, settings)
        return Training(run, recipe, settings, (place, dataset, game), judge).go_on()
    except Exception:
        with contextlib.suppress(SaveError):
            run.log(traceback.format_exc())
        raise
