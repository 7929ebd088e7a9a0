"""Progress of a run: one live bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections import deque
from types import TracebackType
from typing import Any

from ..runs.train import Training

LINE_SECONDS = 30.0  # between plain lines
BAR_SECONDS = 0.1  # between two looks of the bar
WINDOW_SECONDS = 20.0  # over which the speed is measured
NAMES = {"d_real": "D(x)", "d_fake": "D(G(z))"}


def figures(metrics: dict[str, float]) -> str:
    """Return the last metrics in a line: losses first, then D's opinions, then the rest."""
    first = [name for name in metrics if name.startswith("loss")]
    order = [*first, *(name for name in NAMES if name in metrics)]
    order += [name for name in metrics if name not in order]
    return "  ".join(f"{NAMES.get(name, name)} {metrics[name]:.3f}" for name in order)


class Meter:
    """Speed and remaining time, from the last seconds."""

    def __init__(self, training: Training) -> None:
        self._training = training
        self._seen: deque[tuple[float, int, int]] = deque()
        self.look()

    def look(self) -> None:
        """Note where the run is now."""
        now = time.monotonic()
        self._seen.append((now, self._training.game.step, self._training.images))
        while len(self._seen) > 2 and self._seen[1][0] < now - WINDOW_SECONDS:
            self._seen.popleft()

    def text(self) -> str:
        """Return ``520 images/s  ETA 0:01:30``, or nothing before it can be known."""
        (then, step, images), (now, last_step, last_images) = self._seen[0], self._seen[-1]
        if last_step == step or now == then:
            return ""
        left = (self._training.settings.steps - last_step) * (now - then) / (last_step - step)
        return f"{(last_images - images) / (now - then):,.0f} images/s  ETA {clock(left)}"


def clock(seconds: float) -> str:
    """Return a duration as h:mm:ss."""
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


class Progress:
    """Shows a training; a context whose ``show`` is called after each step."""

    def __init__(self, training: Training) -> None:
        from rich.console import Console

        self._training = training
        self._meter = Meter(training)
        self._console = Console(highlight=False)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._due = 0.0
        self._bar: Any = None
        self._line_step = -1  # of the last plain line

    def __enter__(self) -> Progress:
        if self._live:
            self._bar = _bar(self._console)
            self._bar.start()
            self._task = self._bar.add_task(
                "", total=self._training.settings.steps, completed=self._training.game.step, said=""
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if kind is None or self._line_step not in (-1, self._training.game.step):
            self._say()
        if self._bar is not None:
            self._bar.stop()

    def note(self, text: str) -> None:
        """Print a line of its own, above the bar."""
        self._console.print(text, markup=False, soft_wrap=True)

    def show(self) -> None:
        """Look at the training; say something when it is due."""
        while self._training.notices:
            self.note(self._training.notices.pop(0))
        now = time.monotonic()
        if now >= self._due:
            self._say()
            self._due = now + (BAR_SECONDS if self._live else LINE_SECONDS)

    def _say(self) -> None:
        self._meter.look()
        step, said = self._training.game.step, figures(self._training.game.metrics)
        speed = self._meter.text()
        if self._bar is not None:
            self._bar.update(self._task, completed=step, said=f"{speed}  {said}", refresh=True)
        elif step != self._line_step:
            parts = [f"step {step}/{self._training.settings.steps}", speed, said]
            print("  ".join(part for part in parts if part), flush=True)
            self._line_step = step


def _bar(console: Any) -> Any:
    from rich.progress import BarColumn, Progress, TextColumn

    return Progress(
        TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
        BarColumn(20),
        TextColumn("{task.fields[said]}", markup=False),
        console=console,
        auto_refresh=False,
    )
