"""What bench/gpu does without a GPU: the suite on a pretended one, refusals, its results."""

import importlib
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tinygan import kernels

GPU = Path(__file__).parents[1] / "bench" / "gpu"


@pytest.fixture
def gpu_bench(monkeypatch):
    """Import a script of bench/gpu, whose folder is on the path as when it is run."""
    monkeypatch.syspath_prepend(str(GPU))
    names = [path.stem for path in GPU.glob("*.py")]
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


def test_the_suite_runs_cuda_kernels_on_a_device(gpu_bench, emulated_gpu):
    verdicts = gpu_bench("on_device").verdicts
    ops = ("bias_act_vjp", "adam", "sum", "gan_loss")
    found = list(verdicts(emulated_gpu, cases=3, ops=ops))
    wanted = [k.key for k in kernels.kernels() if k.backend == "cuda" and k.op in ops]
    assert [v.kernel for v in found] == [key.replace("/numpy/", "/cuda/") for key in wanted]
    assert all(v.calls >= 3 and not v.failure for v in found)


def test_the_wrappers_of_ptx_are_held_to_plain_copies(gpu_bench, emulated_gpu, monkeypatch):
    on_device = gpu_bench("on_device")
    (found,) = on_device.wrappers(emulated_gpu)
    assert (found.kernel, found.failure) == ("ptx/copy_async16", "")
    right = on_device.launch

    def _launch(entry, *, x, y, n):
        right(entry, x=x, y=y, n=n)
        y[n - 1] += n % 2

    monkeypatch.setattr(on_device, "launch", _launch)
    (found,) = on_device.wrappers(emulated_gpu)
    assert found.failure == "cp.async: copies of 1, 3, 1023, 1025, 1000003 numbers are wrong"


def test_a_kernel_that_is_wrong_on_the_device_is_reported(gpu_bench, emulated_gpu, monkeypatch):
    on_device = gpu_bench("on_device")
    (kernel,) = [k for k in kernels.kernels("gan_loss") if k.backend == "cuda"]
    wrong = on_device.replace(kernel, fn=lambda x, **p: kernel.fn(x, **p) + 0.25)
    monkeypatch.setattr(on_device, "kernels", SimpleNamespace(kernels=lambda: [wrong]))
    (found,) = on_device.verdicts(emulated_gpu, cases=3)
    assert "breaks 'agreement'" in found.failure


def test_rows_are_kept_one_by_one_and_what_is_left_out_is_named(gpu_bench, tmp_path, capsys):
    measure = gpu_bench("measure")
    record = measure.Record(tmp_path / "rows.jsonl", {"gpu": "none"}, time.monotonic() + 60)
    record.add("kernels", name="sum", us=1.5)
    assert json.loads((tmp_path / "rows.jsonl").read_text()) == {
        "stage": "kernels", "name": "sum", "us": 1.5, "gpu": "none",
    }  # fmt: skip
    assert record.room(time.monotonic() + 1, "the next")
    assert not record.room(time.monotonic() - 1, "the next")
    assert record.left_out == ["the next"]


def test_a_race_whose_outputs_differ_is_not_timed(gpu_bench, tmp_path, capsys):
    measure = gpu_bench("measure")
    clock = gpu_bench("clock")

    def compare():
        raise ValueError("outputs are 1.0e+00 of the largest apart")

    ran = []
    race = clock.Race("sum", {"tinygan": lambda: ran.append(1)}, compare)
    record = measure.Record(tmp_path / "rows.jsonl", {}, time.monotonic() + 60)
    measure.compete(record, "kernels", time.monotonic() + 60, iter([race]))
    row = json.loads((tmp_path / "rows.jsonl").read_text())
    assert "outputs are 1.0e+00" in row["error"]
    assert not ran


def test_medians_and_ratios_are_written(gpu_bench, tmp_path, monkeypatch):
    measure, clock = gpu_bench("measure"), gpu_bench("clock")
    monkeypatch.setattr(clock, "synchronize", lambda: None)
    monkeypatch.setattr(clock, "SECONDS", 0.001)
    race = clock.Race(
        "sleep",
        {"tinygan": lambda: time.sleep(1e-4), "peer": lambda: time.sleep(5e-4)},
        lambda: 0.0,
        lambda seconds: {"rate": 1 / seconds},
    )
    record = measure.Record(tmp_path / "rows.jsonl", {}, time.monotonic() + 60)
    measure.compete(record, "kernels", time.monotonic() + 60, iter([race]))
    row = json.loads((tmp_path / "rows.jsonl").read_text())
    assert row["x peer"] > 1
    assert row["us"] >= 100
    assert "rate" in row


def test_a_peer_that_fails_does_not_cost_the_others_their_race(gpu_bench, tmp_path, monkeypatch):
    measure, clock = gpu_bench("measure"), gpu_bench("clock")
    monkeypatch.setattr(clock, "synchronize", lambda: None)
    monkeypatch.setattr(clock, "SECONDS", 0.001)

    def fail():
        raise RuntimeError("operation not permitted when stream is capturing")

    def row(**contestants):
        record = measure.Record(tmp_path / "rows.jsonl", {}, time.monotonic() + 60)
        races = iter([clock.Race("step", contestants, lambda: 0.0)])
        measure.compete(record, "steps", time.monotonic() + 60, races)
        return json.loads((tmp_path / "rows.jsonl").read_text().splitlines()[-1])

    found = row(tinygan=lambda: None, eager=lambda: time.sleep(1e-4), graph=fail)
    assert found["x eager"] > 1
    assert "x graph" not in found
    assert found["graph failed"] == "RuntimeError: operation not permitted when stream is capturing"
    assert "not permitted" in row(tinygan=fail, eager=lambda: None)["error"]


def test_goals_stand_beside_what_the_newest_run_reached(gpu_bench, tmp_path):
    goals = gpu_bench("goals")
    assert goals.table(goals.newest(tmp_path)).count("| not measured |") == len(goals.GOALS)
    rows = [
        {"name": "copy", "gb_per_s": 1000.0},
        {"name": "bias + leaky_relu (1, 2)", "gb_per_s": 900.0, "x torch compiled": 1.25},
        {"name": "sum of all (1, 2)", "gb_per_s": 800.0},
        {"name": "batch norm with its statistics", "gb_per_s": 950.0},
        {"name": "Adam on D", "gb_per_s": 950.0, "x torch fused": 1.5},
        {"name": "conv 3 -> 64, forward", "x cuDNN": 0.5},
        {"name": "conv 3 -> 64, dgrad", "x cuDNN": 2.0},
    ]
    for date, lines in (("2026-01-01", rows[:1]), ("2026-02-01", rows)):
        text = "\n".join(map(json.dumps, lines))
        (tmp_path / f"nvidia-h100-{date}.jsonl").write_text(text)
    reached = [line.split(" | ")[-1] for line in goals.table(goals.newest(tmp_path)).splitlines()]
    assert reached[2:6] == ["0.8 |", "1.25 |", "1.5 |", "1 |"]
    assert reached[6:] == 3 * ["not measured |"]


def test_without_a_gpu_it_says_so_in_one_line():
    command = [sys.executable, GPU / "measure.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert "is not installed" in last or "PyTorch sees no GPU" in last
    wrong = subprocess.run([*command, "--only", "speed"], capture_output=True, text=True)
    assert "--only speed: conformance, ceilings, kernels, steps fit" in wrong.stderr


def test_the_machine_is_described(gpu_bench):
    properties = {"name": b"NVIDIA H100"}
    cupy = SimpleNamespace(
        __version__="14", cuda=SimpleNamespace(
            Device=lambda: SimpleNamespace(id=0),
            runtime=SimpleNamespace(
                getDeviceProperties=lambda i: properties, runtimeGetVersion=lambda: 13000
            ),
        ),
    )  # fmt: skip
    backends = SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 91000))
    torch = SimpleNamespace(__version__="2.13", backends=backends)
    assert gpu_bench("measure").machine(cupy, torch)["gpu"] == "NVIDIA H100"
