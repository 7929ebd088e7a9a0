"""Whole-step capture: a run's steps taken by replaying one graph of all that a step launches.

The first steps are taken eagerly, since they make what later ones find there: kernels are compiled,
moments and running statistics exist. One more is taken under a trace of its allocations; then the
step is recorded, its memory served from one arena (kernels/cuda/arena.py), and from there on every
step copies its batches into fixed slots and launches the graph. Replays give the bits of eager
steps: the kernels, their order and their numbers are the same.

What a step leaves behind must lie where the graph reads it again. Optimizers write in place; where
a tensor was given another array (running statistics, u of spectral norm), the recording ends with a
copy into its first one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from .. import nn, optim, random
from ..autograd.op import Op, Tensors, watching
from ..errors import CaptureError, TinyganError
from ..kernels.arrays import Array
from ..kernels.cuda import arena
from ..kernels.cuda.graph import Recording
from ..optim.base import noting
from .ema import EMA
from .game import Game, Metrics
from .snapshot import named_tensors
from .source import Source, Take

_REFUSED = "a step can't be captured: "
WARM_UP = 2  # eager steps before the traced one


class Captured:
    """Takes the steps of a run: the first ones eagerly, then by replaying one of them.

    Args:
        prepare: what the host does before a step: ``prepare(game)``.
        play: takes the step eagerly: ``play(game, batches)``.
    """

    def __init__(self, prepare: Callable[[Game], None], play: Take) -> None:
        self._prepare, self._play, self._taken = prepare, play, 0
        self._layout = arena.Plan((), (), 0)
        self._per_step = 0  # batches
        self._replay: _Replay | None = None

    def __call__(self, game: Game, source: Source) -> None:
        """Take one step.

        Raises:
            CaptureError: the step can't be captured; the message says at which op, and why.
        """
        self._prepare(game)
        if self._replay is not None:
            self._replay(game, source)
        elif self._taken < WARM_UP:
            self._play(game, source)
        elif self._taken == WARM_UP:
            check_game(game)
            with arena.tracing(game.streams.xp.cuda) as trace:
                self._play(game, source)
            self._layout, self._per_step = arena.plan(trace), len(source.used)
        else:
            batches = [next(source) for _ in range(self._per_step)]
            self._replay = _Replay(self._play, game, batches, self._layout)
            self._replay.launch(game)
        self._taken += 1


def check_game(game: Game) -> None:
    """Raise unless all that a game's step changes lies on its device.

    Raises:
        CaptureError: a part keeps state on the host, or an optimizer decides there.
    """
    if not hasattr(game.streams.xp, "cuda"):
        raise CaptureError(_REFUSED + "it runs on the CPU; use a GPU's arrays")
    for name, part in game.parts().items():
        if not isinstance(part, nn.Module | optim.Optimizer | EMA):
            kind = type(part).__name__
            raise CaptureError(f"{_REFUSED}{name} ({kind}) has state on the host")
        if isinstance(part, optim.Transform):
            kind = type(part).__name__
            raise CaptureError(f"{_REFUSED}{name} ({kind}) decides on the host")


class _Replay:
    """A recorded step: its graph, its slots, and what the host does before and after it."""

    def __init__(self, play: Take, game: Game, batches: list[Any], layout: arena.Plan) -> None:
        self._xp = game.streams.xp
        self._slots = [_copied(batch) for batch in batches]
        self._recording = Recording(self._xp)
        self._homes = [(t, t.data) for t in named_tensors(game).values()]
        self._moves: list[tuple[optim.Optimizer, Sequence[Any]]] = []
        self._last = ""
        cuda = self._xp.cuda
        self._arena = arena.Arena(cuda, layout, cuda.get_allocator())
        stream = cuda.Stream(non_blocking=True)
        with ExitStack() as stack:
            stack.enter_context(self._recording.at_work("recording"))
            stack.enter_context(cuda.using_allocator(self._arena))
            stack.enter_context(noting(self._moves))
            stack.enter_context(watching(self._note))
            stack.enter_context(stream)
            self._graph = self._record(stream, play, game)
        self._places = self._recording.places(game.metrics)
        self._constants = {k: v for k, v in game.metrics.items() if k not in self._places}

    def _note(self, op: Op, xs: Tensors, ys: Tensors) -> None:
        self._last = op.name

    def _record(self, stream: Any, play: Take, game: Game) -> Any:
        step = game.step
        stream.begin_capture()
        try:
            game.step = _HostStep(step)
            play(game, _Slots(self._slots))
            self._bring_home()
            if self._recording.calls < len(self._moves):
                raise CaptureError("an optimizer's step is no CUDA kernel for these parameters")
        except Exception as error:
            with suppress(Exception):  # CuPy's own kind: a capture that broke has no graph
                stream.end_capture()
            if isinstance(error, TinyganError) and not isinstance(error, CaptureError):
                raise
            after = f" (after op {self._last!r})" if self._last else ""
            what = str(error).removeprefix(_REFUSED)
            raise CaptureError(f"{_REFUSED}{what}{after}") from error
        finally:
            game.step = step
        return stream.end_capture()

    def _bring_home(self) -> None:
        """Copy each tensor's new array into the one that the graph has read it from."""
        for t, home in self._homes:
            if t.data is not home:
                home[...] = t.data
                t.assign_(home)

    def launch(self, game: Game) -> None:
        """Replay the graph, and give the game its metrics."""
        self._recording.send(game.step)
        self._graph.launch(self._xp.cuda.get_current_stream())
        read = self._recording.read()
        metrics: Metrics = {name: read[k] for name, k in self._places.items()}
        game.metrics = self._constants | metrics

    def __call__(self, game: Game, source: Source) -> None:
        """Take one more step: new batches and numbers, then the graph."""
        for slot in self._slots:
            _fill(slot, next(source))
        for t, home in self._homes:
            if t.data is not home:
                raise CaptureError("a captured game's tensor was given another array between steps")
        with self._recording.at_work("refilling"), random.using(game.streams):
            for optimizer, grads in self._moves:
                optimizer.step(grads)
        self.launch(game)


def _refuse_step(*_: Any) -> Any:
    raise CaptureError("it depends on the number of the step (game.step)")


class _HostStep(int):
    """The number of the step while it is recorded: to use it raises, as a graph would keep it."""

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refuse_step
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = _refuse_step
    __floordiv__ = __truediv__ = __int__ = __float__ = __index__ = __bool__ = _refuse_step
    __hash__ = int.__hash__


class _Slots:
    """The batches of a recorded step: what a ``Source`` is to an eager one."""

    def __init__(self, slots: list[Any]) -> None:
        self.used: list[Any] = []
        self._ready = list(slots)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if not self._ready:
            raise CaptureError("it takes more batches than the step before it")
        self.used.append(self._ready.pop(0))
        return self.used[-1]


def _copied(batch: Any) -> Any:
    return tuple(x.copy(order="K") for x in batch) if isinstance(batch, tuple) else batch.copy("K")


def _fill(slot: Any, batch: Any) -> None:
    pairs = zip(slot, batch, strict=True) if isinstance(slot, tuple) else [(slot, batch)]
    for to, x in pairs:
        _check(to, x)
        to[...] = x


def _check(slot: Array, x: Array) -> None:
    if x.shape != slot.shape or x.dtype != slot.dtype:
        raise CaptureError(
            f"a captured step takes batches of {slot.dtype} {slot.shape}, got {x.dtype} {x.shape}"
        )
