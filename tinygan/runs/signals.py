"""Stop a training run at the end of its step instead of in the middle of one.

A handler that saved would save in the middle of an update. So it only notes the signal; the loop
looks at the note after each step, saves, and exits with the code that the note carries: 130 for
Ctrl-C, 75 (EX_TEMPFAIL) for the signals by which schedulers announce that they take the machine
away. A second Ctrl-C means that the user will not wait.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

INTERRUPTED = 130
PREEMPTED = 75


@dataclass
class StopRequest:
    """Whether a signal has asked the run to stop, and the exit code that it asks for."""

    exit_code: int | None = None
    signal_name: str | None = None

    @property
    def requested(self) -> bool:
        """True once a signal has come."""
        return self.exit_code is not None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Note a signal (the handler); leave at once on a second Ctrl-C."""
        if number == signal.SIGINT and self.signal_name == "SIGINT":
            _leave(INTERRUPTED)
        if not self.requested:
            self.exit_code = INTERRUPTED if number == signal.SIGINT else PREEMPTED
        if self.signal_name is None or number == signal.SIGINT:
            self.signal_name = signal.Signals(number).name


@contextlib.contextmanager
def graceful_stop() -> Iterator[StopRequest]:
    """Turn SIGINT, SIGTERM and SIGUSR1 into a note for the length of a ``with`` block.

    The old handlers come back afterwards. Outside the main thread, where Python takes no signals,
    the note is given out and stays empty.

    Example::

        with graceful_stop() as stop:
            for game in fit(...):
                if stop.requested:
                    break
        sys.exit(stop.exit_code or 0)
    """
    stop = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    names = ("SIGINT", "SIGTERM", "SIGUSR1")  # Windows lacks the last
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    former = {number: signal.signal(number, stop.handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _leave(code: int) -> None:
    """End the process without unwinding: a save in progress is atomic, so nothing is lost."""
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # a progress bar may have hidden the cursor
    os._exit(code)
