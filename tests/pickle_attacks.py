"""Pickles that no honest program would write, a watch over what reading them does, and mutants."""

import json
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pth_assembler as asm

COMMAND = b"(X\x10\0\0\0touch canary.txt" + b"t"
SYSTEM = b"cos\nsystem\n"
EVAL = b"cbuiltins\neval\n"
CODE = asm.tup(asm.text("__import__('os').system('touch canary.txt')"))


class Exploit:
    """What Python's own pickle module would run."""

    def __init__(self, protocol):
        self.protocol = protocol

    def __reduce__(self):
        return os.system, ("touch canary.txt",)

    def body(self):
        data = pickle.dumps(self, self.protocol)
        return data[2:-1] if self.protocol >= 2 else data[:-1]


def wide_dicts(levels, width):
    """A dict of dicts with width**levels leaves, none of them a tensor."""
    body = b"}r\0\0\0\0"
    for level in range(levels):
        get = b"j" + level.to_bytes(4, "little")
        inner = b"".join(b"K" + bytes([key]) + get + b"s" for key in range(width))
        body += b"}" + inner + b"r" + (level + 1).to_bytes(4, "little")
    # every level lies on the stack: a tuple gathers them, and the last is fetched out of the memo
    return b"}K\0(" + body + b"tsK\1j" + levels.to_bytes(4, "little") + b"s"


def nested_dicts(levels):
    """A dict of dicts, each with the former under two keys, alone on the stack."""
    parts = [b"}X\x01\0\0\0t" + asm.state(w=asm.tensor()) + b"r\0\0\0\0" + b"s"]
    for level in range(levels):
        get = b"j" + level.to_bytes(4, "little")
        inner = b"}X\x01\0\0\0a" + get + b"sX\x01\0\0\0b" + get + b"s"
        key = b"X\x04\0\0\0" + f"{level:04d}".encode()
        parts.append(key + inner + b"r" + (level + 1).to_bytes(4, "little") + b"s")
    return b"".join(parts)


def tuple_key(levels):
    """A dict key whose hash would take 2**levels steps."""
    body = b"K\x01r\0\0\0\0"
    for level in range(levels):
        get = b"j" + level.to_bytes(4, "little")
        body += get + get + b"\x86r" + (level + 1).to_bytes(4, "little")
    return b"}(" + body + b"t" + b"N" + b"s"


BIG = (1 << 62).to_bytes(8, "little")
TENSOR = asm.tensor
PROGRAMS = {
    "reduce_os_system": SYSTEM + COMMAND + b"R",
    "reduce_posix_system": b"cposix\nsystem\n" + COMMAND + b"R",
    "reduce_subprocess": b"csubprocess\nPopen\n" + COMMAND + b"R",
    "pickle_module_protocol_0": Exploit(0).body(),
    "pickle_module_protocol_2": Exploit(2).body(),
    "pickle_module_protocol_4": Exploit(4).body(),
    "global_eval": EVAL + CODE + b"R",
    "global_python_2_eval": b"c__builtin__\neval\n" + CODE + b"R",
    "global_exec_alone": asm.state(w=b"cbuiltins\nexec\n"),
    "global_getattr": b"cbuiltins\ngetattr\n" + CODE + b"R",
    "global_attribute_of_allowed": b"ccollections\nOrderedDict.__class__\n" + CODE + b"R",
    "global_dotted_module": b"ctorch._utils\nos.system\n" + COMMAND + b"R",
    "global_torch_load": b"ctorch\nload\n" + COMMAND + b"R",
    "global_hub": b"ctorch.hub\nload\n" + COMMAND + b"R",
    "global_numpy_load": b"cnumpy\nload\n" + COMMAND + b"R",
    "global_runpy": b"crunpy\n_run_code\n" + CODE + b"R",
    "global_escape_codes": b"c\x1b[2J\nx\n" + CODE + b"R",
    "global_without_end": b"cos" + b"x" * 4000,
    "global_not_ascii": b"c\xff\xfe\nsystem\n" + COMMAND + b"R",
    "stack_global": b"\x8c\x02os\x8c\x06system\x93" + COMMAND + b"R",
    "stack_global_of_numbers": b"K\x01K\x02\x93" + COMMAND + b"R",
    "inst": b"(X\x10\0\0\0touch canary.txtios\nsystem\n",
    "obj": b"(" + SYSTEM + b"X\x10\0\0\0touch canary.txto",
    "obj_of_allowed": b"(ccollections\nOrderedDict\no",
    "newobj": SYSTEM + COMMAND + b"\x81",
    "newobj_of_allowed": b"ccollections\nOrderedDict\n)\x81",
    "newobj_ex": SYSTEM + COMMAND + b"}\x92",
    "build_setstate": asm.OD + b"}X\x0c\0\0\0__setstate__" + SYSTEM + b"sb",
    "build_on_constructor": b"ccollections\nOrderedDict\n" + b"}b",
    "build_on_storage_type": b"ctorch\nFloatStorage\n}X\x06\0\0\0stored" + EVAL + b"sb",
    "build_without_object": b"}b",
    "reduce_of_storage_type": b"ctorch\nFloatStorage\n" + asm.tup(asm.number(1 << 40)) + b"R",
    "reduce_of_string": asm.text("os.system") + COMMAND + b"R",
    "reduce_without_tuple": b"ccollections\nOrderedDict\n]R",
    "reduce_of_nothing": b"R",
    "ext1": b"\x82\x01" + COMMAND + b"R",
    "ext2": b"\x83\x01\x00" + COMMAND + b"R",
    "ext4": b"\x84\x01\x00\x00\x00" + COMMAND + b"R",
    "persistent_text_id": b"Pos.system\n",
    "persistent_number": b"K\x05Q",
    "persistent_module": asm.tup(asm.text("module"), EVAL, asm.text("x"), asm.text("y")) + b"Q",
    "persistent_list": b"]Q",
    "persistent_wrong_kind": asm.tup(*[asm.text("storage")] * 4, asm.number(6)) + b"Q",
    "persistent_number_as_key": asm.tup(
        asm.text("storage"), asm.glob("torch", "FloatStorage"), b"K\x01", b"N", b"K\x06"
    )
    + b"Q",
    "persistent_path_as_key": asm.state(w=TENSOR(asm.storage(key="../../etc/passwd"))),
    "long_string": b"X\xff\xff\xff\xff" + b"A" * 64,
    "long_binstring": b"T\xff\xff\xff\x7f" + b"A" * 64,
    "long4": b"\x8b\xff\xff\xff\x7f" + b"A" * 64,
    "long1_of_255_bytes": b"\x8a\xff" + b"\x7f" * 255,
    "binbytes8": b"\x8e" + BIG,
    "binunicode8": b"\x8d" + BIG,
    "bytearray8": b"\x96" + BIG,
    "frame_then_nothing": b"\x95" + BIG,
    "not_utf_8": b"X\x02\0\0\0\xff\xfe",
    "memo_of_4_billion": b"Nr\xff\xff\xff\xff" + b"j\xfe\xff\xff\xff",
    "marks": b"(" * 200_000,
    "lists": b"]" * 700_000,
    "tuples": b")" + b"\x85" * 600_000,
    "dicts_of_one_item": b"}K\1K\2s" * 125_000,
    "texts": b"\x8c\3\xe2\x82\xac" * 500_000,
    "wide_text": b"X" + (8_000_000).to_bytes(4, "little") + b"a" * 7_999_996 + "😀".encode(),
    "memoised_dicts": b"".join(b"}r" + n.to_bytes(4, "little") for n in range(300_000)),
    "pop_past_mark": b"N(\x85",
    "stack_underflow": b"\x87",
    "set_item_of_list": b"]NNs",
    "set_items_odd": b"}(Nu",
    "append_to_dict": b"}Na",
    "extend_self": b"}" + asm.text("a") + b"]q\0(" + b"h\0" * 1000 + b"e" + b"(h\0h\0e" * 50 + b"s",
    "tuple_key": tuple_key(60),
    "list_as_key": b"}]Ns",
    "dict_laughs": nested_dicts(60),
    "wide_dicts_without_tensors": wide_dicts(14, 40),
    "dict_of_itself": b"}q\0X\x01\0\0\0ah\0s",
    "many_dicts_of_one_list": b"]("
    + b"".join(b"K" + bytes([n % 256]) + b"N\x86" for n in range(50_000))
    + b"e\x85q\0ccollections\nOrderedDict\nq\1"
    + b"h\1h\0R\x85" * 50_000,
    "ordered_dict_of_triples": b"ccollections\nOrderedDict\n](K\1K\2K\3\x87e\x85R",
    "offset_out_of_bounds": asm.state(w=TENSOR(offset=1)),
    "stride_out_of_bounds": asm.state(w=TENSOR(stride=(4, 1))),
    "stride_negative": asm.state(w=TENSOR(offset=5, stride=(-3, -1))),
    "size_negative": asm.state(w=TENSOR(size=(-2, -3))),
    "offset_negative": asm.state(w=TENSOR(offset=-1)),
    "offset_huge": asm.state(w=TENSOR(offset=(1 << 64) - 3)),
    "stride_huge": asm.state(w=TENSOR(stride=((1 << 62), 1))),
    "size_wraps_64_bits": asm.state(w=TENSOR(size=(1 << 33, 1 << 33), stride=(0, 0))),
    "size_zero_and_huge": asm.state(w=TENSOR(size=(0, 1 << 62, 1 << 62), stride=(1, 1, 1))),
    "expanded": asm.state(w=TENSOR(size=(1 << 40,), stride=(0,))),
    "overlapping_windows": asm.state(w=TENSOR(size=(4, 3), stride=(1, 1))),
    "many_axes": asm.state(w=TENSOR(size=(1,) * 5000, stride=(1,) * 5000)),
    "size_is_float": asm.state(
        w=asm.glob("torch._utils", "_rebuild_tensor_v2")
        + asm.tup(asm.storage(), b"K\0", b"G" + b"\x7f" * 8 + b"\x85", b"K\1\x85", b"\x89", asm.OD)
        + b"R"
    ),
    "size_is_true": asm.state(
        w=asm.glob("torch._utils", "_rebuild_tensor_v2")
        + asm.tup(asm.storage(), b"K\0", b"\x88\x85", b"K\1\x85", b"\x89", asm.OD)
        + b"R"
    ),
    "tensor_without_storage": asm.state(
        w=asm.glob("torch._utils", "_rebuild_tensor_v2") + b"(NK\0))\x89Nt" + b"R"
    ),
    "parameter_of_nothing": asm.glob("torch._utils", "_rebuild_parameter") + b"(N\x88NtR",
    "storage_missing": asm.state(w=TENSOR(asm.storage(key="9"))),
    "storage_larger_than_file": asm.state(w=TENSOR(asm.storage(numel=1 << 50))),
    "storage_negative": asm.state(w=TENSOR(asm.storage(numel=-6))),
    "storage_of_two_types": asm.state(a=TENSOR(), b=TENSOR(asm.storage("IntStorage"))),
    "storage_view_too_long": asm.state(
        w=TENSOR(asm.storage(view=asm.tup(asm.text("v"), asm.number(3), asm.number(4))))
    ),
    "storage_view_of_text": asm.state(w=TENSOR(asm.storage(view=asm.text("view")))),
    "two_tensors_of_one_name": b"}(" + b"X\x03\0\0\0a.b" + TENSOR() + b"X\1\0\0\0a" + b"}"
    b"X\1\0\0\0b" + TENSOR() + b"su",
    "name_of_a_megabyte": b"}" + asm.text("n" * (1 << 20)) + TENSOR() + b"s",
    "protocol_255": b"\x80\xff" + asm.state(w=TENSOR()),
    "left_over_values": b"N" + asm.state(w=TENSOR()),
    "dup": asm.state(w=TENSOR()) + b"2",
    "next_buffer": b"\x97",
    "unicode_line": b"Vcanary\n",
    "int_line": b"I" + b"9" * 5000 + b"\n",
}

WATCH = """
    import importlib, json, sys
    from pathlib import Path
    from tinygan.errors import TinyganError

    folder, suffix, (module, function) = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(":")
    read = getattr(importlib.import_module(module), function)
    for warm in folder.glob("*.warm"):
        read(warm)  # lazy imports happen here, before the watch
    events, report = [], {}
    files = sorted(folder.glob("*" + suffix))

    def watch(event, arguments):
        if event != "open" or str(arguments[0]) not in names:
            events.append(event)

    def high_water():  # of this process alone: getrusage starts from its parent's
        status = Path("/proc/self/status")
        lines = status.read_text().splitlines() if status.exists() else ["VmHWM: 0 kB"]
        return [int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")][0]

    before = high_water()
    names = {str(path) for path in files}
    sys.addaudithook(watch)
    for path in files:
        events.clear()
        try:
            outcome = "loaded " + " ".join(map(str, read(path)))
        except TinyganError as error:
            outcome = f"refused {error}"
        except BaseException as error:
            outcome = f"CRASH {type(error).__name__} {error}"
        report[path.stem] = (outcome, list(events))
    events.clear()
    eval("1")  # the watch itself must be awake
    control = list(events)
    peak = high_water()
    largest = max(path.stat().st_size for path in files)
    sizes = {"memory": peak - before, "largest": largest}
    print(json.dumps({"files": report, "control": control, **sizes}))
"""


def watched(folder, suffix, reader):
    """Read all files of a suffix in one watched process: outcome and audit events of each.

    ``reader`` is "module:function"; files called ``*.warm`` are read before the watch begins.
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WATCH), str(folder), suffix, reader],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert not (folder / "canary.txt").exists()
    return json.loads(result.stdout)


def mutated(data, rng):
    """Flip, overwrite, delete, insert or swap a few bytes, or cut the end off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        kind, at = rng.randrange(6), rng.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice(b"\x00\xff(.tRbQcIo\x80\x81\x93}]sue\x85\x86")
        elif kind == 2:
            del data[at : at + rng.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif kind == 4:
            other = rng.randrange(len(data))
            data[at : at + 8] = data[other : other + 8]
        elif rng.random() < 0.3:
            del data[at:]
        data = data or bytearray(b"\0")
    return bytes(data)
