"""The benchmarks' own arithmetic: what a step computes, what they refuse, what they draw."""

import importlib
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinygan.kernels.registry import tracing

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch):
    """Import a script of bench/, which has its own folder on the path as when it is run."""
    pytest.importorskip("tinygan._native")
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(BENCH))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(BENCH)):
            del sys.modules[name]


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


def conv_flops(kernel, arrays, params):
    """Count a convolution's operations: each pixel of the image at the small end meets w once."""
    if kernel.op == "conv2d":
        x, w = arrays
        n, (p, q) = len(x), params["spec"].out_shape(x.shape, w.shape)[2:]
        return 2 * n * p * q * w.size
    if kernel.op == "conv2d_dgrad":
        gy, w = arrays
        return 2 * gy.size // len(w) * w.size
    if kernel.op == "conv2d_wgrad":
        x, gy = arrays
        return 2 * gy[:, 0].size * int(np.prod(params["w_shape"]))
    return 0


@pytest.mark.parametrize(("side", "width"), [(16, 8), (32, 4), (64, 2)])
def test_the_operations_of_a_dcgan_step_are_those_of_the_convolutions_it_runs(bench, side, width):
    steps, seen, batch = bench("steps"), [], 4
    case = steps.dcgan_case(side, width)
    loop = steps.ours(case, batch)
    next(loop)
    with tracing(lambda *call: seen.append(conv_flops(*call))):
        next(loop)
    assert sum(seen) == case.flops * batch


def test_the_operations_of_an_inception_pass_are_those_of_the_convolutions_it_runs(bench):
    inception, seen = bench("inception"), []
    run = inception.ours(inception.InceptionV3(), 1)
    with tracing(lambda *call: seen.append(conv_flops(*call))):
        run()
    assert sum(seen) / 1e9 == pytest.approx(inception.GFLOP, abs=0.005)


def test_scaling_takes_each_point_once_and_the_last_run_of_it(bench):
    scaling = bench("scaling")
    points = scaling.points_of([])
    assert len(points) == len(set(points)) == 6 + 4 + 4 - 2  # all axes meet at 64
    assert scaling.points_of(["batch=8,64", "size=64"]) == [scaling.Point(8), scaling.Point()]
    row = {"batch": 8, "width": 64, "size": 64, "contestant": "tinygan"}
    other = row | {"contestant": "torch eager"}
    rows = [row | {"run": "1", "median_ms": 9.0}, other | {"run": "1", "median_ms": 8.0}]
    rows.append(row | {"run": "2", "median_ms": 5.0})
    assert scaling.last_runs(rows) == {scaling.Point(8): {"tinygan": 5.0}}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("scaling.py --points depth=3", "use batch=, width= or size="),
        ("scaling.py --points batch=0", "use batch=, width= or size="),
        ("steps.py --variant eager", "add --peer torch"),
        ("steps.py --peer tensorflow", "use torch or jax"),
        ("run.py --peer jax", "use torch"),
        ("stacks.py --peer jax", "use torch"),
    ],
)
def test_what_no_benchmark_has_is_one_line(command, said):
    script, *flags = command.split()
    pytest.importorskip("tinygan._native")
    done = subprocess.run(
        [sys.executable, str(BENCH / script), *flags], capture_output=True, text=True
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_labels_of_a_crowd_cover_neither_each_other_nor_a_marker(bench, tmp_path):
    plots = bench("plots")
    sheet = plots.Sheet(600, 400)
    axis = plots.Axis("operations a byte", 1.0, 100.0)
    panel = plots.Panel(sheet, (60, 40, 590, 340), x=axis, y=axis)
    panel.line([(1.0, 20.0), (100.0, 20.0)], plots.COLOURS[1])
    crowd = [(10.0 * 1.06**i, 10.0 * 1.11**j) for i, j in itertools.product(range(4), range(3))]
    for x, y in crowd:
        panel.marker(x, y, plots.COLOURS[0])
    markers = list(panel.taken)
    panel.labels([(*at, f"layer {i}") for i, at in enumerate(crowd)])
    boxes = panel.taken[len(markers) :]
    assert len(boxes) == len(crowd)
    apart = [*itertools.combinations(boxes, 2), *itertools.product(boxes, markers)]
    for a, b in apart:
        assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])
    sheet.save(tmp_path / "picture.png")
    assert size_of(tmp_path / "picture.png") == (600, 400)


def test_every_kernel_case_is_a_point_of_the_roofline_with_its_name(bench, tmp_path):
    cases, roofline = bench("cases"), bench("roofline")
    machine = importlib.import_module("tinygan.kernels.machine").Machine(500.0, 300.0, 50.0)
    found = []
    for case in cases.all_cases(1):
        assert case.out_bytes > 0
        if case.op in ("pixel_shuffle", "pixel_unshuffle"):
            assert case.flops == 0  # a copy: no point of the roofline
            continue
        assert case.flops > 0
        seconds = 1.3 * machine.seconds(case.flops, case.moved)
        found.append(roofline.Measured(case.name, "cpp/x", case.flops, case.moved, seconds))
    assert len({each.name for each in found}) == len(found)
    for each in found:
        intensity, reached = each.point
        assert reached == pytest.approx(min(500.0, 50.0 * intensity) / 1.3)
    roofline.draw(tmp_path / "roofline.png", machine, found, "a caption")
    assert size_of(tmp_path / "roofline.png") == (1120, 60 + 4 * 540)


def test_metrics_are_compared_before_they_are_timed(bench, monkeypatch, capsys):
    metrics = bench("metrics")
    monkeypatch.setattr(metrics, "PAIRS", 60)
    assert {"tinygan", "eigenvalues"} <= set(metrics.frechet(8, 40))
    assert set(metrics.neighbours(8)) == {"tinygan", "full matrices"}
    monkeypatch.setattr(metrics, "eigenvalue_distance", lambda *_: 1e6)
    with pytest.raises(SystemExit, match="disagree"):
        metrics.frechet(8, 40)
