"""Hostile pickled batches: nothing is run, nothing crashes, memory stays bounded."""

import pickle
import random

import cifar_files as cf
import numpy as np
import pth_assembler as asm
import pytest
from pickle_attacks import PROGRAMS, mutated, watched

from tinygan.data import cifar
from tinygan.errors import DataError

ROWS, LABELS = cf.rows(2), [3, 7]
GOOD = cf.python2_batch(ROWS, LABELS)
START = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R"
DTYPE = b"cnumpy\ndtype\n"
BYTE = DTYPE + b"U\2u1K\0K\1\x87R"


PIXELS = b"T\0\x18\0\0" + ROWS.tobytes()


def array(shape=b"K\2M\0\x0c\x86", dtype=BYTE, data=PIXELS):
    return START + b"(K\1" + shape + dtype + b"\x89" + data + b"tb"


def batch(data):
    return b"}(U\4data" + data + b"U\6labels](K\3K\7eu"


def shape(*sizes):
    return asm.tup(*map(asm.number, sizes))


ENCODE = b"c_codecs\nencode\n"
NUMPY_PROGRAMS = {
    "array_larger_than_bytes": batch(array(shape(3, 3072))),
    "array_of_huge_shape": batch(array(shape(1 << 40, 3072))),
    "array_of_product_beyond_64_bits": batch(array(shape(*[1 << 32] * 4))),
    "array_of_zero_and_huge": batch(array(shape(0, 1 << 62), data=b"U\0")),
    "array_of_negative_shape": batch(array(shape(-2, -3072))),
    "array_of_float_shape": batch(array(b"G@\0\0\0\0\0\0\0M\0\x0c\x86")),
    "array_of_bool_shape": batch(array(b"\x88M\0\x0c\x86")),
    "array_of_many_dimensions": batch(array(shape(*[1] * 60))),
    "array_without_shape": batch(array(b"N")),
    "array_without_bytes": batch(array(data=b"N")),
    "array_of_text": batch(array(data=asm.text("x" * 6144))),
    "array_of_list": batch(array(data=b"](" + b"K\1" * 6144 + b"e")),
    "array_without_state": batch(START),
    "array_with_two_states": batch(array() + b"(K\1K\2M\0\x0c\x86" + BYTE + b"\x89U\0tb"),
    "array_state_too_short": batch(START + b"(K\1tb"),
    "array_in_itself": batch(START + b"r\0\0\0\0" + b"(K\1K\2M\0\x0c\x86j\0\0\0\0\x89U\0tb"),
    "array_of_objects": batch(array(dtype=DTYPE + b"U\2O8K\0K\1\x87R")),
    "array_of_void": batch(array(dtype=DTYPE + b"U\3V16K\0K\1\x87R")),
    "array_of_dates": batch(array(dtype=DTYPE + b"U\2M8K\0K\1\x87R")),
    "array_of_strings": batch(array(dtype=DTYPE + b"U\3S99K\0K\1\x87R")),
    "dtype_of_list": batch(array(dtype=DTYPE + b"](U\2u1e\x85R")),
    "dtype_of_expression": batch(array(dtype=DTYPE + b"U\5u1,u1\x85R")),
    "dtype_of_nothing": batch(array(dtype=DTYPE + b")R")),
    "dtype_state_with_fields": batch(
        array(dtype=BYTE + b"(K\3U\1|N(U\1atU\4dictJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb")
    ),
    "dtype_state_of_strange_order": batch(array(dtype=BYTE + b"(K\3U\1xNNNtb")),
    "dtype_state_of_list": batch(array(dtype=BYTE + b"]b")),
    "dtype_as_data": batch(BYTE),
    "ndarray_called": batch(b"cnumpy\nndarray\n(K\2M\0\x0c\x86tR"),
    "reconstruct_of_dtype": batch(START.replace(b"cnumpy\nndarray\n", DTYPE)),
    "reconstruct_of_subclass": batch(START.replace(b"cnumpy\nndarray\n", b"cnumpy\nmatrix\n")),
    "memmap": batch(b"cnumpy\nmemmap\n(U\x0b/etc/passwdtR"),
    "numpy_load": batch(b"cnumpy\nload\n(U\x0b/etc/passwdtR"),
    "numpy_scalar_of_object": batch(b"cnumpy.core.multiarray\nscalar\n(U\1ON\x86R"),
    "frombuffer_of_text": batch(
        b"cnumpy._core.numeric\n_frombuffer\n(" + asm.text("abc") + BYTE + b"K\3\x85U\1CtR"
    ),
    "frombuffer_too_long": batch(
        b"cnumpy._core.numeric\n_frombuffer\n(U\3abc" + BYTE + b"M\0\x0c\x85U\1CtR"
    ),
    "frombuffer_of_few": batch(b"cnumpy._core.numeric\n_frombuffer\n)R"),
    "encode_other_codec": batch(ENCODE + b"(" + asm.text("x") + asm.text("zlib_codec") + b"tR"),
    "encode_beyond_latin": batch(ENCODE + b"(" + asm.text("Ω") + asm.text("latin1") + b"tR"),
    "encode_bomb": b"](X" + (1 << 18).to_bytes(4, "little") + b"A" * (1 << 18) + b"r\0\0\0\0"
    + (ENCODE + b"(j\0\0\0\0" + asm.text("latin1") + b"tR") * 2000 + b"e",
    "wide_text_bomb": batch(asm.text("A" * (9 << 20) + "\U0001f600")),
    "blob_of_all_memory": batch(b"B\xff\xff\xff\xff" + b"A" * 64),
    "blob8_of_all_memory": batch(b"\x8e" + (1 << 62).to_bytes(8, "little") + b"A" * 64),
    "bytearray8_of_all_memory": batch(b"\x96" + (1 << 62).to_bytes(8, "little") + b"A" * 64),
    "labels_of_a_list_in_itself": b"}(U\4data" + array() + b"U\6labels]r\0\0\0\0j\0\0\0\0au",
    "two_pickles": batch(array()) + b"." + batch(array()),
}  # fmt: skip


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory):
    """Read all attacks in one watched process: outcome and audit events of each."""
    folder = tmp_path_factory.mktemp("attacks")
    (folder / "good.warm").write_bytes(GOOD)
    short = {k: v for k, v in PROGRAMS.items() if len(v) < 100_000}  # the long ones take a while
    for name, body in {**short, **NUMPY_PROGRAMS}.items():
        (folder / f"{name}.batch").write_bytes(asm.program(body))
    return watched(folder, ".batch", "tinygan.data.cifar:load_file")


def test_the_assembled_batch_is_good_without_its_attack(tmp_path):
    path = tmp_path / "good"
    path.write_bytes(asm.program(batch(array())))
    np.testing.assert_array_equal(cifar.load_file(path).stored, cf.images(ROWS))


def test_no_attack_runs_anything(verdicts):
    assert len(verdicts["files"]) > 130
    assert "exec" in verdicts["control"]
    assert {name: events for name, (_, events) in verdicts["files"].items() if events} == {}


def test_every_attack_is_refused_in_one_line_that_names_the_file(verdicts):
    for name, (outcome, _) in verdicts["files"].items():
        assert outcome.startswith("refused "), (name, outcome)
        assert f"{name}.batch: " in outcome
        assert outcome.isprintable()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("encode_bomb", "more bytes than it holds"),
        ("wide_text_bomb", "a text of 9437188 bytes"),
        ("array_of_objects", "no plain numbers"),
        ("dtype_state_with_fields", "structures"),
        ("array_of_zero_and_huge", "has not the shape"),
        ("blob8_of_all_memory", "longer than"),
        ("two_pickles", "left over"),
    ],
)
def test_caps_refuse_what_they_are_for(verdicts, name, says):
    assert says in verdicts["files"][name][0]


def test_memory_stays_under_twice_the_file_and_64_MB(verdicts):
    if not verdicts["memory"]:
        pytest.skip("no /proc here: the peak of memory is unknown")
    assert verdicts["memory"] < 2 * verdicts["largest"] + (64 << 20)


@pytest.mark.parametrize("form", ["python 2", "protocol 2", "protocol 4", "protocol 5"])
def test_mutated_batches_give_whole_images_or_are_refused(tmp_path, form, soak, count):
    wanted = {"data": ROWS, "labels": LABELS, "batch_label": "x"}
    good = GOOD if form == "python 2" else pickle.dumps(wanted, int(form[-1]))
    # most bytes are pixels, for which the format has no checksum: mutate the rest more often
    pixels = good.index(ROWS.tobytes()[:32]) if form != "protocol 2" else 0
    rng, path, refused = random.Random(form), tmp_path / "m", []
    times = 25_000 if soak else 500
    for k in range(times):
        head, tail = (b"", good) if k % 4 == 0 or not pixels else (good[:pixels], good[pixels:])
        path.write_bytes(mutated(head or tail, rng) + (tail if head else b""))
        try:
            found = cifar.load_file(path)
        except DataError as error:
            refused.append(str(error))
            continue
        assert found.stored.shape[1:] == (32, 32, 3)
        assert found.labels.shape == found.stored.shape[:1]
        assert 0 <= found.labels.min() <= found.labels.max() < 100
        found.stored.tobytes()  # touches every value: no view leaves its bytes
    assert not any("\n" in refusal for refusal in refused)
    assert len(refused) > times // 4
    count("mutated pickled batches, each whole images or refused", times)
