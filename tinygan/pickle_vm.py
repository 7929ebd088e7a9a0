"""A pickle machine that can build data and nothing else.

A pickle is a program for a stack machine, and Python's own machine lets that program call any
function that can be imported. This one has no instruction that could: a global is a look-up in a
table that the caller gives, REDUCE runs only the ``Constructor`` objects of that table, and
everything else that plain data have no use for (INST, OBJ, NEWOBJ, extension codes, ...) is not
in the dictionary of opcodes, so it is refused by its byte. Memory is bounded by the caps below:
an instruction makes at most one small object, and no length is believed before it is compared
with its cap.

``OPCODES`` is what a state dict needs (the bytes of tensors lie outside its pickle);
``DATA_OPCODES`` adds byte strings, which is where NumPy's arrays keep their values.

Opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py (protocols 0 to 5).

Deviations: strings of Python 2 (BINSTRING) are UTF-8 text in ``OPCODES``, as in ``torch.load``,
and bytes in ``DATA_OPCODES``; BUILD is allowed on a ``Stateful`` and on a dict, whose state (a
state dict's ``_metadata``) it ignores; keys are str, bytes or int, since hashing a nested tuple
can take time exponential in the size of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

import numpy as np

from .errors import TinyganError

MAX_OPS = 500_000  # about 45 a tensor: 11,000 tensors
MAX_BYTES = 8 << 20  # of one pickle whose arrays lie outside, and of one text beyond Latin-1
MAX_MARKS = 64  # open MARKs: literals nested in literals
MAX_LONG_BYTES = 16
MAX_LINE_BYTES = 128  # of a module or attribute name


class PickleError(TinyganError, ValueError):
    """A pickle is damaged, over a cap, or asks for what plain data have no need of."""


class Stateful:
    """A value under construction that a pickle may fill by BUILD."""

    def set_state(self, state: object) -> None:
        """Check the state and take it over, or raise ``PickleError``."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constructor:
    """A global that a pickle may call: ``build`` gets the argument tuple and must check it."""

    build: Callable[[tuple[object, ...]], object]


class PickleMachine:
    """Run one pickle of ``stream`` and leave the stream behind it.

    Args:
        stream: where the pickle starts; read forward only.
        known: allowed globals by ``module.name``. A ``Constructor`` can be called by REDUCE, any
            other value is handed out as it is.
        persistent_load: turns a persistent id into a value, or raises; None refuses them all.
        opcodes: the instructions it has: ``OPCODES`` or ``DATA_OPCODES``.
        max_bytes: longest program; never more than the bytes that are there.
        fits: what would be accepted, for the end of messages.
    """

    def __init__(
        self,
        stream: BinaryIO,
        known: Mapping[str, object],
        persistent_load: Callable[[object], object] | None = None,
        *,
        opcodes: Opcodes | None = None,
        max_bytes: int = MAX_BYTES,
        fits: str = "a plain state_dict",
    ) -> None:
        self.stream = stream
        self.known = known
        self.persistent_load = persistent_load
        self.opcodes = OPCODES if opcodes is None else opcodes
        self.max_bytes = max_bytes
        self.fits = fits
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}
        self.position = 0

    def load(self) -> object:
        """Run until STOP and return what the pickle describes.

        Raises:
            PickleError: the program is cut short, malformed, over a cap, or asks for an
                instruction or a global that is not allowed.
        """
        for _ in range(MAX_OPS):
            opcode = self.take(1)
            if opcode == b".":
                value = self.pop()
                if self.stack or self.marks:
                    raise PickleError("malformed pickle: values are left over at its end")
                return value
            method = self.opcodes.get(opcode)
            if method is None:
                raise PickleError(
                    f"pickle opcode {opcode!r} at byte {self.position - 1} is refused: "
                    f"{self.fits} fits"
                )
            method(self)
        raise PickleError(f"pickle has more than {MAX_OPS} instructions")

    # -- reading -----------------------------------------------------------------------------

    def take(self, count: int) -> bytes:
        """Read exactly ``count`` bytes of the program."""
        if count > self.max_bytes - self.position:
            raise PickleError(f"pickle is longer than {self.max_bytes} bytes")
        data = self.stream.read(count)
        if len(data) != count:
            raise PickleError("file ends inside a pickle")
        self.position += count
        return data

    def uint(self, width: int) -> int:
        """Read an unsigned little-endian integer of ``width`` bytes."""
        return int.from_bytes(self.take(width), "little")

    def line(self) -> str:
        """Read a short line of ASCII, without its newline."""
        data = self.stream.readline(MAX_LINE_BYTES)
        self.position += len(data)
        if not data.endswith(b"\n") or not data.isascii():
            raise PickleError("malformed pickle: the name of a global is cut short")
        return data[:-1].decode("ascii")

    def text(self, width: int) -> None:
        """Push a UTF-8 string whose length is an integer of ``width`` bytes."""
        data = self.take(self.uint(width))
        # One character beyond U+00FF (led by C4 or more) makes Python spend 2 or 4 bytes on each.
        if len(data) > MAX_BYTES and np.frombuffer(data, np.uint8).max() > 0xC3:
            raise PickleError(f"pickle has a text of {len(data)} bytes: refused")
        try:
            self.push(data.decode("utf-8"))
        except UnicodeDecodeError:
            raise PickleError("malformed pickle: a string is not UTF-8") from None

    def blob(self, width: int) -> None:
        """Push bytes whose length is an integer of ``width`` bytes."""
        self.push(self.take(self.uint(width)))

    # -- the stack ---------------------------------------------------------------------------

    def push(self, value: object) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> object:
        """Take the top of the stack, never past a MARK."""
        if not self.stack:
            raise PickleError("malformed pickle: its stack is empty")
        return self.stack.pop()

    def mark(self) -> None:
        """MARK: set the stack aside and start a new one."""
        if len(self.marks) >= MAX_MARKS:
            raise PickleError(f"pickle is nested deeper than {MAX_MARKS}")
        self.marks.append(self.stack)
        self.stack = []

    def pop_mark(self) -> list[object]:
        """Return all that was pushed since the last MARK."""
        if not self.marks:
            raise PickleError("malformed pickle: it closes what it has not opened")
        items, self.stack = self.stack, self.marks.pop()
        return items

    def pop_tuple(self, count: int) -> None:
        """TUPLE1 to TUPLE3: join the topmost ``count`` values."""
        items = [self.pop() for _ in range(count)]
        self.push(tuple(reversed(items)))

    # -- containers --------------------------------------------------------------------------

    def extend(self, items: list[object]) -> None:
        """Append to the list on top of the stack."""
        target = self.stack[-1] if self.stack else None
        if not isinstance(target, list):
            raise PickleError("malformed pickle: it appends to what is no list")
        target.extend(items)

    def append(self) -> None:
        """APPEND: one value to the list below it."""
        self.extend([self.pop()])

    def update(self, items: list[object]) -> None:
        """Set keys and values, in turn, of the dict on top of the stack."""
        target = self.stack[-1] if self.stack else None
        if not isinstance(target, dict) or len(items) % 2:
            raise PickleError("malformed pickle: it sets items of what is no dict")
        target.update(checked_items(zip(items[::2], items[1::2], strict=True)))

    def set_item(self) -> None:
        """SETITEM: one key and value to the dict below them."""
        value = self.pop()
        self.update([self.pop(), value])

    # -- the memo ----------------------------------------------------------------------------

    def get(self, index: int) -> None:
        """BINGET: push what was remembered under ``index``."""
        if index not in self.memo:
            raise PickleError(f"malformed pickle: its memo has no entry {index}")
        self.push(self.memo[index])

    def put(self, index: int) -> None:
        """BINPUT: remember the top of the stack under ``index``."""
        if not self.stack:
            raise PickleError("malformed pickle: its stack is empty")
        self.memo[index] = self.stack[-1]

    # -- globals and calls -------------------------------------------------------------------

    def find(self, module: object, name: object) -> None:
        """GLOBAL: push an entry of the table of allowed globals; nothing is imported."""
        named = isinstance(module, str) and isinstance(name, str)
        key = f"{module}.{name}" if named else None
        if key is None or key not in self.known:
            what = "a global without a name" if key is None else f"the global {key[:99]!a}"
            raise PickleError(f"pickle asks for {what}, which is refused: {self.fits} fits")
        self.push(self.known[key])

    def stack_global(self) -> None:
        """STACK_GLOBAL: as GLOBAL, with the names on the stack."""
        name = self.pop()
        self.find(self.pop(), name)

    def reduce(self) -> None:
        """REDUCE: run a constructor of the table on an argument tuple."""
        arguments, function = self.pop(), self.pop()
        if not isinstance(function, Constructor) or not isinstance(arguments, tuple):
            raise PickleError("pickle calls what is no constructor of plain data: refused")
        self.push(function.build(arguments))

    def build(self) -> None:
        """BUILD: fill a ``Stateful``, or drop the attributes of a dict; nothing else has any."""
        state = self.pop()
        target = self.stack[-1] if self.stack else None
        if isinstance(target, Stateful):
            target.set_state(state)
        elif not isinstance(target, dict):
            raise PickleError("pickle sets attributes of an object: refused")

    def persistent_id(self) -> None:
        """BINPERSID: let the caller turn an id into a value."""
        if self.persistent_load is None:
            raise PickleError("a persistent id where none belongs")
        self.push(self.persistent_load(self.pop()))

    def long1(self) -> None:
        """LONG1: push an integer of up to ``MAX_LONG_BYTES`` bytes."""
        width = self.uint(1)
        if width > MAX_LONG_BYTES:
            raise PickleError(f"pickle holds an integer of {width} bytes")
        self.push(int.from_bytes(self.take(width), "little", signed=True))

    def frame(self) -> None:
        """FRAME: a hint for buffering, of no use here."""
        self.take(8)

    def protocol(self) -> None:
        """PROTO: protocols 0 to 5 exist."""
        version = self.uint(1)
        if version > 5:
            raise PickleError(f"pickle protocol {version} is unknown: 0 to 5 fit")


def checked_items(pairs: Iterable[object]) -> dict[str | bytes | int, object]:
    """Build a dict from pairs whose keys must be str, bytes or int."""
    items: dict[str | bytes | int, object] = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise PickleError("malformed pickle: a dict is made of what are no pairs")
        key, value = pair
        if not isinstance(key, str | bytes | int):
            raise PickleError(f"pickle has a dict key of type {type(key).__name__}: refused")
        items[key] = value
    return items


Opcodes: TypeAlias = Mapping[bytes, Callable[[PickleMachine], None]]

OPCODES: Opcodes = {
    b"\x80": PickleMachine.protocol,
    b"\x95": PickleMachine.frame,
    b"N": lambda vm: vm.push(None),
    b"\x88": lambda vm: vm.push(True),
    b"\x89": lambda vm: vm.push(False),
    b"K": lambda vm: vm.push(vm.uint(1)),  # BININT1
    b"M": lambda vm: vm.push(vm.uint(2)),  # BININT2
    b"J": lambda vm: vm.push(int.from_bytes(vm.take(4), "little", signed=True)),  # BININT
    b"\x8a": PickleMachine.long1,
    b"G": lambda vm: vm.push(struct.unpack(">d", vm.take(8))[0]),  # BINFLOAT
    b"U": lambda vm: vm.text(1),  # SHORT_BINSTRING
    b"T": lambda vm: vm.text(4),  # BINSTRING
    b"\x8c": lambda vm: vm.text(1),  # SHORT_BINUNICODE
    b"X": lambda vm: vm.text(4),  # BINUNICODE
    b"]": lambda vm: vm.push([]),
    b"}": lambda vm: vm.push({}),
    b")": lambda vm: vm.push(()),
    b"(": PickleMachine.mark,
    b"t": lambda vm: vm.push(tuple(vm.pop_mark())),
    b"\x85": lambda vm: vm.pop_tuple(1),
    b"\x86": lambda vm: vm.pop_tuple(2),
    b"\x87": lambda vm: vm.pop_tuple(3),
    b"a": PickleMachine.append,
    b"e": lambda vm: vm.extend(vm.pop_mark()),
    b"s": PickleMachine.set_item,
    b"u": lambda vm: vm.update(vm.pop_mark()),
    b"h": lambda vm: vm.get(vm.uint(1)),  # BINGET
    b"j": lambda vm: vm.get(vm.uint(4)),  # LONG_BINGET
    b"q": lambda vm: vm.put(vm.uint(1)),  # BINPUT
    b"r": lambda vm: vm.put(vm.uint(4)),  # LONG_BINPUT
    b"\x94": lambda vm: vm.put(len(vm.memo)),  # MEMOIZE
    b"c": lambda vm: vm.find(vm.line(), vm.line()),  # GLOBAL
    b"\x93": PickleMachine.stack_global,
    b"R": PickleMachine.reduce,
    b"b": PickleMachine.build,
    b"Q": PickleMachine.persistent_id,
}

DATA_OPCODES: Opcodes = {
    **OPCODES,
    b"U": lambda vm: vm.blob(1),  # SHORT_BINSTRING
    b"T": lambda vm: vm.blob(4),  # BINSTRING
    b"C": lambda vm: vm.blob(1),  # SHORT_BINBYTES
    b"B": lambda vm: vm.blob(4),  # BINBYTES
    b"\x8e": lambda vm: vm.blob(8),  # BINBYTES8
    b"\x96": lambda vm: vm.blob(8),  # BYTEARRAY8
}
