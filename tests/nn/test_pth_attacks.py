"""Hostile ``.pth`` files: nothing is run, nothing crashes, memory stays bounded.

The payloads are loaded in a process of their own, whose audit hook records every event that
running code, opening a second file or starting a process would raise.
"""

import io
import os
import pickle
import random
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pth_assembler as asm
import pytest
from pickle_attacks import PROGRAMS, TENSOR, mutated, watched

from tinygan import pickle_vm
from tinygan.errors import CheckpointError
from tinygan.nn.pth import load_pth

DATA = {"0": np.arange(6, dtype=np.float32).tobytes()}


def zip_bytes(*entries, **options):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return bytearray(buffer.getvalue())


def overlapping_zip():
    """Two directory entries, alike in all but their names, for one and the same content."""
    second = asm.tensor(asm.storage(key="1"))
    good = zip_bytes(
        ("a/data.pkl", asm.program(asm.state(v=TENSOR(), w=second))),
        ("a/data/0", DATA["0"]),
        ("a/data/1", DATA["0"]),
    )
    last = good.rindex(b"PK\x01\x02")
    former = good.rindex(b"PK\x01\x02", 0, last)
    good[last + 42 : last + 46] = good[former + 42 : former + 46]
    return good


def lying_zip(offsets, value):
    """Overwrite fields of the last directory entry (20: packed size, 24: size, 42: offset)."""
    good = zip_bytes(("a/data.pkl", asm.program(asm.state(w=TENSOR()))), ("a/data/0", DATA["0"]))
    directory = good.rindex(b"PK\x01\x02")
    for offset in offsets:
        good[directory + offset : directory + offset + 4] = struct.pack("<I", value)
    return good


GOOD_PICKLE = asm.program(asm.state(w=TENSOR()))
CONTAINERS = {
    "zip_overlap": overlapping_zip(),
    "zip_size_lies": lying_zip((24,), 1 << 31),
    "zip_both_sizes_lie": lying_zip((20, 24), 1 << 31),
    "zip_offset_lies": lying_zip((42,), 1 << 30),
    "zip_bomb": zip_bytes(
        ("a/data.pkl", GOOD_PICKLE),
        ("a/data/0", b"\0" * (1 << 24)),
        compression=zipfile.ZIP_DEFLATED,
    ),
    "zip_two_pickles": zip_bytes(("a/data.pkl", GOOD_PICKLE), ("b/data.pkl", GOOD_PICKLE)),
    "zip_without_pickle": zip_bytes(("a/version", b"3")),
    "zip_many_entries": zip_bytes(*[(f"a/{n}", b"") for n in range(30_001)]),
    "zip_cut": zip_bytes(("a/data.pkl", GOOD_PICKLE), ("a/data/0", DATA["0"]))[:-30],
    "zip_strange_order": zip_bytes(
        ("a/data.pkl", GOOD_PICKLE), ("a/byteorder", b"middle"), ("a/data/0", DATA["0"])
    ),
    "zip_pickle_of_9_MB": zip_bytes(("a/data.pkl", b"\x80\x02" + b"N" * (9 << 20))),
    "legacy_wrong_magic": b"\x80\x02K\x07.",
    "legacy_wrong_version": asm.MAGIC + b"\x80\x02K\x07.",
    "legacy_attack_as_magic": asm.program(PROGRAMS["reduce_os_system"]),
    "legacy_attack_as_version": asm.MAGIC + asm.program(PROGRAMS["reduce_os_system"]),
    "legacy_attack_as_facts": asm.MAGIC + asm.VERSION + asm.program(PROGRAMS["inst"]),
    "legacy_attack_as_keys": asm.MAGIC
    + asm.VERSION
    + asm.program(b"}")
    + GOOD_PICKLE
    + asm.program(PROGRAMS["global_eval"]),
}

REASONS = {  # what each cap is for: without it, another check would catch these later or never
    "zip_format_lists": "more than 500000 instructions",
    "zip_format_texts": "more than 500000 instructions",
    "zip_format_marks": "nested deeper than 64",
    "zip_format_long_string": "longer than 8388608 bytes",
    "zip_format_long1_of_255_bytes": "an integer of 255 bytes",
    "zip_format_wide_dicts_without_tensors": "nested too deeply, or too large",
    "zip_format_dict_of_itself": "nested too deeply",
    "zip_format_expanded": "does not fit its storage",
    "zip_format_tuple_key": "dict key of type tuple",
    "zip_overlap": "overlaps another",
    "zip_bomb": "is compressed",
    "zip_many_entries": "more than 30000 entries",
    "zip_pickle_of_9_MB": "longer than 8388608 bytes",
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Load all attacks in one watched process: outcome and audit events of each."""
    folder = tmp_path_factory.mktemp("attacks")
    asm.write_zip(folder / "good_zip.warm", asm.state(w=TENSOR()), DATA)
    asm.write_legacy(folder / "good_legacy.warm", asm.state(w=TENSOR()), DATA)
    for name, body in PROGRAMS.items():
        asm.write_zip(folder / f"zip_format_{name}.pth", body, DATA)
        if len(body) < 100_000:  # the long ones differ in nothing and take a while
            asm.write_legacy(folder / f"legacy_format_{name}.pth", body, DATA)
    for name, content in CONTAINERS.items():
        (folder / f"{name}.pth").write_bytes(content)
    return watched(folder, ".pth", "tinygan.nn.pth:load_pth")


def test_the_attacks_are_many(verdicts):
    assert len(PROGRAMS) > 90
    assert len(verdicts["files"]) > 180


def test_no_attack_runs_anything(verdicts):
    assert "exec" in verdicts["control"]
    assert {name: events for name, (_, events) in verdicts["files"].items() if events} == {}


def test_every_attack_is_refused_in_one_line_that_names_the_file(verdicts):
    for name, (outcome, _) in verdicts["files"].items():
        assert outcome.startswith("refused "), (name, outcome)
        assert f"{name}.pth: " in outcome
        assert "\n" not in outcome
        assert outcome.isprintable()


@pytest.mark.parametrize("name", REASONS)
def test_caps_refuse_what_they_are_for(verdicts, name):
    assert REASONS[name] in verdicts["files"][name][0]


def test_memory_stays_under_twice_the_file_and_64_MB(verdicts):
    if not verdicts["memory"]:
        pytest.skip("no /proc here: the peak of memory is unknown")
    assert verdicts["memory"] < 2 * verdicts["largest"] + (64 << 20)


def test_the_watch_sees_what_pickle_would_run(tmp_path):
    """The payload is live: Python's own machine runs it."""
    result = subprocess.run(
        [sys.executable, "-c", "import pickle,sys; pickle.load(sys.stdin.buffer)"],
        input=asm.program(PROGRAMS["reduce_os_system"]),
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert result.returncode == 0
    assert (tmp_path / "canary.txt").exists()


def test_the_machine_has_no_opcode_that_makes_an_instance():
    assert not set(pickle_vm.DATA_OPCODES) & {
        pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX,
        pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.PERSID,
    }  # fmt: skip


def outcomes_of_mutations(original, path, count, seed):
    rng, refusals = random.Random(seed), []
    for _ in range(count):
        path.write_bytes(mutated(original, rng))
        try:
            for array in load_pth(path).values():
                array.tobytes()  # touches every value: no view leaves its storage
        except CheckpointError as error:
            refusals.append(str(error))
    assert not any("\n" in refusal for refusal in refusals)
    return len(refusals)


def test_mutations_of_a_real_legacy_file_load_or_are_refused(tmp_path):
    folder = os.environ.get("TINYGAN_TEST_DATA")
    if not folder:
        pytest.skip("TINYGAN_TEST_DATA is unset: no real weights here")
    original = (Path(folder) / "weights/lpips/alex.pth").read_bytes()
    # most mutations hit the 4,608 bytes of values, which the legacy format has no checksum for
    assert outcomes_of_mutations(original, tmp_path / "m.pth", 2500, seed=1) > 500


def test_mutations_of_a_small_legacy_file_load_or_are_refused(tmp_path):
    original = asm.write_legacy(tmp_path / "o", asm.state(w=TENSOR()), DATA).read_bytes()
    assert outcomes_of_mutations(original, tmp_path / "m.pth", 2500, seed=2) > 1500


def test_mutations_of_a_small_zip_load_or_are_refused(tmp_path):
    original = asm.write_zip(tmp_path / "o", asm.state(w=TENSOR()), DATA).read_bytes()
    assert outcomes_of_mutations(original, tmp_path / "m.pth", 2500, seed=3) > 1500


def test_every_flipped_byte_of_zip_values_is_refused(tmp_path):
    path = asm.write_zip(tmp_path / "z.pth", asm.state(w=TENSOR()), DATA)
    original = path.read_bytes()
    start = original.index(DATA["0"])
    for at in range(start, start + len(DATA["0"])):
        path.write_bytes(original[:at] + bytes([original[at] ^ 0xFF]) + original[at + 1 :])
        with pytest.raises(CheckpointError, match="checksum"):
            load_pth(path)
