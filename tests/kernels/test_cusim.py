"""The emulator of CUDA: what it runs, and the mistakes that it must not let pass."""

import numpy as np
import pytest
import strict_cuda

from tinygan.errors import CompileError, LaunchError
from tinygan.kernels.cuda import cusim, launch, nvrtc, sources, table
from tinygan.kernels.cuda.spec import CudaKernel

pytestmark = pytest.mark.skipif(cusim.why_not() is not None, reason=str(cusim.why_not()))

REVERSE = """
#include "common/tg_device.cuh"
TG_KERNEL __launch_bounds__(64) probe(const float* x, float* y, int n) {
  __shared__ float tile[64];
  tile[threadIdx.x] = x[threadIdx.x];
  BARRIER;
  y[threadIdx.x] = tile[63 - threadIdx.x];
}
"""


@pytest.fixture
def probe(tmp_path, monkeypatch):
    """Return a function that makes ``probe`` of a source the only kernel, and launches it."""
    for part in ("common", "cusim"):
        (tmp_path / part).symlink_to(sources.root() / part)
    monkeypatch.setattr(sources, "root", lambda: tmp_path)
    for cached in (sources.text, sources.files_of, sources.digest, sources.kernels_of):
        monkeypatch.setattr(sources, cached.__name__, cached.__wrapped__)
    monkeypatch.setattr(cusim, "_library", cusim._library.__wrapped__)

    def run(text, threads=64, blocks=1, shared=None, **changes):
        (tmp_path / "probe.cu").write_text(text)
        row = CudaKernel(
            entry="probe",
            file="probe.cu",
            threads=threads,
            grid=lambda **_: (blocks, 1, 1),
            registers=255,
            shared=None if shared is None else lambda **_: shared,
        )
        monkeypatch.setitem(table.TABLE, "probe", row)
        x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
        launch("probe", **({"x": x, "y": y, "n": 64} | changes))
        return y

    return run


def body(code, shared=""):
    head = '#include "common/tg_device.cuh"\nTG_KERNEL probe(const float* x, float* y, int n) {\n'
    return f"{head}{shared}\nint t = threadIdx.x; {code}\n}}\n"


def every_order(run, *args, **kwargs):
    """Run in each of the three orders of threads."""
    return [run(*args, **kwargs) for _ in range(3)]


def test_shared_memory_is_read_after_a_barrier_in_every_order(probe):
    for y in every_order(probe, REVERSE.replace("BARRIER", "__syncthreads()")):
        np.testing.assert_array_equal(y, np.arange(64)[::-1])


def test_a_missing_barrier_shows_as_nan_in_some_order(probe):
    found = every_order(probe, REVERSE.replace("BARRIER;", ""))
    assert all(np.isnan(y).any() for y in found)


def test_dynamic_shared_memory_is_filled_with_nan_before_each_block(probe):
    code = body("y[t] = tile[t]; tile[t] = 1;", "TG_DYNAMIC_SHARED(float, tile);")
    assert np.isnan(probe(code, blocks=2, shared=256)).all()


def test_threads_that_wait_for_others_for_ever_are_an_error(probe):
    with pytest.raises(LaunchError, match=r"probe: threads wait for others that never come"):
        probe(body("if (t == 0) __shfl_sync(3u, 1.0f, 1); else __syncthreads();"))


def test_lanes_of_one_mask_in_two_collectives_are_an_error(probe):
    with pytest.raises(LaunchError, match="met in different collectives"):
        probe(body("if (t % 2) __syncwarp(); else __shfl_xor_sync(0xffffffffu, 1.0f, 1);"))


def test_two_kinds_of_shuffle_under_one_mask_are_an_error(probe):
    code = "t % 2 ? __shfl_xor_sync(~0u, 1.0f, 1) : __shfl_down_sync(~0u, 1.0f, 1);"
    with pytest.raises(LaunchError, match="met in different collectives"):
        probe(body(code))


def test_a_lane_outside_of_its_own_mask_is_an_error(probe):
    with pytest.raises(LaunchError, match=r"not in the mask of its own collective .*thread 1\)"):
        probe(body("if (t < 2) __syncwarp(1u);"), threads=32)


def test_shuffles_and_votes_are_those_of_cuda(probe):
    up = probe(body("y[t] = __shfl_down_sync(~0u, x[t], 3);"))
    np.testing.assert_array_equal(up[:32], [*range(3, 32), 29, 30, 31])
    vote = probe(body("y[t] = __ballot_sync(~0u, t % 32 < 4);"))
    np.testing.assert_array_equal(vote, 15)
    total = probe(body("y[t] = warp_sum(x[t]);"))
    np.testing.assert_array_equal(total, np.repeat([sum(range(32)), sum(range(32, 64))], 32))


def test_lanes_that_left_count_as_arrived(probe):
    y = probe(body("if (t % 32 > 15) return; __syncwarp(); y[t] = 1;"))
    np.testing.assert_array_equal(y, np.arange(64) % 32 <= 15)


def test_block_sum_adds_whole_blocks(probe):
    code = body("y[t] = block_sum(x[t], s);", "__shared__ float s[kMostWarps];")
    for y in every_order(probe, code):
        np.testing.assert_array_equal(y, np.arange(64).sum())


COPIES = """
#include "common/tg_ptx.cuh"
TG_KERNEL __launch_bounds__(64) probe(const float* x, float* y, int n) {
  __shared__ __align__(16) float tile[128];
  int t = threadIdx.x;
  if (t < 16) copy_async16(tile + 4 * t, x + 4 * t, t < 15 ? 16 : 8);
  commit_copies();
  if (t < 16) copy_async16(tile + 64 + 4 * t, x + 4 * t);
  commit_copies();
  WAIT
  __syncthreads();
  y[t] = tile[t + PART];
  __syncthreads();
  wait_for_copies<0>();
}
"""


@pytest.mark.parametrize(
    ("wait", "part", "landed"),
    [
        ("wait_for_copies<1>();", 0, True),
        ("wait_for_copies<1>();", 64, False),
        ("wait_for_copies<0>();", 64, True),
        ("", 0, False),
    ],
)
def test_an_asynchronous_copy_lands_when_it_is_waited_for(probe, wait, part, landed):
    text = COPIES.replace("WAIT", wait).replace("PART", str(part))
    for y in every_order(probe, text):
        if not landed:
            assert np.isnan(y).all()
            continue
        expected = np.arange(64, dtype=np.float32)
        if part == 0:
            expected[62:] = 0  # the last copy took 8 of its 16 bytes
        np.testing.assert_array_equal(y, expected)


def test_a_copy_that_nobody_waits_for_is_an_error(probe):
    text = COPIES.replace("WAIT", "").replace("PART", "0").replace("wait_for_copies<0>();", "")
    with pytest.raises(LaunchError, match="left with copies that nobody waited for"):
        probe(text)


@pytest.mark.parametrize("arch", ["sm_80", "sm_90", "sm_100"])
def test_an_asynchronous_copy_compiles_to_one_instruction(probe, arch):
    if reason := nvrtc.why_not():
        pytest.skip(reason)
    probe(COPIES.replace("WAIT", "wait_for_copies<0>();").replace("PART", "0"))
    log = nvrtc.cubin("probe.cu", arch)[1]
    assert nvrtc.resources(log)["probe"].spills == 0


def test_it_goes_on_after_an_error(probe):
    with pytest.raises(LaunchError):
        probe(body("if (t) __syncthreads(); else __shfl_sync(3u, 1.0f, 1);"))
    np.testing.assert_array_equal(probe(body("y[t] = x[t];")), np.arange(64))


def test_a_source_that_does_not_compile_says_where(probe):
    with pytest.raises(
        CompileError, match=r"for the emulator: .*probe.cu:4:\d+: error: .nothing. was not"
    ):
        probe(body("y[t] = nothing;"))
    with pytest.raises(LaunchError, match="takes x, y, n, got x, y"):
        launch("probe", x=None, y=None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros(64)}, "probe: x must be float32, got float64"),
        ({"x": np.zeros((64, 2), np.float32)[:, 0]}, r"x must be C contiguous, got strides \(8,\)"),
        ({"x": np.zeros(257, np.uint8)[1:].view(np.float32)}, "x must be aligned to 4 bytes"),
        ({"y": np.broadcast_to(np.float32(0), (1,))}, "y is written to, and must not be read-only"),
        ({"n": 2**31}, "n must be a whole number of int32, got 2147483648"),
        ({"n": 1.5}, "n must be a whole number of int32, got 1.5"),
        ({"x": None, "y": None}, "all arrays must be NumPy's, or all CuPy's"),
        ({"z": 1}, "takes x, y, n, got x, y, n, z"),
    ],
)
def test_arguments_that_do_not_fit_are_named(probe, change, message):
    with pytest.raises(LaunchError, match=message):
        probe(body("y[t] = x[t];"), **change)


def test_a_kernel_without_a_row_cannot_be_launched():
    with pytest.raises(LaunchError, match="no CUDA kernel 'scale' in the table"):
        launch("scale")


def test_arrays_of_another_device_are_refused(emulated_gpu, monkeypatch):
    x, y = emulated_gpu.ones(4, "f4"), emulated_gpu.zeros(4, "f4")
    launch("copy_through_shared", x=x, y=y, n=4)
    assert (y == x).all()
    monkeypatch.setattr(strict_cuda.Runner, "device", lambda: 1)
    with pytest.raises(LaunchError, match="x is on device 0, and the current one is 1"):
        launch("copy_through_shared", x=x, y=y, n=4)
