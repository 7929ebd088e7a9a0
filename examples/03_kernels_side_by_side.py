"""3. One op, several kernels: who would run, who refuses and why, and do they agree?

A kernel is a plain function on arrays. The registry holds a NumPy reference of every op, written
for reading, and faster variants beside it (``tinygan/kernels/conv2d/`` shows all of them).
"""

import time

import numpy as np

from tinygan import kernels
from tinygan.kernels.arrays import as_channels_last
from tinygan.kernels.conv2d.spec import ConvSpec

rng = np.random.default_rng(0)
x = as_channels_last(rng.normal(size=(16, 32, 16, 16)).astype(np.float32))
w = rng.normal(size=(64, 32, 4, 4)).astype(np.float32)
spec = ConvSpec.of(stride=2, padding=1)

print(kernels.explain("conv2d", x, w, spec=spec), "\n")

# The truth: the reference in float64. The yardstick: eps times the sum of |x| |w| an output.
exact = kernels.kernels("conv2d")
reference = next(k for k in exact if k.backend == "numpy")
truth = reference.fn(x.astype(np.float64), w.astype(np.float64), spec=spec)
size = reference.fn(np.abs(x).astype(np.float64), np.abs(w).astype(np.float64), spec=spec)

flop = 2 * truth.size * w[0].size
for kernel in exact:
    why = kernel.refusal(x, w, spec=spec)
    if why:
        print(f"{kernel.key:32s} refuses: {why}")
        continue
    y = kernel.fn(x, w, spec=spec)  # once unmeasured: Numba compiles here
    start = time.perf_counter()
    y = kernel.fn(x, w, spec=spec)
    seconds = time.perf_counter() - start
    error = float((np.abs(y - truth) / size).max() / np.finfo(np.float32).eps)
    print(f"{kernel.key:32s} {flop / seconds / 1e9:7.1f} GFLOP/s, error {error:.2f} eps")
    assert error < 64

# A backend that was named never falls back in silence.
with kernels.use_backend("numpy"):
    assert kernels.choose("conv2d", x, w, spec=spec).backend == "numpy"
