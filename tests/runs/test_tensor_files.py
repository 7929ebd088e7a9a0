"""Tensor files: every layout comes back, every damage is seen, every write is whole."""

import hashlib
import os
import stat

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinygan.errors import CheckpointError, DtypeError
from tinygan.runs import files
from tinygan.runs.files import (
    SaveError,
    load_tensors,
    read_json,
    read_metadata,
    save_tensors,
    write_json,
    write_text,
)

DTYPES = ["f4", "f8", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?", ">f4", ">i8"]
LAYOUTS = {
    "c": lambda x: x,
    "f": np.asfortranarray,
    "reversed": lambda x: x[tuple(slice(None, None, -1) for _ in x.shape)],
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape) if x.ndim else x,
    "channels_last": lambda x: (
        np.ascontiguousarray(np.moveaxis(x, 1, -1)).swapaxes(-1, 1) if x.ndim == 3 else x
    ),
    "moved": lambda x: np.ascontiguousarray(np.moveaxis(x, 0, -1)).T if x.ndim else x,
}


def filled(shape, dtype, seed):
    raw = np.random.default_rng(seed).integers(0, 256, int(np.prod(shape)) * 8, dtype=np.uint8)
    dtype = np.dtype(dtype)
    count = int(np.prod(shape))
    if dtype.kind == "b":
        return (raw[:count] > 127).reshape(shape)
    return raw[: count * dtype.itemsize].view(dtype).reshape(shape)


def channels_last(n, c, h, w, dtype=np.float32):
    values = np.arange(n * c * h * w, dtype=dtype).reshape(n, h, w, c)
    return values.transpose(0, 3, 1, 2)


def same_bits(a, b):
    """Compare bit for bit, NaN included, whatever the byte order of the first one."""
    native = np.asarray(a, a.dtype.newbyteorder("<"))
    return native.shape == b.shape and native.dtype == b.dtype and native.tobytes() == b.tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tensors")


@settings(max_examples=200, deadline=None)
@given(
    entries=st.lists(
        st.tuples(
            st.lists(st.integers(0, 4), max_size=4).map(tuple),
            st.sampled_from(DTYPES),
            st.sampled_from(sorted(LAYOUTS)),
            st.integers(0, 2**32),
        ),
        max_size=5,
    )
)
def test_every_shape_dtype_and_layout_comes_back(folder, entries):
    tensors = {
        f"t{i} é": LAYOUTS[layout](filled(shape, dtype, seed))
        for i, (shape, dtype, layout, seed) in enumerate(entries)
    }
    before = {name: x.tobytes() for name, x in tensors.items()}
    save_tensors(folder / "t.safetensors", tensors)
    loaded = load_tensors(folder / "t.safetensors")
    assert list(loaded) == list(tensors)
    for name, x in tensors.items():
        assert x.tobytes() == before[name]
        assert same_bits(x, loaded[name])
        assert loaded[name].flags.writeable


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 3, 1, 2), (3, 2, 1, 0), (1, 0, 2, 3)])
def test_dense_arrays_get_their_strides_back(tmp_path, axes):
    x = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5).transpose(axes)
    save_tensors(tmp_path / "x", {"x": x})
    loaded = load_tensors(tmp_path / "x")["x"]
    assert loaded.strides == x.strides
    np.testing.assert_array_equal(loaded, x)


def test_sums_over_channels_last_arrays_keep_their_bits(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 9, 9, 33), dtype=np.float32).transpose(0, 3, 1, 2)
    save_tensors(tmp_path / "x", {"x": x})
    total = load_tensors(tmp_path / "x")["x"].sum(axis=(0, 2, 3))
    assert total.tobytes() == x.sum(axis=(0, 2, 3)).tobytes()
    assert total.tobytes() != np.ascontiguousarray(x).sum(axis=(0, 2, 3)).tobytes()


def test_the_safetensors_library_reads_the_same_values(tmp_path):
    from safetensors.numpy import load_file

    tensors = {"a": channels_last(2, 3, 4, 5), "b": np.array(7), "c": np.zeros((0, 3), "f8")}
    save_tensors(tmp_path / "x.safetensors", tensors, {"step": "7"})
    theirs = load_file(tmp_path / "x.safetensors")
    assert {name: same_bits(x, theirs[name]) for name, x in tensors.items()} == dict.fromkeys(
        tensors, True
    )


def test_files_of_the_safetensors_library_are_read_when_asked_for(tmp_path):
    from safetensors.numpy import save_file

    save_file({"a": np.arange(6.0).reshape(2, 3)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="no SHA-256 in it"):
        load_tensors(tmp_path / "x.safetensors")
    loaded = load_tensors(tmp_path / "x.safetensors", unchecked=True)
    np.testing.assert_array_equal(loaded["a"], np.arange(6.0).reshape(2, 3))


def test_metadata_comes_back_without_our_own(tmp_path):
    save_tensors(tmp_path / "x", {"a": channels_last(1, 2, 3, 4)}, {"recipe": 'dc"gan'})
    assert read_metadata(tmp_path / "x") == {"recipe": 'dc"gan'}


def test_the_hash_is_that_of_the_file_and_is_checked(tmp_path):
    digest = save_tensors(tmp_path / "x", {"a": np.arange(3.0)})
    assert digest == hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest()
    load_tensors(tmp_path / "x", sha256=digest)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_tensors(tmp_path / "x", sha256="0" * 64)


def test_every_flipped_byte_of_a_4_kB_file_is_seen(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"w": channels_last(2, 8, 7, 8), "step": np.array(3), "u": np.ones(4)})
    original = path.read_bytes()
    assert 3800 < len(original) < 5000
    for at in range(len(original)):
        for flip in (0x01, 0x20, 0xFF):
            data = original[:at] + bytes([original[at] ^ flip]) + original[at + 1 :]
            with pytest.raises(CheckpointError, match=r"x\.safetensors: "):
                files.decode_tensors(data, path)


def test_random_mutations_are_seen(tmp_path):
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"w": channels_last(2, 3, 4, 5), "b": np.array([True, False])})
    original = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(2000):
        data = bytearray(original)
        for at in rng.integers(0, len(data), rng.integers(1, 4)):
            data[at] = rng.integers(256)
        cut = rng.integers(len(data)) if rng.random() < 0.2 else len(data)
        if bytes(data[:cut]) == original:
            continue
        path.write_bytes(data[:cut])
        with pytest.raises(CheckpointError):
            load_tensors(path)


def test_mutated_foreign_headers_load_or_are_refused(tmp_path):
    """Without a hash the parser itself must hold: no crash, no array beyond the file."""
    from safetensors.numpy import save

    original = save({"a": np.arange(12, dtype=np.float32).reshape(3, 4), "b": np.ones(2)})
    path = tmp_path / "x"
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(2000):
        data = bytearray(original)
        for at in rng.integers(0, 140, rng.integers(1, 3)):
            data[at] = rng.choice(np.frombuffer(b'0123456789-[]{},:"FIUB. \xff\0', np.uint8))
        path.write_bytes(data)
        try:
            load_tensors(path, unchecked=True)
        except CheckpointError:
            refused += 1
    assert 1000 < refused < 2000


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 7, b"\xff" * 64, b"\2\0\0\0\0\0\0\0[]", b"x" * 99]
)
def test_files_of_another_kind_are_refused_by_name(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"/x: "):
        load_tensors(tmp_path / "x")


def test_complex_arrays_and_objects_are_refused_by_name(tmp_path):
    for array in (np.ones(2, complex), np.array(["a"]), np.array([None])):
        with pytest.raises(DtypeError, match=r"'weird' is .*float32"):
            save_tensors(tmp_path / "x", {"weird": array})
    assert os.listdir(tmp_path) == []


def test_arrays_of_a_device_are_copied_to_the_host(tmp_path):
    class DeviceArray:
        """As much of a CuPy array as saving needs; NumPy must not convert it by itself."""

        def __init__(self, host):
            self.host, self.flags, self.strides, self.ndim = (
                host,
                host.flags,
                host.strides,
                host.ndim,
            )

        def get(self):
            return np.ascontiguousarray(self.host)

        def __array__(self, *_):
            raise TypeError("implicit conversion")

    x = channels_last(2, 3, 4, 5)
    save_tensors(tmp_path / "x", {"x": DeviceArray(x)})
    loaded = load_tensors(tmp_path / "x")["x"]
    np.testing.assert_array_equal(loaded, x)
    assert loaded.strides == x.strides


def test_files_have_the_mode_of_the_umask(tmp_path):
    old = os.umask(0o022)
    try:
        save_tensors(tmp_path / "x", {"a": np.ones(2)})
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o644


def test_files_are_synced_before_they_get_their_name(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *a, _real=real, _name=name: (calls.append(_name), _real(*a))[1]
        )
    write_text(tmp_path / "x.txt", "new")
    assert calls == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failing_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, broken):
    save_tensors(tmp_path / "x", {"a": np.ones(2)})

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(SaveError, match="x: cannot be written: No space left"):
        save_tensors(tmp_path / "x", {"a": np.zeros(2)})
    monkeypatch.undo()
    assert os.listdir(tmp_path) == ["x"]
    np.testing.assert_array_equal(load_tensors(tmp_path / "x")["a"], [1, 1])


def test_json_keeps_every_bit_of_floats_and_takes_numpy_numbers(tmp_path):
    value = {"lr": 0.1 + 0.2, "seed": 2**127, "n": np.int64(3), "x": np.float32(0.1), "p": tmp_path}
    write_json(tmp_path / "c.json", value)
    loaded = read_json(tmp_path / "c.json")
    assert loaded == {**value, "x": float(np.float32(0.1)), "p": str(tmp_path)}


def test_json_refuses_objects_and_names_the_file(tmp_path):
    with pytest.raises(SaveError, match=r"c\.json: .* a set"):
        write_json(tmp_path / "c.json", {"a": {1}})
    (tmp_path / "d.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"d\.json: damaged"):
        read_json(tmp_path / "d.json")
    with pytest.raises(CheckpointError, match=r"e\.json: No such file"):
        read_json(tmp_path / "e.json")


def test_memory_order_names_axes_from_slow_to_fast():
    assert files.memory_order(channels_last(2, 3, 4, 5)) == [0, 2, 3, 1]
    assert files.memory_order(np.ones((2, 3))) is None
    assert files.memory_order(np.ones((2, 3)).T) == [1, 0]
