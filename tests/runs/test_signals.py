"""Signals: the first asks, the second Ctrl-C leaves, and the old handlers come back."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from tinygan.runs.signals import StopRequest, graceful_stop

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 75), ("SIGUSR1", 75)])
def test_a_signal_is_noted_with_its_exit_code(name, code):
    with graceful_stop() as stop:
        assert not stop.requested
        assert stop.exit_code is None
        os.kill(os.getpid(), getattr(signal, name))
        assert stop.requested
        assert (stop.exit_code, stop.signal_name) == (code, name)


def test_the_first_signal_decides_the_exit_code():
    with graceful_stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.exit_code == 75


def test_old_handlers_come_back_even_after_an_error():
    def old(number, frame):
        raise AssertionError("not while the block runs")

    @graceful_stop()
    def failing():
        os.kill(os.getpid(), signal.SIGUSR1)
        raise RuntimeError

    interrupt = signal.getsignal(signal.SIGINT)
    former = signal.signal(signal.SIGUSR1, old)
    try:
        with pytest.raises(RuntimeError):
            failing()
        assert signal.getsignal(signal.SIGUSR1) is old
        assert signal.getsignal(signal.SIGINT) is interrupt
        with pytest.raises(AssertionError):
            os.kill(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, former)


def test_other_threads_get_a_note_that_stays_empty():
    notes = []

    def work():
        with graceful_stop() as stop:
            notes.append(stop)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert notes == [StopRequest()]
    assert signal.getsignal(signal.SIGINT) is before


LOOP = """
    import sys, time
    from tinygan.runs.signals import graceful_stop

    with graceful_stop() as stop:
        print("ready", flush=True)
        while not stop.requested or sys.argv[1] == "stubborn":
            if stop.requested:
                print("noted", flush=True)
            time.sleep(0.01)
    print("saved", flush=True)
    sys.exit(stop.exit_code)
"""


def started(mode):
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LOOP), mode],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 75)])
def test_a_loop_ends_its_step_and_exits_with_the_code(name, code):
    with started("gentle") as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (code, "saved\n", "")


def test_a_second_ctrl_c_leaves_at_once():
    with started("stubborn") as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "noted\n"
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "saved" not in output
    assert errors == ""


def test_a_ctrl_c_after_sigterm_is_a_first_one_and_the_next_leaves():
    with started("stubborn") as process:
        assert process.stdout.readline() == "ready\n"
        for number in (signal.SIGTERM, signal.SIGINT):
            process.send_signal(number)
            assert process.stdout.readline() == "noted\n"
        assert process.poll() is None
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.stdout.readline()
        process.communicate(timeout=30)
    assert process.returncode == 130
