"""Write docs/cuda.md: what each CUDA kernel compiles to, and the goals. It needs no GPU.

python bench/gpu/gate.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench" / "gpu")]

import goals  # noqa: E402 - beside this file

from tinygan.kernels.cuda import TABLE, nvrtc  # noqa: E402 - from this checkout
from tinygan.kernels.cuda.spec import ARCHITECTURES, CudaKernel  # noqa: E402

HEAD = """# What the CUDA kernels compile to

Made by `python bench/gpu/gate.py`: registers of a thread by architecture, as NVRTC {version}'s
assembler reports them, with the cap that `tests/kernels/test_cuda_gate.py` holds each to, and the
instructions that a kernel promises. None spills, and none uses local memory.

| kernel | source | {archs} | cap | promised |
|---|---|{rules}---|---|
"""

GOALS = """
## On a GPU

`python bench/gpu/measure.py` measures these, side by side in one run, and keeps every row in
`bench/results`.

"""


def row(kernel: CudaKernel) -> str:
    """Write a kernel's line."""
    registers = []
    for arch in ARCHITECTURES:
        log = nvrtc.cubin(kernel.file, arch, kernel.options)[1]
        registers.append(str(nvrtc.resources(log)[kernel.entry].registers))
    promised = ", ".join(f"`{opcode}`" for opcode in kernel.opcodes)
    cells = [f"`{kernel.entry}`", f"`{kernel.file}`", *registers, str(kernel.registers), promised]
    return f"| {' | '.join(cells)} |\n"


def page() -> str:
    """Return the page."""
    head = HEAD.format(
        version=".".join(map(str, nvrtc.version())),
        archs=" | ".join(ARCHITECTURES),
        rules="---|" * len(ARCHITECTURES),
    )
    reached = goals.table(goals.newest(ROOT / "bench" / "results"))
    return head + "".join(map(row, TABLE.values())) + GOALS + reached


if __name__ == "__main__":
    (ROOT / "docs" / "cuda.md").write_text(page())
