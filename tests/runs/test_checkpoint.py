"""Checkpoints under kill -9, flipped bytes and full disks: the last whole one is never lost."""

import builtins
import contextlib
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from tinygan.errors import CheckpointError, SaveError
from tinygan.runs import checkpoint, files
from tinygan.runs.checkpoint import (
    has_checkpoint,
    load_checkpoint,
    remove_stale,
    save_checkpoint,
)

ROOT = Path(__file__).parents[2]


def tensors_of(step):
    x = np.full((2, 7, 8, 8), step, np.float32).transpose(0, 3, 1, 2)
    return {"g.weight": x, "g.count": np.array(step)}


def save(directory, step, **options):
    return save_checkpoint(directory, step, tensors_of(step), {"lr": 0.1 + step}, **options)


def assert_is_of(found, step):
    assert found.step == step
    assert found.state == {"lr": 0.1 + step}
    assert list(found.tensors) == ["g.weight", "g.count"]
    for name, x in tensors_of(step).items():
        np.testing.assert_array_equal(found.tensors[name], x)
        assert found.tensors[name].strides == x.strides


def folders(directory):
    return sorted(path.name for path in (directory / "checkpoints").iterdir())


def test_a_checkpoint_comes_back_without_a_notice(tmp_path):
    assert not has_checkpoint(tmp_path)
    assert save(tmp_path, 123) == tmp_path / "checkpoints" / "step-000123"
    assert has_checkpoint(tmp_path)
    found = load_checkpoint(tmp_path)
    assert_is_of(found, 123)
    assert found.notice is None


def test_sha256sum_can_check_a_checkpoint_by_hand(tmp_path):
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum on this machine")
    folder = save(tmp_path, 1)
    result = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
    )
    assert result.returncode == 0


def test_two_and_the_best_are_kept(tmp_path):
    for step in range(10, 70, 10):
        save(tmp_path, step, best=20 if step >= 20 else None)
    assert folders(tmp_path) == ["step-000020", "step-000050", "step-000060"]
    assert_is_of(load_checkpoint(tmp_path), 60)


def test_the_number_to_keep_can_be_chosen(tmp_path):
    for step in range(5):
        save(tmp_path, step, keep=3)
    assert folders(tmp_path) == ["step-000002", "step-000003", "step-000004"]
    save(tmp_path, 5, keep=0)
    assert folders(tmp_path) == ["step-000005"]


def test_steps_of_more_than_six_digits_are_ordered_by_number(tmp_path):
    save(tmp_path, 999_999)
    save(tmp_path, 1_000_000)
    (tmp_path / "latest").unlink()
    assert load_checkpoint(tmp_path).step == 1_000_000


def test_the_same_step_can_be_saved_again(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    save_checkpoint(tmp_path, 2, {}, {"again": True})
    assert folders(tmp_path) == ["step-000001", "step-000002"]
    assert load_checkpoint(tmp_path).state == {"again": True}


def test_later_steps_of_a_run_that_was_taken_back_are_dropped(tmp_path):
    for step in (10, 20):
        save(tmp_path, step)
    save(tmp_path, 15)
    assert folders(tmp_path) == ["step-000010", "step-000015"]
    assert_is_of(load_checkpoint(tmp_path), 15)


def test_state_that_json_cannot_hold_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(SaveError, match=r"state\.json: .* a set"):
        save_checkpoint(tmp_path, 1, {}, {"a": {1, 2}})
    assert os.listdir(tmp_path) == []


def test_runs_without_a_checkpoint_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=re.escape(f"{tmp_path}: holds no checkpoint")):
        load_checkpoint(tmp_path)


# -- damage ------------------------------------------------------------------------------------


def all_files(directory):
    return sorted(path for path in directory.rglob("*") if path.is_file())


def overwrite(path, at, value):
    """Change one byte in place: rewriting the file would make ext4 flush it each time."""
    with open(path, "r+b", buffering=0) as file:
        file.seek(at)
        file.write(bytes([value]))


def test_every_flipped_byte_is_seen_and_the_one_before_is_taken(tmp_path):
    save(tmp_path, 1)
    last = save(tmp_path, 2)
    paths = [*all_files(last), tmp_path / "latest"]
    assert sum(path.stat().st_size for path in paths) > 4000
    for path in paths:
        original = path.read_bytes()
        for at in range(len(original)):
            overwrite(path, at, original[at] ^ 0xFF)
            found = load_checkpoint(tmp_path)
            overwrite(path, at, original[at])
            # a damaged `latest` costs its anchor, not the checkpoint that it named
            assert_is_of(found, 2 if path.name == "latest" else 1)
            assert found.notice.startswith(
                str(path)[: str(path).index("latest") - 1] if path.name == "latest" else str(last)
            )
            assert "\n" not in found.notice
    assert load_checkpoint(tmp_path).notice is None


def test_single_bits_of_the_small_files_count(tmp_path):
    save(tmp_path, 1)
    last = save(tmp_path, 2)
    for path in (last / "SHA256SUMS", last / "state.json"):
        original = path.read_bytes()
        for bit in range(0, 8 * len(original), 5):
            data = bytearray(original)
            data[bit // 8] ^= 1 << bit % 8
            path.write_bytes(data)
            assert_is_of(load_checkpoint(tmp_path), 1)
        path.write_bytes(original)


def test_damage_of_a_checkpoint_that_latest_does_not_name_is_seen_too(tmp_path):
    first = save(tmp_path, 1)
    last = save(tmp_path, 2)
    (last / "state.json").unlink()
    for path in all_files(first):
        original = path.read_bytes()
        for at in range(0, len(original), 17):
            path.write_bytes(original[:at] + bytes([original[at] ^ 0x10]) + original[at + 1 :])
            with pytest.raises(CheckpointError, match="no whole checkpoint is left"):
                load_checkpoint(tmp_path)
        path.write_bytes(original)
    assert_is_of(load_checkpoint(tmp_path), 1)


def test_line_ends_of_the_checksums_count_where_no_latest_names_them(tmp_path):
    sums = save(tmp_path, 1) / "SHA256SUMS"
    (tmp_path / "latest").unlink()
    assert_is_of(load_checkpoint(tmp_path), 1)
    sums.write_bytes(sums.read_bytes().replace(b"\n", b"\r"))
    with pytest.raises(CheckpointError, match="not a list of two checksums"):
        load_checkpoint(tmp_path)


def test_another_whole_checkpoint_in_place_of_the_latest_is_seen(tmp_path):
    save(tmp_path, 1)
    last = save(tmp_path, 2)
    other = save_checkpoint(tmp_path / "other", 2, {}, {})
    shutil.rmtree(last)
    other.rename(last)
    found = load_checkpoint(tmp_path)
    assert_is_of(found, 1)
    assert "not the file that latest names" in found.notice
    shutil.rmtree(tmp_path / "checkpoints" / "step-000001")
    assert load_checkpoint(tmp_path).notice == found.notice.replace("000001", "000002")


def test_cut_and_missing_files_are_seen(tmp_path):
    save(tmp_path, 1)
    last = save(tmp_path, 2)
    for path in all_files(last):
        original = path.read_bytes()
        for length in (0, 1, len(original) // 2, len(original) - 1):
            path.write_bytes(original[:length])
            assert_is_of(load_checkpoint(tmp_path), 1)
        path.unlink()
        assert_is_of(load_checkpoint(tmp_path), 1)
        path.write_bytes(original)
    shutil.rmtree(last)
    found = load_checkpoint(tmp_path)
    assert_is_of(found, 1)
    assert found.notice == f"{last}: is missing; going on from step-000001"


def test_swapped_and_renamed_checkpoints_are_seen(tmp_path):
    first, last = save(tmp_path, 1), save(tmp_path, 2)
    shutil.copy(first / "tensors.safetensors", last / "tensors.safetensors")
    assert_is_of(load_checkpoint(tmp_path), 1)
    shutil.rmtree(last)
    first.rename(last)
    with pytest.raises(CheckpointError, match="step"):
        load_checkpoint(tmp_path)


def test_a_folder_set_aside_by_an_interrupted_save_is_found(tmp_path):
    only = save(tmp_path, 3)
    only.rename(only.with_name("step-000003.old"))
    assert_is_of(load_checkpoint(tmp_path), 3)
    save(tmp_path, 4)
    save(tmp_path, 5)
    assert folders(tmp_path) == ["step-000004", "step-000005"]


def test_leftovers_of_an_interrupted_save_are_no_checkpoint_and_are_removed(tmp_path):
    save(tmp_path, 1)
    half = tmp_path / "checkpoints" / "step-000002.tmp"
    half.mkdir()
    (half / "state.json").write_text("{")
    (tmp_path / ".latest.tmp").write_text("step")
    assert_is_of(load_checkpoint(tmp_path), 1)
    remove_stale(tmp_path)
    assert folders(tmp_path) == ["step-000001"]
    assert sorted(os.listdir(tmp_path)) == ["checkpoints", "latest"]


# -- kill -9 -----------------------------------------------------------------------------------

NURSERY = """
    import os, random, signal, sys, time
    import numpy as np
    from tinygan.runs.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint

    directory, rng, saved = sys.argv[1], random.Random(0), 0

    def save_for_ever(pipe):
        step = load_checkpoint(directory).step if has_checkpoint(directory) else 0
        while True:
            step += 1
            x = np.full((2, 40, 40, 8), step, np.float32).transpose(0, 3, 1, 2)
            save_checkpoint(directory, step, {"x": x, "n": np.array(step)}, {"step": step})
            os.write(pipe, b"%d\\n" % step)  # acknowledged: from here on it must never be lost

    for _ in range(40):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            save_for_ever(writer)
        os.close(writer)
        acknowledged = os.read(reader, 1 << 16)
        time.sleep(rng.random() * 0.03)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        while more := os.read(reader, 1 << 16):
            acknowledged += more
        os.close(reader)
        saved = int(acknowledged.split()[-1])
        found = load_checkpoint(directory)
        print(saved, found.step, found.notice, found.state, int(found.tensors["n"]),
              sorted(set(found.tensors["x"].ravel().tolist())), found.tensors["x"].strides, sep=";")
"""


def test_40_kills_during_saves_lose_nothing(tmp_path):
    if not hasattr(os, "fork"):
        pytest.skip("no fork and no SIGKILL on this system")
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(NURSERY), str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    lines = [line.split(";") for line in result.stdout.splitlines()]
    assert len(lines) == 40
    for saved, step, notice, state, count, values, strides in lines:
        assert int(saved) <= int(step) <= int(saved) + 1
        assert notice == "None"
        assert state == f"{{'step': {step}}}"
        assert count == step
        assert values == f"[{int(step)}.0]"
        assert strides == str((4 * 40 * 40 * 8, 4, 4 * 40 * 8, 4 * 8))
    assert int(lines[-1][0]) >= 40


# -- full disks --------------------------------------------------------------------------------


def count_calls(monkeypatch, fail_at=None):
    """Count the system calls of a save; make the one numbered ``fail_at`` find a full disk."""
    calls = []

    def wrap(owner, name):
        real = getattr(owner, name)

        def call(*arguments, **options):
            calls.append(name)
            if len(calls) == fail_at:
                raise OSError(28, "No space left on device")
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    class Full:
        """A file whose every write is counted."""

        def __init__(self, file):
            self.file = file
            self.fileno, self.flush = file.fileno, file.flush
            self.write = file.write
            wrap_write(self)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

    def wrap_write(full):
        real = full.write

        def write(data):
            calls.append("write")
            if len(calls) == fail_at:
                real(data[: len(data) // 2])
                raise OSError(28, "No space left on device")
            return real(data)

        full.write = write

    def opened(path, mode="r", **options):
        file = builtins.open(path, mode, **options)  # noqa: SIM115 - the caller closes it
        return Full(file) if "w" in mode else file

    monkeypatch.setattr(files, "open", opened, raising=False)
    for name in ("fsync", "rename", "replace", "mkdir"):
        wrap(os, name)
    return calls


def test_a_full_disk_at_any_call_leaves_the_former_checkpoint(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        save(tmp_path / "count", 1)
        calls = count_calls(patch)
        save(tmp_path / "count", 2)
        total = len(calls)
    assert total >= 15  # of Python 3.10, whose pathlib does not call os.mkdir
    assert calls.count("write") >= 6
    for fail_at in range(1, total + 1):
        run = tmp_path / f"run{fail_at}"
        save(run, 1)
        with monkeypatch.context() as patch:
            count_calls(patch, fail_at)
            try:
                save(run, 2)
                failed = False
            except SaveError as error:
                failed = True
                message = str(error)
        if failed:
            assert "No space left on device" in message
            assert "\n" not in message
        found = load_checkpoint(run)
        assert found.step in ((1, 2) if failed else (2,)), (fail_at, calls[fail_at - 1])
        assert_is_of(found, found.step)
        assert not list(run.rglob("*.tmp"))
        save(run, 3)  # training goes on and the disk has room again
        assert_is_of(load_checkpoint(run), 3)


def test_a_full_disk_while_a_step_is_saved_again_leaves_its_first_save(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        save(tmp_path / "count", 1)
        calls = count_calls(patch)
        save_checkpoint(tmp_path / "count", 1, {}, {"again": True})
    assert calls.count("rename") >= 2
    for fail_at in range(1, len(calls) + 1):
        run = tmp_path / f"run{fail_at}"
        save(run, 1)
        with monkeypatch.context() as patch, contextlib.suppress(SaveError):
            count_calls(patch, fail_at)
            save_checkpoint(run, 1, {}, {"again": True})
        found = load_checkpoint(run)
        assert found.step == 1
        if found.state != {"again": True}:
            assert_is_of(found, 1)


def test_missing_space_is_seen_before_anything_is_written(tmp_path, monkeypatch):
    save(tmp_path, 1)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(checkpoint.shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(SaveError, match="it needs 0 MB, 0 MB are free"):
        save(tmp_path, 2)
    assert folders(tmp_path) == ["step-000001"]


def test_a_real_full_disk_leaves_the_former_checkpoint(tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small tmpfs can be mounted by root alone")
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    try:
        monkeypatch.setattr(checkpoint, "_SPARE", 0)
        # as if another program filled the disk between the check and the write
        monkeypatch.setattr(checkpoint, "_check_space", lambda *_: None)
        big = {"x": np.zeros(100_000, np.float32)}
        save_checkpoint(disk, 1, big, {})
        save_checkpoint(disk, 2, big, {})
        for step in (3, 4):
            with pytest.raises(SaveError, match="No space left on device"):
                save_checkpoint(disk, step, big, {})
            assert load_checkpoint(disk).step == 2
        save_checkpoint(disk, 5, {"x": np.zeros(1000, np.float32)}, {})
        assert load_checkpoint(disk).step == 5
    finally:
        subprocess.run(["umount", str(disk)], check=True)
