"""Whole training steps on a GPU, eager and captured, beside PyTorch's in its faster variants.

The steps, their peers and the comparison of their losses are those of ``bench/steps.py``. PyTorch
runs in float32, in TF32, in mixed precision (bfloat16), and captured as a CUDA graph; compiled
(``max-autotune``), which takes minutes, in the last race alone.
"""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

from clock import Race

from tinygan import random
from tinygan.gan import fit

PLAN = (  # case of bench/steps.py, batch; the small ones first, where launches decide
    *(("mlp", n) for n in (64, 256)),
    *(("dcgan32", n) for n in (16, 64)),
    *(("dcgan64", n) for n in (16, 64, 128, 512)),
    ("dcgan128", 64),
    ("sngan32", 64),
)
AGREE = 2e-3  # relative: losses of float32 networks, summed in other orders


def races(cupy: Any, torch: Any) -> Iterator[Race]:
    """Yield the races of steps."""
    steps = importlib.import_module("steps")
    torch.set_default_device("cuda")
    cases = steps.CASES | {f"dcgan{side}": steps.dcgan_case(side) for side in (32, 128)}
    for name, batch in PLAN:
        yield _race(steps, cases[name], f"{name}, batch {batch}", batch, cupy, torch)
    yield _compiled_race(steps, cases["dcgan64"], "dcgan64, batch 64, compiled", 64, cupy, torch)


def _ours(steps: Any, case: Any, batch: int, cupy: Any, capture: bool) -> Callable[[], Any]:
    repeated = itertools.repeat(cupy.asarray(steps.images(case, batch)))
    with random.using(random.Streams(0, cupy)):
        loop = fit(case.recipe, repeated, steps=sys.maxsize, config=case.config(batch),
                   capture=capture)  # fmt: skip

    def step() -> Any:
        with random.using(random.Streams(0, cupy)):
            return next(loop)

    return step


def _theirs(steps: Any, case: Any, batch: int, torch: Any, variant: str) -> Callable[[], Any]:
    step = steps.torch_step(case, batch, variant, fixed=False)
    step.G, step.D = step.G.cuda(), step.D.cuda()
    step.real = step.real.cuda()
    return step


def _graph(step: Any, torch: Any) -> Callable[[], Any]:
    """Capture PyTorch's step as one graph: no losses are read, Adam keeps its counts on the GPU."""
    for optimizer in (step.opt_g, step.opt_d):
        for group in optimizer.param_groups:
            group["capturable"] = True
    step.reads = False
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _race(steps: Any, case: Any, name: str, batch: int, cupy: Any, torch: Any) -> Race:
    contestants: dict[str, Callable[[], Any]] = {
        "tinygan": _ours(steps, case, batch, cupy, True),
        "tinygan eager": _ours(steps, case, batch, cupy, False),
    }
    for variant in ("eager", "fused Adam"):
        contestants[f"torch {variant}"] = _theirs(steps, case, batch, torch, variant)
    graphed = _theirs(steps, case, batch, torch, "fused Adam")
    contestants["torch graph"] = _later(lambda: _graph(graphed, torch))
    contestants["torch TF32"] = _with_tf32(_theirs(steps, case, batch, torch, "fused Adam"), torch)
    contestants["torch AMP"] = _with_amp(_theirs(steps, case, batch, torch, "fused Adam"), torch)
    return Race(name, contestants, lambda: _apart(steps, case, batch, cupy, torch))


def _compiled_race(steps: Any, case: Any, name: str, batch: int, cupy: Any, torch: Any) -> Race:
    step = _theirs(steps, case, batch, torch, "fused Adam")

    def compiled() -> Callable[[], Any]:
        # without the compiler's own graphs: D's two outputs would share one
        mode = "max-autotune-no-cudagraphs"
        step.run_G, step.run_D = (torch.compile(net, mode=mode) for net in (step.G, step.D))
        return step

    contestants = {"tinygan": _ours(steps, case, batch, cupy, True), "torch": _later(compiled)}
    return Race(name, contestants, lambda: _apart(steps, case, batch, cupy, torch))


def _later(make: Callable[[], Callable[[], Any]]) -> Callable[[], Any]:
    """Make a contestant when it first runs."""
    made: list[Callable[[], Any]] = []

    def run() -> Any:
        if not made:
            made.append(make())
        return made[0]()

    return run


def _with_tf32(step: Callable[[], Any], torch: Any) -> Callable[[], Any]:
    def run() -> Any:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
        try:
            return step()
        finally:
            torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False

    return run


def _with_amp(step: Callable[[], Any], torch: Any) -> Callable[[], Any]:
    """Run a step in bfloat16, whose range needs no scaling of the losses."""

    def run() -> Any:
        with torch.autocast("cuda", dtype=torch.bfloat16):
            return step()

    return run


def _apart(steps: Any, case: Any, batch: int, cupy: Any, torch: Any) -> float:
    """Take the first step on both sides; return how far the losses differ, relatively."""
    game = _ours(steps, case, batch, cupy, False)()
    mine = [game.metrics["loss_d"], game.metrics["loss_g"]]
    step = _theirs(steps, case, batch, torch, "eager")
    step.z = torch.from_numpy(_first_latent(case, batch)).cuda()
    theirs = step()
    apart = max(abs(a - b) / abs(b) for a, b in zip(mine, theirs, strict=True))
    if not apart <= AGREE:
        raise ValueError(f"losses {mine} and PyTorch's {theirs} differ")
    return apart


def _first_latent(case: Any, batch: int) -> Any:
    streams = random.Streams(0)
    streams.step = 1
    return streams.stream("z").normal((batch, case.nz))
