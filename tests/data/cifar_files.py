"""Write small CIFAR batches in each published form, for tests."""

import io
import tarfile

import numpy as np

from tinygan.random import Stream

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def rows(n, seed=0):
    """Pixels as stored: (n, 3072) uint8."""
    return Stream(seed, "cifar").integers((n, 3072), 0, 256).astype(np.uint8)


def images(stored):
    """The definition, pixel by pixel: red plane, green plane, blue plane, each row by row."""
    out = np.zeros((len(stored), 32, 32, 3), np.uint8)
    for h in range(32):
        for w in range(32):
            for c in range(3):
                out[:, h, w, c] = stored[:, c * 1024 + h * 32 + w]
    return out


def labels(n, classes=10, seed=0):
    return Stream(seed, "labels").integers((n,), 0, classes).tolist()


def binary(stored, *columns):
    """Rows of the binary version: label columns, then pixels."""
    parts = [np.array(column, np.uint8)[:, None] for column in columns]
    return np.hstack([*parts, stored]).tobytes()


def _string(data):
    head = b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + len(data).to_bytes(4, "little")
    return head + data


def _number(value):
    return b"K" + bytes([value]) if value < 256 else b"M" + value.to_bytes(2, "little")


def _array(stored):
    """``ndarray.__reduce__`` as NumPy 1 and Python 2's cPickle wrote it, protocol 2."""
    dtype = (
        b"cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    start = b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87R"
    shape = b"".join(map(_number, stored.shape)) + b"\x86"
    return start + b"(K\x01" + shape + dtype + b"\x89" + _string(stored.tobytes()) + b"tb"


def python2(**entries):
    """A dict of str keys as Python 2 pickled it; lists hold small integers or strings."""
    body = b""
    for key, value in entries.items():
        body += _string(key.encode())
        if isinstance(value, np.ndarray):
            body += _array(value)
        elif isinstance(value, str):
            body += _string(value.encode())
        else:
            items = [_string(v.encode()) if isinstance(v, str) else _number(v) for v in value]
            body += b"](" + b"".join(items) + b"e"
    return b"\x80\x02}q\x01(" + body + b"u."


def python2_batch(stored, numbers, key="labels"):
    """A batch with all the keys of the published ones."""
    names = [f"img_{k}.png" for k in range(len(stored))]
    return python2(
        data=stored, batch_label="training batch 1 of 5", filenames=names, **{key: numbers}
    )


def tar(files, mode="w:gz", folder="cifar-10-batches/"):
    """An archive of (name, bytes) in a folder, as the published ones are."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.GNU_FORMAT) as archive:
        for name, data in files:
            info = tarfile.TarInfo(folder + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def binary_files(n=3):
    """The files of CIFAR-10's binary version, with ``n`` images a batch."""
    batches = [f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]
    files = [(name, binary(rows(n, k), labels(n, seed=k))) for k, name in enumerate(batches)]
    return [*files, ("batches.meta.txt", "\n".join([*NAMES, "", ""]).encode())]


def pickled_files(n=3):
    """The files of CIFAR-10's python version, with ``n`` images a batch."""
    batches = [f"data_batch_{k}" for k in range(1, 6)] + ["test_batch"]
    files = [(name, python2_batch(rows(n, k), labels(n, seed=k))) for k, name in enumerate(batches)]
    return [*files, ("batches.meta", python2(label_names=NAMES, num_vis=[3]))]
