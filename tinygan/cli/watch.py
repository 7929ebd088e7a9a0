"""Run a training to its end while the user watches: what ``train``, ``resume``, ``demo`` share."""

from __future__ import annotations

import sys
import time

from .. import kernels
from ..kernels import native
from ..kernels.variables import cache_root
from ..runs.device import why_no_backend
from ..runs.memory import peak_text
from ..runs.train import Stopped, Training
from .exits import OK
from .progress import Progress, clock


def watch(training: Training) -> int:
    """Take the steps that are left and show them; return the exit code."""
    once(native.notice())
    print(f"run     {training.run.path}")
    print(f"data    {training.dataset!r}")
    print(f"device  {training.device.name}: {training.device.why}")
    print(f"kernels {training.settings.backend or _kernels(training.device.name)}", flush=True)
    if training.game.step >= training.settings.steps:
        for _ in training:  # no step is left, but the summary may be missing
            pass
        _say_notices(training)
        print(f"already at step {training.game.step}; --steps N, the total, goes further")
        return OK
    began = time.monotonic()
    try:
        with Progress(training) as progress:
            for _ in training:
                progress.show()
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return stopped.exit_code
    finally:
        print(f"memory  {peak_text()}", flush=True)
    _say_notices(training)
    path = training.run.path
    print(
        f"done in {clock(time.monotonic() - began)}: {training.run.fakes_path(training.game.step)}"
    )
    print(f"report  {path / 'report.html'}")
    return OK


def _say_notices(training: Training) -> None:
    while training.notices:
        print(training.notices.pop(0))


def _kernels(device: str) -> str:
    names = ("cuda", "cupy") if device == "cuda" else ("cpp", "numba", "numpy")
    registered = {kernel.backend for kernel in kernels.kernels()}
    return ", ".join(n for n in names if n in registered and why_no_backend(n) is None)


def once(line: str | None) -> None:
    """Print a line that this user has not been told before; an unwritable cache does no harm."""
    if line is None:
        return
    folder = cache_root()
    told = folder / "notices"
    try:
        if told.is_file() and line in told.read_text().splitlines():
            return
        folder.mkdir(parents=True, exist_ok=True)
        with told.open("a") as file:
            file.write(f"{line}\n")
    except OSError:
        pass
    print(line)
