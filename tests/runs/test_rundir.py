"""Run directories: numbers that nobody shares, names that are found, rows that can be cut back."""

import json
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tinygan.errors import CheckpointError, SaveError
from tinygan.runs import environment
from tinygan.runs.rundir import RunDirectory

ROOT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    return RunDirectory.create(tmp_path / "runs", "digits", "dcgan")


def test_runs_are_numbered_from_zero(tmp_path):
    names = [RunDirectory.create(tmp_path, "digits", "dcgan").path.name for _ in range(3)]
    assert names == ["00000-digits-dcgan", "00001-digits-dcgan", "00002-digits-dcgan"]


def test_numbers_go_on_after_the_highest(tmp_path):
    (tmp_path / "00041-moons-gan").mkdir()
    (tmp_path / "notes").mkdir()
    assert RunDirectory.create(tmp_path, "digits", "wgan_gp", "lr 1e-4").path.name == (
        "00042-digits-wgan_gp-lr-1e-4"
    )


@pytest.mark.parametrize("hostile", ["../../etc", "a/b", "a\nb", ".hidden", "ä ö"])
def test_names_stay_within_the_output_folder(tmp_path, hostile):
    path = RunDirectory.create(tmp_path, hostile, "gan").path
    assert path.parent == tmp_path
    assert path.name.startswith("00000-")
    assert path.name.isascii()


def test_runs_that_start_at_once_get_numbers_of_their_own(tmp_path):
    code = """
        import sys
        from tinygan.runs.rundir import RunDirectory
        sys.stdin.readline()
        for n in range(25):
            RunDirectory.create(sys.argv[1], f"data{n % 3}", sys.argv[2])
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path), f"recipe{index}"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for index in range(4)
    ]
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    numbers = sorted(int(path.name[:5]) for path in tmp_path.iterdir())
    assert numbers == list(range(100))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SaveError, match="file/runs: no run folder can be made"):
        RunDirectory.create(tmp_path / "file" / "runs", "digits", "gan")


def test_runs_are_found_by_path_and_by_prefix(tmp_path, run):
    assert RunDirectory.open(run.path) == run
    assert RunDirectory.open(str(run.path) + "/") == run
    assert RunDirectory.open(tmp_path / "runs" / "00000") == run
    assert RunDirectory.open(tmp_path / "runs" / "00000-dig") == run


def test_a_run_is_found_from_within_it(run, monkeypatch):
    monkeypatch.chdir(run.path)
    assert RunDirectory.open(".").path.resolve() == run.path


def test_prefixes_that_fit_several_runs_or_none_list_them(tmp_path):
    for recipe in ("gan", "dcgan"):
        RunDirectory.create(tmp_path, "digits", recipe)
    with pytest.raises(CheckpointError, match="several runs: 00000-digits-gan, 00001-digits-dcgan"):
        RunDirectory.open(tmp_path / "0000")
    with pytest.raises(CheckpointError, match=r"no such run; .* has 00000-digits-gan"):
        RunDirectory.open(tmp_path / "00007")
    with pytest.raises(CheckpointError, match=r"no such run; .* has none"):
        RunDirectory.open(tmp_path / "elsewhere" / "00000")


def test_configuration_comes_back_and_damage_is_named(run):
    config = {"recipe": "dcgan", "steps": 100, "lr": 2e-4, "g": {"width": 64}, "data": "/d"}
    run.write_config(config)
    assert run.read_config() == config
    (run.path / "config.json").write_text("[1]")
    with pytest.raises(CheckpointError, match=r"config\.json: damaged: not a table"):
        run.read_config()


def test_the_environment_names_versions_and_no_user(run, monkeypatch):
    monkeypatch.setenv("TINYGAN_BACKEND", "cpp")
    monkeypatch.setenv("TINYGAN_WINOGRAD", "accurate")  # the bits of a run depend on it
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    run.write_environment(device="cpu")
    text = (run.path / "env.json").read_text()
    content = json.loads(text)
    assert content["packages"]["numpy"] == np.__version__
    assert content["variables"]["TINYGAN_BACKEND"] == "cpp"
    assert content["variables"]["TINYGAN_WINOGRAD"] == "accurate"
    assert content["device"] == "cpu"
    assert content["cores"] >= 1
    assert content["cpu"]
    assert "hunter2" not in text
    assert str(Path.home()) not in text
    assert str(ROOT) not in text


def test_facts_of_the_environment_are_added_also_to_a_damaged_file(run):
    run.write_environment(device="cpu")
    run.add_environment(peak=1)
    run.add_environment(peak=2)
    content = json.loads((run.path / "env.json").read_text())
    assert (content["device"], content["peak"]) == ("cpu", 2)
    for damaged in ("[1]", "{"):
        (run.path / "env.json").write_text(damaged)
        run.add_environment(peak=3)
        assert json.loads((run.path / "env.json").read_text()) == {"peak": 3}


@pytest.mark.parametrize("packed", [False, True])
def test_the_commit_is_read_from_loose_and_packed_references(tmp_path, monkeypatch, packed):
    git = tmp_path / ".git"
    (git / "refs/heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    if packed:
        (git / "packed-refs").write_text(f"# pack\n{'b' * 40} refs/heads/main\n")
    else:
        (git / "refs/heads/main").write_text("b" * 40 + "\n")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "tinygan/runs/environment.py"))
    assert environment.package_commit() == "b" * 40
    (git / "HEAD").write_text("a" * 40 + "\n")
    assert environment.package_commit() == "a" * 40
    (git / "HEAD").unlink()
    assert environment.package_commit() is None


def test_the_log_has_a_time_before_each_line(run):
    run.log("one\ntwo")
    run.log("three")
    lines = (run.path / "log.txt").read_text().splitlines()
    assert [line.split(" ", 1)[1] for line in lines] == ["one", "two", "three"]
    assert all(line[10] == "T" and line[19] == "Z" for line in lines)


def test_rows_come_back_and_are_strict_json(run):
    row = {"step": np.int64(1), "d_loss": np.float32(0.5), "g_loss": math.nan, "more": [math.inf]}
    run.append_row(row)
    run.append_row({"step": 2, "fid": 12.5}, "metric-fid")
    assert run.read_rows() == [{"step": 1, "d_loss": 0.5, "g_loss": None, "more": [None]}]
    assert run.read_rows("metric-fid") == [{"step": 2, "fid": 12.5}]
    assert run.row_names() == ["metric-fid", "metrics"]
    assert run.read_rows("absent") == []


def test_rows_after_the_checkpoint_are_dropped_from_every_file(run):
    for step in range(1, 8):
        run.append_row({"step": step})
        run.append_row({"step": step}, "metric-fid")
    run.truncate_after(4)
    for name in ("metrics", "metric-fid"):
        assert [row["step"] for row in run.read_rows(name)] == [1, 2, 3, 4]
    run.append_row({"step": 5})
    assert [row["step"] for row in run.read_rows()] == [1, 2, 3, 4, 5]


def test_kept_rows_keep_their_bytes(run):
    path = run.path / "metrics.jsonl"
    path.write_text('{"step":  1, "x": 0.10}\n{"step": 2}\n')
    run.truncate_after(1)
    assert path.read_text() == '{"step":  1, "x": 0.10}\n'


def test_a_row_cut_short_by_a_crash_is_passed_over_and_spoils_no_other(run):
    run.append_row({"step": 1})
    with open(run.path / "metrics.jsonl", "a") as file:
        file.write('{"step": 2, "d_lo')
    assert run.read_rows() == [{"step": 1}]
    run.append_row({"step": 3})
    assert run.read_rows() == [{"step": 1}, {"step": 3}]
    run.truncate_after(3)
    assert (run.path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 3}\n'


def test_a_full_disk_is_named_when_a_row_is_appended(run):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full on this system")
    (run.path / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(SaveError, match=r"metrics\.jsonl: cannot be written: No space"):
        run.append_row({"step": 1})


def test_sample_pictures_are_named_by_steps_and_ordered(run):
    assert run.fakes_path(None).name == "fakes_init.png"
    assert run.fakes_path(10).name == "fakes000010.png"
    for step in (2_000_000, 10, None, 999_999):
        run.fakes_path(step).write_bytes(b"")
    (run.path / "fakes_best.png").write_bytes(b"")
    assert run.fakes() == [run.fakes_path(step) for step in (None, 10, 999_999, 2_000_000)]
