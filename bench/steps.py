"""Whole training steps, beside the same step in PyTorch and JAX.

    python bench/steps.py --case dcgan64 [--batch 64] [--peer torch,jax] [--json FILE]
    python bench/steps.py --peer torch --variant eager --variant "compiled, channels last"

Cases: dcgan64 (DCGAN on 64 x 64 images), mlp (dense layers on 28 x 28), wgan_gp32 (a critic step
with gradient penalty on 32 x 32), sngan32 (SNGAN's ResNets on 32 x 32, one step of D, one of G). A
step of ours is `next(fit(...))`, with all that training does beside the mathematics: random
numbers, checks for NaN, the snapshot behind a step.

Before anything is timed, both sides take a step from the same weights on the same data, and their
losses must agree. All contestants take turns in one run (see timing.py). Peak memory is of a
process of its own for each contestant: how far the resident set grew beyond the imports.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import peers
import timing

from tinygan import nn, ops, optim, random
from tinygan.autograd import grad
from tinygan.autograd.tensor import Tensor
from tinygan.gan import Game, Recipe, alternating, fit, judge_both
from tinygan.gan.loop import new_game
from tinygan.gan.networks import (
    MLPDiscriminator,
    MLPGenerator,
    ResNetDiscriminator,
    ResNetGenerator,
)
from tinygan.recipes import dcgan, wgan_gp

LOSSES_AGREE = 2e-3  # relative: losses of float32 networks, summed in other orders


@dataclass(frozen=True)
class Case:
    """A training step.

    Attributes:
        recipe: ours.
        image: (C, H, W).
        nz: length of z.
        flops: multiply-adds of a step for each sample, times 2; what the mathematics needs.
        settings: of the recipe, beside the batch.
    """

    recipe: Recipe
    image: tuple[int, int, int]
    nz: int
    flops: float
    settings: dict[str, Any] = field(default_factory=dict)

    def config(self, batch: int) -> Any:
        """Return the recipe's settings."""
        return self.recipe.config(batch=batch, **self.settings)


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """Settings of the steps that no recipe has."""

    batch: int = 64


MLP_G, MLP_D = (256, 512), (512, 256)


def mlp_setup(
    config: BenchConfig,
    data_shape: tuple[int, ...],
    *,
    hidden_g: tuple[int, ...] = MLP_G,
    hidden_d: tuple[int, ...] = MLP_D,
) -> Game:
    """G 100-256-512-784, D 784-512-256-1, LeakyReLU, Adam: as in many tutorials."""
    leaky = lambda: nn.LeakyReLU(0.2)  # noqa: E731
    G = MLPGenerator(100, data_shape, hidden=hidden_g, act=leaky)
    D = MLPDiscriminator(data_shape, hidden=hidden_d, act=leaky)
    players = [optim.Adam(m.parameters(), 2e-4, betas=(0.5, 0.999)) for m in (G, D)]
    return Game(G, D, *players, nz=100)


def mlp_d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E softplus(-D(x)) + E softplus(D(G(z))), both from one pass of D: it has no batch norm."""
    return ops.logistic_d_loss(*judge_both(game.D, real, game.fake(z).detach()))


def mlp_g_loss(game: Game, z: Tensor) -> Tensor:
    """E softplus(-D(G(z)))."""
    return ops.nonsaturating_g_loss(game.D(game.fake(z)))


def sngan_setup(config: BenchConfig, data_shape: tuple[int, ...]) -> Game:
    """SNGAN-CIFAR's networks and Adam(2e-4, 0, 0.9): arXiv:1802.05957, table 3, setting C."""
    G, D = ResNetGenerator(128, data_shape), ResNetDiscriminator(data_shape)
    players = [optim.Adam(m.parameters(), 2e-4, betas=(0.0, 0.9)) for m in (G, D)]
    return Game(G, D, *players, nz=128)


def sngan_d_loss(game: Game, real: Tensor, z: Tensor) -> Tensor:
    """E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))."""
    return ops.hinge_d_loss(game.D(real), game.D(game.fake(z).detach()))


def sngan_g_loss(game: Game, z: Tensor) -> Tensor:
    """-E D(G(z))."""
    return ops.hinge_g_loss(game.D(game.fake(z)))


def critic_step(game: Game, batches: Iterator[Any]) -> dict[str, float]:
    """Take the critic's half of a step of WGAN-GP."""
    real = Tensor(next(batches))
    loss = wgan_gp.d_loss(game, real, game.latent(real.shape[0]))
    game.opt_d.step(grad(loss, game.opt_d.params))
    return {"loss_d": float(loss), "loss_g": float(loss)}


MLP = Recipe("mlp", "", mlp_setup, alternating(mlp_d_loss, mlp_g_loss, share_z=True), BenchConfig)
SNGAN = Recipe(
    "sngan", "", sngan_setup, alternating(sngan_d_loss, sngan_g_loss, share_z=True), BenchConfig
)
CRITIC = Recipe("critic", wgan_gp.RECIPE.paper, wgan_gp.setup, critic_step, wgan_gp.Config)

_MLP_G = 100 * 256 + 256 * 512 + 512 * 784  # multiply-adds of a pass
_MLP_D = 784 * 512 + 512 * 256 + 256
# D twice: forward, weights, inputs but the first layer's; G forward; then D forward and inputs; G's
# weights, and inputs but the first layer's
_MLP_STEP = 2 * (3 * _MLP_D - 784 * 512) + _MLP_G + 2 * _MLP_D + 2 * _MLP_G - 100 * 256


def dcgan_case(side: int, width: int = 64) -> Case:
    """Return DCGAN's step on images of 4 * 2^k pixels a side; width is that of its outer layers."""
    image, nz = (3, side, side), 100
    # multiply-adds of a pass: D from the image on; G has the same layers, but begins at z
    first = (side // 2) ** 2 * 3 * width * 16
    inner, size, channels = 0, side // 2, width
    while size > 4:
        size, channels = size // 2, 2 * channels
        inner += size * size * channels * (channels // 2) * 16
    z_layer = nz * channels * 16
    d, g = first + inner + channels * 16, z_layer + inner + first
    # D twice: forward, weights, inputs but the first layer's; G forward; then D forward and inputs;
    # G's weights, and inputs but the first layer's
    step = 2 * (3 * d - first) + g + 2 * d + 2 * g - z_layer
    return Case(dcgan.RECIPE, image, nz, 2.0 * step, {"ngf": width, "ndf": width})


CASES = {
    "dcgan64": dcgan_case(64),
    "mlp": Case(MLP, (1, 28, 28), 100, 2.0 * _MLP_STEP),
    "wgan_gp32": Case(CRITIC, (3, 32, 32), 128, 0.0),
    "sngan32": Case(SNGAN, (3, 32, 32), 128, 0.0),
}


def images(case: Case, batch: int) -> np.ndarray:
    """Return a batch of noise in [-1, 1], channels last in memory as `data` gives it."""
    rng = np.random.default_rng(0)
    c, h, w = case.image
    return rng.uniform(-1, 1, (batch, h, w, c)).astype(np.float32).transpose(0, 3, 1, 2)


def ours(case: Case, batch: int) -> Iterator[Game]:
    """Return the training loop: each `next` is a step."""
    real = images(case, batch)
    repeated = itertools.repeat(real)
    return fit(case.recipe, repeated, steps=sys.maxsize, seed=0, config=case.config(batch))


def initial_state(case: Case, batch: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the weights of G and D before the first step."""
    game = new_game(case.recipe, case.image, seed=0, config=case.config(batch))
    return game.G.state_dict(), game.D.state_dict()


def torch_step(case: Case, batch: int, variant: str, *, fixed: bool) -> Callable[[], Any]:
    """Return PyTorch's step; `fixed` gives it our first step's random numbers."""
    peer = importlib.import_module("peers.torch_steps")
    torch = peer.torch
    load = peer.load
    name, width = case.recipe.name, case.settings.get("ngf", 64)
    if name == "sngan":
        resnet = importlib.import_module("peers.torch_resnet")
        G, D, load = resnet.Generator(), resnet.Discriminator(), resnet.load
    elif name == "mlp":
        pixels = int(np.prod(case.image))
        G = peer.mlp((case.nz, *MLP_G, pixels), image=case.image)
        D = peer.mlp((pixels, *MLP_D, 1))
    else:
        G = peer.dcgan_generator(case.nz, case.image, width)
        D = peer.dcgan_discriminator(case.image, width, norm=name != "critic")
    for module, state in zip((G, D), initial_state(case, batch), strict=True):
        load(module, state)
    streams = random.Streams(0)
    streams.step = 1
    z = torch.from_numpy(streams.stream("z").normal((batch, case.nz)))
    real = torch.from_numpy(np.ascontiguousarray(images(case, batch)))
    options = {"z": z if fixed else None, "variant": peer.VARIANTS[variant], "nz": case.nz}
    if name == "sngan":
        return peer.HingeStep(G, D, real, betas=(0.0, 0.9), **options)
    if name != "critic":
        return peer.Step(G, D, real, **options)
    step = peer.CriticStep(G, D, real, lr=1e-4, betas=(0.5, 0.9), **options)
    if fixed:
        step.alpha = torch.from_numpy(streams.stream("alpha").uniform(batch)).reshape(-1, 1, 1, 1)
    return step


def contestants(case: Case, batch: int, others: list[str], variants: list[str]) -> dict[str, Any]:
    """Return the steps that compete, by name; each of PyTorch's has run once.

    Args:
        case: the step.
        batch: samples a step.
        others: peers: torch, jax.
        variants: of PyTorch's step.
    """
    loop = ours(case, batch)
    found: dict[str, Callable[[], Any]] = {"tinygan": lambda: next(loop)}
    if "torch" in others:
        peer = importlib.import_module("peers.torch_steps")
        peer.torch.set_num_threads(timing.native.num_threads())
        for variant in variants:
            try:
                step = torch_step(case, batch, variant, fixed=False)
                step()
            except Exception as error:
                print(f"torch {variant} fails: {str(error).splitlines()[0]}")
                continue
            found[f"torch {variant}"] = step
    if "jax" in others and case.recipe is MLP:
        jax_steps = importlib.import_module("peers.jax_steps")
        found["jax jit"] = jax_steps.mlp_step(initial_state(case, batch), images(case, batch))
    return found


def torch_variants(asked: list[str] | None, others: list[str]) -> list[str]:
    """Return the variants of PyTorch's step that were asked for; all of them if none was.

    Raises:
        SystemExit: there is none of that name, or PyTorch is not among the peers.
    """
    if "torch" not in others:
        if asked:
            raise SystemExit("--variant names a variant of PyTorch's step: add --peer torch")
        return []
    known = importlib.import_module("peers.torch_steps").VARIANTS
    for name in asked or ():
        if name not in known:
            fits = ", ".join(f'"{each}"' for each in known)
            raise SystemExit(f'--variant "{name}": PyTorch\'s step has {fits}')
    return asked or list(known)


def compare(case: Case, batch: int) -> str:
    """Take the first step on both sides; return a line that says how far the losses differ.

    Raises:
        SystemExit: they differ by more than rounding.
    """
    game = next(ours(case, batch))
    mine = np.array([game.metrics["loss_d"], game.metrics["loss_g"]])
    theirs = np.array(torch_step(case, batch, "eager", fixed=True)())
    apart = float(np.max(abs(mine - theirs) / abs(theirs)))
    if not apart <= LOSSES_AGREE:
        shape = f"{case.recipe.name} {case.image}, batch {batch}"
        raise SystemExit(f"{shape}: losses {mine} and PyTorch's {theirs} differ: nothing is timed")
    return f"losses of the first step agree with PyTorch's to {apart:.0e}"


def peak_memory(name: str, batch: int, contestant: str) -> float:
    """Return by how many MB the resident set of a process grows in three steps."""
    command = [sys.executable, __file__, "--case", name, "--batch", str(batch)]
    done = subprocess.run(
        [*command, "--peak", contestant], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[-1])


def print_peak(name: str, batch: int, contestant: str) -> None:
    """Take three steps of one contestant in this process and print the growth in MB."""
    case, side = CASES[name], contestant.split()[0]
    if side == "torch":
        importlib.import_module("peers.torch_steps").torch.set_num_threads(
            timing.native.num_threads()
        )
    before = highest_resident_set()
    if side == "torch":
        step = torch_step(case, batch, contestant.partition(" ")[2], fixed=False)
    else:
        loop = ours(case, batch)
        step = lambda: next(loop)  # noqa: E731
    for _ in range(3):
        step()
    print(highest_resident_set() - before)


def highest_resident_set() -> float:
    """Return the peak of this process's resident set in MB; getrusage's may be its parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def report(name: str, batch: int, result: timing.Result, memory: dict[str, float]) -> None:
    """Print a table, the fastest peer marked."""
    case = CASES[name]
    probe = f"probe {100 * result.quality:.0f} % of two threads, {result.dropped} rounds dropped"
    print(f"{name}, batch {batch}, {len(result.rounds)} rounds; {probe}")
    mine = result.timings["tinygan"].median
    rivals = [k for k in result.timings if k != "tinygan"]
    best = min(rivals, key=lambda k: result.timings[k].median, default=None)
    print(f"{'':32s}{'ms':>9s}{'least':>9s}{'x tinygan':>11s}{'GFLOP/s':>9s}{'peak MB':>9s}")
    for key, timed in result.timings.items():
        rate = case.flops * batch / timed.median / 1e9
        print(
            f"{key + ' *' * (key == best):32s}{1e3 * timed.median:9.2f}{1e3 * timed.best:9.2f}"
            f"{timed.median / mine:11.2f}{rate or float('nan'):9.1f}{memory.get(key, np.nan):9.0f}"
        )


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, default="dcgan64")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument(
        "--peer", default="", help="torch, jax or torch,jax: the packages installed"
    )
    parser.add_argument(
        "--variant", action="append", help="of PyTorch; once for each, all if not given"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-memory", action="store_true", help="leave peak memory out")
    parser.add_argument("--json", type=Path, help="append one line a contestant to this file")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Compare, measure, print a table and append JSON lines."""
    args = parse()
    if args.peak:
        return print_peak(args.case, args.batch, args.peak)
    case, others = CASES[args.case], peers.named(args.peer, ("torch", "jax"))
    variants = torch_variants(args.variant, others)
    if "torch" in others:
        print(compare(case, args.batch))
    steps = contestants(case, args.batch, others, variants)
    result = timing.take_turns(steps, rounds=args.rounds, seconds=0.3)
    measured = [] if args.no_memory else [k for k in steps if k != "jax jit"]
    memory = {key: peak_memory(args.case, args.batch, key) for key in measured}
    report(args.case, args.batch, result, memory)
    if args.json:
        context = timing.environment() | {"bench": "steps", "case": args.case, "batch": args.batch}
        context |= {"probe_quality": result.quality, "rounds": len(result.rounds)}
        with args.json.open("a") as out:
            for key, timed in result.timings.items():
                row = {"contestant": key, "median_ms": 1e3 * timed.median}
                row |= {"least_ms": 1e3 * timed.best, "peak_mb": memory.get(key)}
                out.write(json.dumps(context | row) + "\n")
    return None


if __name__ == "__main__":
    main()
