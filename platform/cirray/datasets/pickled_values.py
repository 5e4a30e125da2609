"""What the names in the pickle of a NumPy object array stand for: inert values, and no code of NumPy's own."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from cirray.errors import DataError

MAX_SHOWN = 80


class Name(Enum):
    """The names that a NumPy object array needs."""

    RECONSTRUCT = "_reconstruct"
    SCALAR = "scalar"
    NDARRAY = "ndarray"
    DTYPE = "dtype"


_MODULES = {
    Name.RECONSTRUCT: ("numpy.core.multiarray", "numpy._core.multiarray"),
    Name.SCALAR: ("numpy.core.multiarray", "numpy._core.multiarray"),
    Name.NDARRAY: ("numpy",),
    Name.DTYPE: ("numpy",),
}
_ALLOWED = {(module, name.value): name for name, modules in _MODULES.items() for module in modules}
"""Before NumPy 2 the core module had no underscore; Python 2 wrote the same names."""

_PLAIN = re.compile(r"b1|[iu][1248]|f[248]|[SU]\d{1,4}")
"""Types of numbers and short strings, as the pickle of a dtype writes them."""


def find_class(module: Any, name: Any) -> Name:
    """Return the stand-in of what a pickle names.

    Raises:
        DataError: it is not among what a NumPy object array needs.
    """
    if not isinstance(module, str) or not isinstance(name, str) or (module, name) not in _ALLOWED:
        asked = f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else repr(type(name))
        raise DataError(
            f"it asks for {asked[:MAX_SHOWN]}, which could run anything; allowed are the parts of a NumPy array.",
            hint="Do not open this file with other tools before you know where it comes from.",
        )
    return _ALLOWED[module, name]


@dataclass(eq=False)
class DtypeValue:
    """The type of a scalar or an array, such as code "i8" and order "<"; objects are "O8" or "O4"."""

    code: str
    order: str = "="

    @classmethod
    def of(cls, arguments: tuple[Any, ...]) -> DtypeValue:
        """Return the type that the arguments of `numpy.dtype` name.

        Raises:
            DataError: it is neither a number, a short string, nor an object.
        """
        code = arguments[0] if arguments else None
        if not isinstance(code, str) or not (_PLAIN.fullmatch(code) or code in ("O", "O4", "O8")):
            raise DataError(f"it has an array of dtype {str(code)[:MAX_SHOWN]!r}, which is no plain type.")
        return cls(code)

    @property
    def is_object(self) -> bool:
        """Whether its values are Python objects."""
        return self.code.startswith("O")

    def set_state(self, state: Any) -> None:
        """Take the byte order from the state that the pickle of a dtype has; what else it says, the code says too.

        Raises:
            DataError: the state has fields or no byte order.
        """
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in ("<", ">", "|", "="):
            raise DataError("it has a dtype without a byte order.")
        if any(part is not None for part in state[2:5]):
            raise DataError("it has a dtype with fields.")
        self.order = state[1]

    def decode(self, data: Any, count: int) -> list[Any]:
        """Return `count` values from the bytes of an array, numbers or strings.

        Raises:
            DataError: there are more or fewer bytes, or the values are objects.
        """
        if isinstance(data, str):  # a string of Python 2
            data = data.encode("latin-1")
        if self.is_object or not isinstance(data, bytes):
            raise DataError(f"it has {type(data).__name__} where the bytes of numbers or strings were expected.")
        dtype = np.dtype(self.order + self.code)
        if dtype.itemsize == 0 or len(data) != count * dtype.itemsize:
            raise DataError(f"it has {len(data):,} bytes for {count:,} values of dtype {self.code}.")
        if dtype.kind not in "SU":
            values: list[Any] = np.frombuffer(data, dtype).tolist()
            return values
        # NumPy does not check the code points of its strings; Python's decoder does.
        encoding = "latin-1" if dtype.kind == "S" else "utf-32-be" if self.order == ">" else "utf-32-le"
        cells = (data[start : start + dtype.itemsize] for start in range(0, len(data), dtype.itemsize))
        return [cell.decode(encoding).rstrip("\0") for cell in cells]


class ArrayValue:
    """A NumPy array as data.

    Attributes:
        shape: its lengths.
        values: its values in the order of the file, `prod(shape)` of them; None until its state was set.
    """

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()
        self.values: list[Any] | None = None

    def set_state(self, state: Any) -> None:
        """Take shape and values from the state that the pickle of an array has.

        Raises:
            DataError: it does not have the form of one, or as many values as its shape says.
        """
        if not isinstance(state, tuple) or len(state) != 5:
            raise DataError("it has an array whose state is not a tuple of five.")
        _, shape, dtype, _, data = state
        lengths = isinstance(shape, tuple) and len(shape) <= 8 and all(type(n) is int and n >= 0 for n in shape)
        if not lengths or not isinstance(dtype, DtypeValue):
            raise DataError("it has an array without a shape or dtype.")
        count = math.prod(shape)
        if not dtype.is_object:
            values = dtype.decode(data, count)
        elif isinstance(data, list) and len(data) == count:
            values = data
        else:
            raise DataError(f"it has an array of shape {shape!r} with another number of values.")
        self.shape, self.values = shape, values


def scalar(arguments: tuple[Any, ...]) -> Any:
    """Return the number or string that the arguments of NumPy's `scalar` stand for.

    Raises:
        DataError: they stand for anything else.
    """
    if len(arguments) != 2 or not isinstance(arguments[0], DtypeValue):
        raise DataError("it has a NumPy scalar without a dtype or bytes.")
    return arguments[0].decode(arguments[1], 1)[0]
