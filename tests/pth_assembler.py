"""Write ``.pth`` files opcode by opcode, so that tests can say what no honest program would."""

import zipfile

MAGIC = b"\x80\x02\x8a\x0a" + (0x1950A86A20F9469CFC6C).to_bytes(10, "little") + b"."
VERSION = b"\x80\x02M" + (1001).to_bytes(2, "little") + b"."
OD = b"ccollections\nOrderedDict\n)R"


def glob(module, name):
    return f"c{module}\n{name}\n".encode()


def text(value):
    data = value.encode()
    return b"X" + len(data).to_bytes(4, "little") + data


def number(value):
    data = value.to_bytes(10, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tup(*items):
    return b"(" + b"".join(items) + b"t"


def storage(kind="FloatStorage", key="0", numel=6, view=None):
    view_items = [] if view is None else [view]
    return (
        tup(
            text("storage"), glob("torch", kind), text(key), text("cpu"), number(numel), *view_items
        )
        + b"Q"
    )


def tensor(source=None, offset=0, size=(2, 3), stride=(3, 1)):
    return (
        glob("torch._utils", "_rebuild_tensor_v2")
        + tup(
            storage() if source is None else source,
            number(offset),
            tup(*map(number, size)),
            tup(*map(number, stride)),
            b"\x89",
            OD,
        )
        + b"R"
    )


def state(**entries):
    return OD + b"(" + b"".join(text(k) + v for k, v in entries.items()) + b"u"


def program(body, protocol=2):
    return b"\x80" + bytes([protocol]) + body + b"."


def write_zip(path, body, data, *, byteorder="little", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("archive/data.pkl", program(body))
        if byteorder is not None:
            archive.writestr("archive/byteorder", byteorder)
        for key, raw in data.items():
            archive.writestr(f"archive/data/{key}", raw)
    return path


def write_legacy(path, body, data, *, itemsize=4, counts=None):
    keys = b"]" + b"".join(text(key) + b"a" for key in data)
    tail = b"".join(
        (len(raw) // itemsize if counts is None else counts[key]).to_bytes(8, "little", signed=True)
        + raw
        for key, raw in data.items()
    )
    path.write_bytes(MAGIC + VERSION + program(b"}") + program(body) + program(keys) + tail)
    return path
