"""Opening a NumPy object file that comes from elsewhere, without giving it the power to run anything.

Old benchmarks ship their annotations as an object array in an `.npy` file, which is a pickle inside. A pickle is a
small program, and `numpy.load(allow_pickle=True)` runs whatever it asks for. Overriding `pickle.Unpickler.find_class`
stops it from calling functions, but not from naming memo slot four billion (the C unpickler then clears as much
memory), nor from hashing a tuple nested a million deep (which overruns the stack of the interpreter). The pickle is
therefore decoded by `pickletools`, which only takes it apart, and put together by a machine that has just the
instructions that data needs. `find_class` is the one place where a name becomes something, and what it gives are
inert stand-ins: no function of NumPy, nor of anything else, is ever called with values that the file chose.
"""

from __future__ import annotations

import io
import pickletools
import warnings
from collections.abc import Callable
from tokenize import TokenError
from typing import Any

from numpy.lib import format as npy

from cirray.datasets.pickled_values import ArrayValue, DtypeValue, Name, find_class, scalar
from cirray.errors import DataError

MAX_BYTES = 128 << 20
"""Largest file that is opened; the largest known benchmark file of this kind is a tenth of it."""

MAX_STEPS = 20_000_000
"""Most instructions that are followed: each may make one object, so this bounds memory and time."""

_MARK = object()


def load_object_npy(data: bytes, path: str, max_bytes: int = MAX_BYTES, max_steps: int = MAX_STEPS) -> Any:
    """Return what an `.npy` file of dtype object holds: the one object of a 0-d array, else the list of them.

    Strings of Python 2 are read as Latin-1. What comes out consists of None, bool, int, float, str, bytes, list,
    tuple, dict with string keys, and `ArrayValue` for arrays within. Lists and dicts may be shared or contain
    themselves, as in any pickle, so look no deeper than the layout says.

    Args:
        data: content of the file.
        path: of the file, for messages.
        max_bytes: the largest `data` that is looked at.
        max_steps: the most pickle instructions that are followed.

    Raises:
        DataError: it is no such file, is larger than allowed, or its pickle asks for anything else than data.
    """
    if len(data) > max_bytes:
        raise DataError(f"{path} has {len(data):,} bytes, where {max_bytes:,} are allowed for a pickled file.")
    stream = io.BytesIO(data)
    _read_header(stream, path)
    machine = _Machine(max_steps)
    try:
        value = machine.run(stream)
    except DataError as error:
        raise DataError(f"{path} is refused, at step {machine.steps:,} of its pickle: {error}") from None
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, RecursionError) as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} holds a broken pickle, at step {machine.steps:,}: {reason}.") from None
    if not isinstance(value, ArrayValue) or value.values is None:
        raise DataError(f"{path} holds a pickle of something that is no NumPy array.")
    return value.values[0] if value.shape == () else value.values


def _read_header(stream: io.BytesIO, path: str) -> None:
    try:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"format version {version} is not known")
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        with warnings.catch_warnings():
            # NumPy warns of headers that Python 2 wrote, which is what we are here for.
            warnings.simplefilter("ignore")
            _, _, dtype = read(stream)
    except (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError) as error:
        raise DataError(f"{path} is not an .npy file: {error}.") from None
    if not dtype.hasobject:
        raise DataError(f"{path} is an array of dtype {dtype}, where one of Python objects was expected.")


class _Machine:
    """Follows the instructions of one pickle that make data, and refuses all others."""

    def __init__(self, max_steps: int) -> None:
        self.steps = 0
        self._max_steps = max_steps
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, stream: io.BytesIO) -> Any:
        push = self._stack.append
        for opcode, argument, _ in pickletools.genops(stream):
            self.steps += 1
            if self.steps > self._max_steps:
                raise DataError(f"it has more than {self._max_steps:,} instructions.")
            name = opcode.name
            if name in _ARGUMENTS:
                push(argument)
            elif name in _CONSTANTS:
                push(_CONSTANTS[name])
            elif name in _INSTRUCTIONS:
                _INSTRUCTIONS[name](self, argument)
            elif name == "STOP":
                return self._pop()
            elif name not in _IGNORED:
                raise DataError(f"it uses the instruction {name}, which plain data does not need.")
        raise ValueError("it ends without a result")

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a value is missing")
        return value

    def _pop_to_mark(self) -> list[Any]:
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _top(self, kind: type) -> Any:
        if not isinstance(self._stack[-1], kind):
            raise ValueError(f"a {kind.__name__} was expected")
        return self._stack[-1]

    def _memoize(self, index: int | None) -> None:
        # A dict: however high the index, it costs one entry.
        value = self._pop()
        self._stack.append(value)
        self._memo[len(self._memo) if index is None else index] = value

    def _tuple(self, count: int) -> None:
        self._stack.append(tuple([self._pop() for _ in range(count)][::-1]))

    def _append(self, values: list[Any]) -> None:
        self._top(list).extend(values)

    def _set(self, flat: list[Any]) -> None:
        if len(flat) % 2:
            raise ValueError("a key has no value")
        target = self._top(dict)
        for key, value in zip(flat[::2], flat[1::2], strict=True):
            # Only strings: hashing others can recurse without end, or be made to collide.
            if type(key) is not str:
                raise DataError(f"it has a dict with a key of type {type(key).__name__}; only strings are allowed.")
            target[key] = value

    def _dict(self) -> None:
        flat = self._pop_to_mark()
        self._stack.append({})
        self._set(flat)

    def _global(self, module: Any, name: Any) -> None:
        self._stack.append(find_class(module, name))

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise DataError(f"it calls a {type(function).__name__}, which is no part of a NumPy array.")
        if function is Name.RECONSTRUCT:
            self._stack.append(ArrayValue())
        elif function is Name.DTYPE:
            self._stack.append(DtypeValue.of(arguments))
        elif function is Name.SCALAR:
            self._stack.append(scalar(arguments))
        else:
            raise DataError("it makes an array without its values.")

    def _build(self) -> None:
        state = self._pop()
        target = self._stack[-1]
        if not isinstance(target, ArrayValue | DtypeValue):
            raise DataError(f"it sets the state of a {type(target).__name__}, which is no part of a NumPy array.")
        target.set_state(state)


_NUMBERS = "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT"
_STRINGS = "STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8"
_BYTES = "BINBYTES SHORT_BINBYTES BINBYTES8"
_ARGUMENTS = frozenset(f"{_NUMBERS} {_STRINGS} {_BYTES}".split())
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "MARK": _MARK,
}
_IGNORED = frozenset(("PROTO", "FRAME"))
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "EMPTY_LIST": lambda m, _: m._stack.append([]),
    "EMPTY_DICT": lambda m, _: m._stack.append({}),
    "LIST": lambda m, _: m._stack.append(m._pop_to_mark()),
    "DICT": lambda m, _: m._dict(),
    "TUPLE": lambda m, _: m._stack.append(tuple(m._pop_to_mark())),
    "TUPLE1": lambda m, _: m._tuple(1),
    "TUPLE2": lambda m, _: m._tuple(2),
    "TUPLE3": lambda m, _: m._tuple(3),
    "APPEND": lambda m, _: m._append([m._pop()]),
    "APPENDS": lambda m, _: m._append(m._pop_to_mark()),
    "SETITEM": lambda m, _: m._set([m._pop(), m._pop()][::-1]),
    "SETITEMS": lambda m, _: m._set(m._pop_to_mark()),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda m, index: m._stack.append(m._memo[int(index)])),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), lambda m, index: m._memoize(int(index))),
    "MEMOIZE": lambda m, _: m._memoize(None),
    "GLOBAL": lambda m, names: m._global(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda m, _: m._global(*[m._pop(), m._pop()][::-1]),
    "REDUCE": lambda m, _: m._reduce(),
    "BUILD": lambda m, _: m._build(),
}
