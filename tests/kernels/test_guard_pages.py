"""The C++ kernels on arrays that end, or begin, at a page that may not be touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from kernel_checks import native_or_skip

ROOT = Path(__file__).resolve().parents[2]

# Runs in a process of its own: a stray access kills it.
CODE = """
import ctypes, mmap
import numpy as np
from tinygan.kernels.native import native

libc, page, kept = ctypes.CDLL(None, use_errno=True), mmap.PAGESIZE, []

def place(array, at_end):
    body = -(-max(array.nbytes, 1) // page) * page
    memory = mmap.mmap(-1, body + 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    start = page + (body - array.nbytes if at_end else 0)
    out = np.frombuffer(memory, array.dtype, array.size, start).reshape(array.shape)
    out[...] = array
    for guard in (address, address + page + body):
        if libc.mprotect(ctypes.c_void_p(guard), ctypes.c_size_t(page), 0) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    kept.append(memory)
    return out.transpose(0, 3, 1, 2) if out.ndim == 4 else out  # images are given as N, H, W, C

def placed_at(a, at_end):
    if isinstance(a, tuple):
        return tuple(placed_at(part, at_end) for part in a)
    return place(a, at_end) if isinstance(a, np.ndarray) else a

def run(name, *args):
    for at_end in (True, False):
        placed = [placed_at(a, at_end) for a in args]
        getattr(native, name)(*placed)
        kept.clear()

def run_max(x, y, index, params):  # the index is an image of no floats: not given as N, C, H, W
    for at_end in (True, False):
        kept_index = place(index, at_end).transpose(0, 2, 3, 1)
        native.max_pool2d(place(x, at_end), place(y, at_end), kept_index, params)
        kept.clear()

def run_layer(x, w, bias, y):  # and the products of its gradients
    for at_end in (True, False):
        x, w, bias, y = (place(each, at_end) for each in (x, w, bias, y))
        native.matmul(x, w.T, bias, y)
        native.matmul(y, w, None, x)
        native.matmul(y.T, x, None, w)

for dtype in (np.float32, np.float64):
    def a(*shape):
        return np.ones(shape, dtype)
    for m, n, k in ((1, 150, 30), (9, 257, 70), (20, 300, 1024), (64, 90, 100), (34, 12, 29)):
        run_layer(a(m, k), a(n, k), a(n), a(m, n))
    kept.clear()
    for rows, c in ((1, 1), (3, 1), (5, 3), (7, 17), (2, 33), (130, 5), (33, 128), (1, 1025)):
        x, v = a(rows, c), a(c)
        m = np.ones((1, c))
        run("batch_norm_stats", x, m, m)
        for slope in (1.0, 0.0, 0.2):
            run("batch_norm", x, v, v, m, m, 1e-5, slope, x)
            run("batch_norm_vjp", x, v, v, x, m, m, 1e-5, slope, x, v, v)
        run("layer_norm", x, v, v, 1e-5, x)
        run("layer_norm_vjp", x, v, x, 1e-5, x, v, v)
        run("softmax", x, x)
        run("softmax_vjp", x, x, x)
        run("logsumexp", x, a(rows))
        heads = [a(2, *shape) for shape in ((rows, 3), (c, 3), (c, 5), (rows, 5))]
        run("attention", *heads[:3], 0.5, heads[3])
        run("attention_vjp", *heads, 0.5, *heads[:3])
        for samples, groups in ((1, 1), (2, c), (3, 1)):
            boxes = a(samples, rows, c)
            run("group_norm", boxes, v, v, groups, 1e-5, boxes)
            run("group_norm_vjp", boxes, v, boxes, groups, 1e-5, boxes, v, v)
        for act in range(9):
            slope = v if act == 3 else None
            run("bias_act", x, v, slope, act, 0.2, 1.0, 0.5, x)
            run("bias_act_vjp", x, v, slope, x, act, 0.2, 1.0, None, x, v, slope)
        run("spectral_norm", x, a(rows), v, x)
        run("spectral_norm_vjp", x, a(rows), v, x, x, a(rows), v)
        run("power_iteration", x, 2, 1e-12, a(rows), v)
        for kind in range(4):
            run("gan_loss", x.ravel(), kind, 1.0, a())
            run("gan_loss_vjp", x.ravel(), a(), kind, 1.0, x.ravel())
        flat = [x.ravel()] * 4
        run("adam", 0.1, 0.5, 0.9, 1e-8, 0.0, False, 1, *flat)
        run("sgd", 0.1, 0.9, 0.1, 0.1, True, False, *flat[:3])
        run("rmsprop", 0.1, 0.9, 1e-8, 0.1, 0.9, True, *flat, flat[0])
        run("state_copy", *flat)
        run("state_average", 0.9, *flat)
        run("state_finite", *flat)
        run("matmul", x, a(c, 3), a(3), a(rows, 3))
        run("philox", 1, 2, 3, 4, 5, x)
        for kind in range(3):
            run("reduce", a(2, rows, c), kind, a(2, c))
            run("reduce", a(c, rows, 1), kind, a(c, 1))
    for c in (1, 3, 4, 16, 17, 33, 65, 130):
        for n, h, w in ((1, 1, 1), (2, 3, 5), (1, 9, 4)):
            x = a(n, h, w, c)
            y, f = a(n, 2 * h, 2 * w, c), a(4, 3)
            for params in ((2, 2, 1, 1, 2, 1), (2, 2, 1, 1, -1, 3), (1, 1, 1, 1, 9, -9)):
                run("upfirdn2d", x, f, y, params)
                run("upfirdn2d_fgrad", x, y, f, params)
            run("upfirdn2d", y, f, x, (1, 1, 2, 2, 1, 0))
            run("upfirdn2d_fgrad", y, x, f, (1, 1, 2, 2, 1, 0))
            cols = a(n, (h + 1) * w, c * 6)
            run("unfold", x, cols, (2, 3, 1, 1, 1, 1, 1, 1))
            run("fold", cols, x, (2, 3, 1, 1, 1, 1, 1, 1))
            rows, columns = ((np.arange(size + 1) * 2, np.arange(2 * size) // 2 % size, a(2 * size))
                             for size in (h, w))
            run("resize2d", x, rows, columns, x)
            for r in (1, 2, 3):
                coarse, fine = a(n, h, w, c * r * r), a(n, h * r, w * r, c)
                run("pixel_shuffle", coarse, r, fine)
                run("pixel_unshuffle", fine, r, coarse)
            for kernel, stride, pad in ((2, 2, 0), (3, 2, 1), (1, 3, 0), (3, 1, 1)):
                p, q = ((size + 2 * pad - kernel) // stride + 1 for size in (h, w))
                if p < 1 or q < 1:
                    continue
                params, pooled = (*[kernel] * 2, *[stride] * 2, *[pad] * 2), a(n, p, q, c)
                for count_pad in (False, True):
                    run("avg_pool2d", x, pooled, params, count_pad)
                    run("avg_pool2d_adjoint", pooled, x, params, count_pad)
                index = np.full((n, p * q, c), h * w - 1)
                run_max(x, pooled, index.reshape(n, p, q, c), params)
                flat, picked = x.reshape(n, h * w, c), pooled.reshape(n, p * q, c)
                run("gather2d", flat, index, picked)
                run("scatter2d", picked, index, flat)
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
@pytest.mark.parametrize("isa", ["base", "avx2", "avx512"])
def test_kernels_touch_nothing_outside_their_arrays(isa):
    native = native_or_skip()
    order = ("base", "avx2", "avx512")
    if order.index(isa) > order.index(native.best_isa):
        pytest.skip(f"this CPU has no {isa}")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TINYGAN_ISA": isa}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=300)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr[-2000:]
