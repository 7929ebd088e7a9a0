"""Kernels beside PyTorch's: cuDNN for convolutions, eager chains and torch.compile for the rest.

Shapes are DCGAN-64's at batch 128, float32, channels last. Both sides work on the same memory
(through DLPack). TF32 is off on PyTorch's side: the products are float32's on both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from clock import Race, distance, seconds_of

from tinygan import kernels
from tinygan.kernels.conv2d.spec import ConvSpec

BATCH = 128
TOLERANCE = 1e-4  # of the largest output: float32 sums of some thousand products in other orders
# D's layers: (C, O, H); the first is the image's
LAYERS = ((3, 64, 64), (64, 128, 32), (128, 256, 16), (256, 512, 8))
SPEC = ConvSpec.of(stride=2, padding=1)


def ceilings(record: Any, cupy: Any, torch: Any) -> None:
    """Measure how fast memory is copied, and matrices are multiplied by cuBLAS."""
    a, b = cupy.ones(1 << 27, "f4"), cupy.empty(1 << 27, "f4")
    seconds = min(seconds_of(lambda: cupy.copyto(b, a), 10) for _ in range(5))
    record.add("ceilings", name="copy", gb_per_s=2 * a.nbytes / seconds / 1e9)
    x = torch.randn(8192, 8192, device="cuda")
    for name, allowed in (("fp32", False), ("tf32", True)):
        torch.backends.cuda.matmul.allow_tf32 = allowed
        seconds = min(seconds_of(lambda: torch.mm(x, x), 3) for _ in range(3))
        record.add("ceilings", name=f"matmul {name}", tflops=2 * 8192**3 / seconds / 1e12)
    torch.backends.cuda.matmul.allow_tf32 = False


def _image(cupy: Any, *shape: int) -> Any:
    n, c, h, w = shape
    return cupy.random.standard_normal((n, h, w, c), dtype="f4").transpose(0, 3, 1, 2)


def _race(
    name: str,
    ours: Callable[[], Any],
    theirs: dict[str, Callable[[], Any]],
    *,
    bytes_moved: int = 0,
    flops: float = 0.0,
) -> Race:
    def _compare() -> float:
        mine = ours().get()
        apart = max(distance(mine, fn().detach().cpu().numpy()) for fn in theirs.values())
        if not apart < TOLERANCE:
            raise ValueError(f"outputs are {apart:.1e} of the largest apart")
        return apart

    def _columns(seconds: float) -> dict[str, float]:
        found = {"gb_per_s": bytes_moved / seconds / 1e9} if bytes_moved else {}
        return found | ({"tflops": flops / seconds / 1e12} if flops else {})

    return Race(name, {"tinygan": ours, **theirs}, _compare, _columns)


def races(cupy: Any, torch: Any) -> Iterator[Race]:
    """Yield the races of kernels."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    yield from _pointwise(cupy, torch)
    yield from _norms(cupy, torch)
    yield from _adam(cupy, torch)
    for layer in LAYERS:
        yield from _convolutions(cupy, torch, *layer)


def _pointwise(cupy: Any, torch: Any) -> Iterator[Race]:
    x, b = _image(cupy, BATCH, 64, 32, 32), cupy.random.standard_normal(64, dtype="f4")
    tx, tb = torch.from_dlpack(x), torch.from_dlpack(b).reshape(1, -1, 1, 1)

    def chain(x: Any, b: Any) -> Any:
        return torch.nn.functional.leaky_relu(x + b, 0.2)

    compiled = torch.compile(chain)
    yield _race(
        "bias + leaky_relu (128, 64, 32, 32)",
        lambda: kernels.call("bias_act", x, b, act="leaky_relu", alpha=0.2),
        {"torch eager": lambda: chain(tx, tb), "torch compiled": lambda: compiled(tx, tb)},
        bytes_moved=2 * x.nbytes,
    )
    yield _race(
        "sum of all (128, 64, 32, 32)",
        lambda: kernels.call("sum", x, axis=(0, 1, 2, 3), keepdims=False),
        {"torch": lambda: tx.sum()},
        bytes_moved=x.nbytes,
    )


def _norms(cupy: Any, torch: Any) -> Iterator[Race]:
    x = _image(cupy, BATCH, 128, 16, 16)
    weight, bias = cupy.ones(128, "f4"), cupy.zeros(128, "f4")
    tx, tw, tb = (torch.from_dlpack(a) for a in (x, weight, bias))

    def ours() -> Any:
        mean, var = kernels.call("batch_norm_stats", x)
        return kernels.call("batch_norm", x, weight, bias, mean, var, eps=1e-5)

    def theirs(x: Any) -> Any:
        return torch.nn.functional.batch_norm(x, None, None, tw, tb, training=True)

    yield _race(
        "batch norm with its statistics (128, 128, 16, 16)",
        ours,
        {"torch cuDNN": lambda: theirs(tx)},
        bytes_moved=3 * x.nbytes,
    )


def _adam(cupy: Any, torch: Any) -> Iterator[Race]:
    sizes = [64 * 3 * 16, 128 * 64 * 16, 256 * 128 * 16, 512 * 256 * 16, 512 * 16]
    flat = [cupy.random.random(n, dtype="f4") for n in sizes for _ in range(4)]
    params = [torch.rand(n, device="cuda", requires_grad=True) for n in sizes]
    for p in params:
        p.grad = torch.rand_like(p)
    theirs = torch.optim.Adam(params, fused=True)
    options = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0}
    yield Race(
        "Adam on DCGAN-64's D",
        {
            "tinygan": lambda: kernels.call("adam", *flat, **options, decoupled=False, step=3),
            "torch fused": theirs.step,
        },
        lambda: 0.0,  # their agreement is the conformance suite's
        lambda seconds: {"gb_per_s": 28 * sum(sizes) / seconds / 1e9},
    )


def _convolutions(cupy: Any, torch: Any, c: int, o: int, h: int) -> Iterator[Race]:
    """Yield forward, input gradient and weight gradient of a 4 x 4 layer of stride 2."""
    x, gy = _image(cupy, BATCH, c, h, h), _image(cupy, BATCH, o, h // 2, h // 2)
    w = cupy.random.standard_normal((o, c, 4, 4), dtype="f4")
    tx, tg, tw = (torch.from_dlpack(a) for a in (x, gy, w))
    wide = tw.contiguous(memory_format=torch.channels_last)
    flops = 2.0 * BATCH * (h // 2) ** 2 * o * c * 16
    ops = torch.ops.aten.convolution_backward

    def back(mask: list[bool], weight: Any) -> Any:
        found = ops(tg, tx, weight, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, mask)
        return next(t for t in found if t is not None)

    def conv() -> Any:
        return torch.nn.functional.conv2d(tx, wide, stride=2, padding=1)

    layer = f"conv {c} -> {o}, {h} px"
    call = kernels.call
    yield _race(f"{layer}, forward", lambda: call("conv2d", x, w, spec=SPEC),
                {"cuDNN": conv}, flops=flops)  # fmt: skip
    yield _race(f"{layer}, dgrad",
                lambda: call("conv2d_dgrad", gy, w, spec=SPEC, x_shape=x.shape),
                {"cuDNN": lambda: back([True, False, False], wide)}, flops=flops)  # fmt: skip
    yield _race(f"{layer}, wgrad",
                lambda: call("conv2d_wgrad", x, gy, spec=SPEC, w_shape=w.shape),
                {"cuDNN": lambda: back([False, True, False], wide)}, flops=flops)  # fmt: skip
