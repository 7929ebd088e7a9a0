"""The verbs on a small run, each called as a user calls it."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tinygan.cli import VERBS, main
from tinygan.cli.interpolate import walk
from tinygan.recipes import RECIPES
from tinygan.runs.files import load_tensors

TINY = ["--data", "digits:8", "--batch", "8", "--ngf", "4", "--ndf", "4", "--nz", "6"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Give the folder of a finished run of six steps."""
    outdir = tmp_path_factory.mktemp("runs")
    flags = ["--steps", "6", "--snap", "3", "--half-life-kimg", "1", "--outdir", str(outdir)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(outdir / "cache"))
        assert main(["train", "dcgan", *TINY, *flags]) == 0
    return outdir / "00000-digits-dcgan"


def python(*args, **more):
    return subprocess.run([sys.executable, *args], capture_output=True, text=True, **more)


def test_help_names_every_verb_and_imports_nothing_that_it_does_not_need():
    found = python("-X", "importtime", "-m", "tinygan", "--help")
    assert found.returncode == 0
    assert all(f"\n  {verb} " in found.stdout for verb in VERBS)
    imported = {line.split("|")[-1].strip() for line in found.stderr.splitlines()}
    assert "tinygan.cli" in imported  # else the list is not what it seems
    heavy = {"tyro", "rich", "PIL", "safetensors", "tinygan.nn", "tinygan.runs", "tinygan.recipes"}
    assert not imported & heavy


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["help"]])
def test_help_is_given_however_it_is_asked_for(args, said):
    code, out, err = said(*args)
    assert code == 0
    assert out[0] == "usage: tinygan VERB [flags]"
    assert not err


def test_version_is_told(said):
    assert said("--version") == (0, ["tinygan 0.1.0"], [])


def test_recipes_are_listed_one_a_line_name_first(said):
    code, out, _ = said("recipes")
    assert code == 0
    assert [line.split()[0] for line in out] == list(RECIPES)


def test_training_says_where_it_runs_and_what_came_of_it(said, tmp_path):
    flags = ["--steps", "2", "--outdir", str(tmp_path), "--desc", "my try", "--seed", "5"]
    code, out, err = said("train", "dcgan", *TINY, *flags)
    assert code == 0
    assert not err
    folder = tmp_path / "00000-digits-dcgan-my-try"
    assert f"run     {folder}" in out
    assert any(line.startswith("device  cpu: ") for line in out)
    steps = [line for line in out if line.startswith("step ")]
    assert steps[0].startswith("step 1/2  ")
    assert steps[-1].startswith("step 2/2  ")
    assert all(word in steps[-1] for word in ("images/s", "ETA", "loss_d", "loss_g", "D(G(z))"))
    (memory,) = [line for line in out if line.startswith("memory  ")]
    assert re.fullmatch(r"memory  [\d,]+ MB at most(, [\d,]+ MB of it in large arrays)?", memory)
    config = json.loads((folder / "config.json").read_text())
    assert config["config"]["ngf"] == 4
    assert config["settings"]["seed"] == 5
    assert config["settings"]["device"] == "cpu"


def test_flags_may_come_before_the_recipe(said, tmp_path):
    assert said("train", "--steps", "1", "--outdir", str(tmp_path), "dcgan", *TINY)[0] == 0


def test_underscores_do_for_hyphens(said, tmp_path):
    flags = ["--half_life_kimg", "2", "--steps=1", f"--outdir={tmp_path}"]
    assert said("train", "dcgan", *TINY, *flags)[0] == 0


def test_a_named_backend_runs_alone(said, tmp_path):
    flags = ["--steps", "1", "--outdir", str(tmp_path), "--backend", "numpy"]
    code, out, _ = said("train", "dcgan", *TINY, *flags)
    assert code == 0
    assert "kernels numpy" in out


def test_help_of_a_recipe_has_its_settings_and_their_meaning(said):
    code, out, err = said("train", "wgan-gp", "--help")
    assert code == 0
    assert not err
    text = "\n".join(out)
    for flag in ("--data", "--steps", "--outdir", "--lambda-gp", "--n-critic", "--batch", "--lr"):
        assert flag in text
    assert "critic steps a generator step" in text


def test_training_needs_no_home_for_its_cache(said, tmp_path, monkeypatch):
    monkeypatch.setattr("tinygan.kernels.native.native", None)
    monkeypatch.setattr("tinygan.cli.watch.why_no_backend", lambda name: None)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    flags = ["--steps", "1", "--outdir", str(tmp_path), "--backend", "numpy"]
    code, out, _ = said("train", "dcgan", *TINY, *flags)
    assert code == 0
    assert out[0].startswith("C++ kernels")


def test_missing_kernels_are_mentioned_once(said, tmp_path, monkeypatch):
    monkeypatch.setattr("tinygan.kernels.native.native", None)
    flags = ["--steps", "1", "--outdir", str(tmp_path), "--backend", "numpy"]
    first = said("train", "dcgan", *TINY, *flags)[1]
    second = said("train", "dcgan", *TINY, *flags)[1]
    assert first[0].startswith("C++ kernels")
    assert not any(line.startswith("C++ kernels") for line in second)


def test_resume_goes_on_to_the_total_and_says_when_there_is_nothing_to_do(said, tmp_path):
    flags = ["--steps", "2", "--outdir", str(tmp_path)]
    said("train", "dcgan", *TINY, *flags)
    code, out, _ = said("resume", str(tmp_path / "00000"))
    assert code == 0
    assert out[-1] == "already at step 2; --steps N, the total, goes further"
    code, out, _ = said("resume", str(tmp_path / "00000"), "--steps", "5")
    assert code == 0
    assert any(line.startswith("step 5/5") for line in out)


def test_sample_makes_a_grid_or_an_array(run, said, tmp_path):
    code, out, _ = said("sample", str(run), "--n", "9", "--out", str(tmp_path / "grid.png"))
    assert code == 0
    assert out == [f"9 samples of step 6: {tmp_path / 'grid.png'}"]
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (8 * 10 + 2, 2 * 10 + 2)
    said("sample", str(run), "--n", "9", "--out", str(tmp_path / "a.npz"))
    said("sample", str(run), "--n", "9", "--out", str(tmp_path / "b.npz"), "--seed", "1")
    said("sample", str(run), "--n", "9", "--out", str(tmp_path / "c.npz"), "--no-ema")
    said("sample", str(run), "--n", "9", "--out", str(tmp_path / "d.npz"), "--truncation", "0.1")
    a, b, c, d = (np.load(tmp_path / f"{name}.npz")["images"] for name in "abcd")
    assert a.shape == (9, 8, 8, 1)
    assert not np.array_equal(a, b)
    assert not np.array_equal(a, c)
    assert d.std(0).max() < 0.5 * a.std(0).max()  # nearer to each other
    code, _, err = said("sample", str(run), "--truncation", "0")
    assert code != 0
    assert "truncation 0.0: a bound above 0 fits" in str(err)


def test_interpolation_walks_from_one_sample_to_another(run, said):
    assert said("interpolate", str(run), "--rows", "2", "--frames", "5")[0] == 0
    with Image.open(run / "interpolation-seed0.png") as grid:
        assert grid.size == (5 * 10 + 2, 2 * 10 + 2)


def test_a_walk_keeps_to_the_sphere_and_reaches_both_ends():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 7))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    way = walk(a, b, 5).reshape(3, 5, 7)
    np.testing.assert_allclose(np.linalg.norm(way, axis=2), 1.0)
    np.testing.assert_allclose(way[:, 0], a, atol=1e-12)
    np.testing.assert_allclose(way[:, -1], b, atol=1e-12)
    np.testing.assert_allclose(walk(a, a, 3).reshape(3, 3, 7)[:, 1], a)


def test_export_writes_weights_that_safetensors_reads(run, said, tmp_path):
    from safetensors.numpy import load_file

    code, out, _ = said("export", str(run), "--out", str(tmp_path / "model"))
    assert code == 0
    named = "G.safetensors, G_ema.safetensors, config.json, samples.png"
    assert out == [f"{tmp_path / 'model'}: {named}"]
    mine = load_tensors(tmp_path / "model/G.safetensors")
    theirs = load_file(tmp_path / "model/G.safetensors")
    assert set(mine) == set(theirs)
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    ema = load_tensors(tmp_path / "model/G_ema.safetensors")
    assert any(not np.array_equal(mine[name], ema[name]) for name in mine)
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert config["recipe"] == "dcgan"
    assert config["shape"] == [1, 8, 8]


def test_data_check_reports_and_fails_on_problems(said, tmp_path):
    np.savez(tmp_path / "good.npz", images=np.zeros((3, 4, 4, 1), np.uint8))
    code, out, _ = said("data", "check", str(tmp_path / "good.npz"))
    assert code == 0
    assert out[-1] == "ok"
    (tmp_path / "bad.npz").write_bytes((tmp_path / "good.npz").read_bytes()[:-20])
    code, out, _ = said("data", "check", str(tmp_path / "bad.npz"))
    assert code == 3
    assert out[-1] == "1 problem(s)"


def test_explain_lists_kernels_and_reasons(said):
    code, out, _ = said("explain", "conv2d")
    assert code == 0
    assert "conv2d/numpy/reference" in out
    call = ["conv2d", "2x3x8x8", "4x3x4x4", "--stride", "2", "--padding", "(1, 1)"]
    code, out, _ = said("explain", *call)
    assert code == 0
    verdicts = {line.split()[0]: " ".join(line.split()[1:]) for line in out}
    assert verdicts["conv2d/numpy/reference"] == "ok"
    assert "CuPy" in verdicts["conv2d/cupy/reference"]


def test_check_prints_a_row_for_each_kernel_and_each_op_on_each_backend(said, tmp_path):
    rows = tmp_path / "rows.jsonl"
    flags = ["--order", "2", "--cases", "3", "--calls", "3", "--backend", "numpy"]
    code, out, _ = said("check", "batch_norm", "sum", *flags, "--out", str(rows))
    assert code == 0
    keys = [line.split()[0] for line in out]
    head = keys.index("op")
    assert keys[1:head] == [
        f"{op}/numpy/reference"
        for op in ("batch_norm", "batch_norm_stats", "batch_norm_vjp", "sum")
    ]
    assert [line.split()[:3] for line in out[head + 1 : -1]] == [
        ["batch_norm", "numpy", "3+3+0"],
        ["sum", "numpy", "3+3+0"],
    ]
    assert out[-1] == "4 kernels, 2 pairs of op and backend: all passed"
    assert len([json.loads(line) for line in rows.read_text().splitlines()]) == 6


@pytest.mark.parametrize(
    ("table", "rows", "sums"),
    [
        ("kernels", ["kernel", "sum/numpy/reference"], "1 kernels, 0 pairs"),
        ("gradients", ["op", "sum"], "0 kernels, 1 pairs"),
    ],
)
def test_check_prints_one_table_alone(said, table, rows, sums):
    flags = ["--cases", "3", "--calls", "3", "--backend", "numpy"]
    code, out, _ = said("check", table, "sum", *flags)
    assert code == 0
    assert [line.split()[0] for line in out[:-1]] == rows
    assert out[-1] == f"{sums} of op and backend: all passed"


PLUGIN = """
import numpy as np
from tinygan.kernels.registry import register

@register("sum", "numba", "mine", supports=lambda x, **_: None if x.ndim else "no axes")
def sum_by_loops(x, *, axis, keepdims):
    return np.add.reduce(x, axis=axis, keepdims=keepdims) * FACTOR
"""


@pytest.mark.parametrize(("factor", "status"), [("1.0", 0), ("1.01", 1)])
def test_check_judges_a_kernel_of_the_users_own(tmp_path, factor, status):
    (tmp_path / "my_kernels.py").write_text(PLUGIN.replace("FACTOR", factor))
    flags = ["sum", "--plugin", "my_kernels", "--backend", "numba/mine", "--cases", "8"]
    command = [sys.executable, "-m", "tinygan", "check", *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    if status:
        again = [line.split('"')[1] for line in done.stdout.splitlines() if "--repro" in line]
        for kind, says in (("kernel", "times its bound"), ("grad", "directional derivative")):
            line = next(line for line in again if line.startswith(kind))
            command = [*command[:4], "--plugin", "my_kernels", "--repro", line]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 1
            assert says in done.stderr
            assert len(done.stderr.splitlines()) == 1


def test_doctor_tells_what_there_is(said):
    code, out, _ = said("doctor", "--json")
    assert code == 0
    facts = json.loads("\n".join(out))
    assert facts["numpy"].startswith(np.__version__)
    assert {"cpu", "isa", "native kernels", "numba", "gpu", "threads", "cache"} <= set(facts)
    assert said("doctor")[1][0].startswith("tinygan ")


def test_the_demo_trains_judges_and_names_its_protocol(said, tmp_path, monkeypatch):
    import tinygan.cli.demo as demo

    monkeypatch.setattr(demo, "SETTINGS", {"batch": 8, "ngf": 4, "ndf": 4, "nz": 6})
    monkeypatch.setattr(demo, "SAMPLES", 20)
    judged = []

    def quick(samples, classifier):
        judged.append(samples.shape)
        return {"top_probability": 0.5, "histogram": [2] * 10, "classes": 10,
                "fd_digits_net": 7.0, "n": len(samples), "accuracy": 0.98}  # fmt: skip

    monkeypatch.setattr(demo, "digit_classifier", lambda size: size)
    monkeypatch.setattr(demo, "digit_fidelity", quick)
    code, out, _ = said("demo", "--steps", "2", "--outdir", str(tmp_path))
    assert code == 0
    assert judged == [(20, 1, 16, 16)]
    text = "\n".join(out)
    assert str(tmp_path / "00000-digits-dcgan-demo" / "fakes000002.png") in text
    assert "top probability 0.500 (mean of 20 samples)" in text
    assert "not FID" in text
    assert "not FID" in (tmp_path / "00000-digits-dcgan-demo" / "report.html").read_text()


@pytest.mark.parametrize(("name", "value"), [("BACKEND", "gpu"), ("WINOGRAD", "quick")])
def test_a_wrong_variable_is_one_line_and_leaves_no_run(said, monkeypatch, tmp_path, name, value):
    monkeypatch.setenv(f"TINYGAN_{name}", value)
    code, _, err = said("train", "dcgan", *TINY, "--steps", "1", "--outdir", str(tmp_path / "runs"))
    assert code == 2
    assert len(err) == 1
    assert repr(value) in err[0]
    assert "use one of" in err[0]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [("NUM_THREADS", "many", "a number from 1 to 256"), ("ISA", "sse9", "avx512, avx2, base")],
)
def test_a_wrong_variable_that_is_read_at_import_is_one_line_too(monkeypatch, name, value, fits):
    monkeypatch.setenv(f"TINYGAN_{name}", value)
    done = python("-m", "tinygan", "doctor")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"tinygan: TINYGAN_{name}={value}: use ")
    assert fits in done.stderr
    assert python("-m", "tinygan", "--help").returncode == 0  # asks for no kernel
