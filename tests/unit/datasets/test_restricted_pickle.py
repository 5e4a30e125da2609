from __future__ import annotations

import contextlib
import io
import os
import pickle
import resource
import struct
import sys
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib import format as npy

from cirray.datasets.pickled_values import ArrayValue
from cirray.datasets.restricted_pickle import load_object_npy
from cirray.errors import DataError

VALUE: dict[str, Any] = {
    "train": {"mods": [{"from": [0, 1], "to": [2, 3], "x": None, "yes": True, "half": 0.5, "big": 2**70, "n": -7}]},
    "pair": ("a", "b", 3, ()),
    "bytes": b"\x00\xff",
    "letters": "é, 漢",
}


SCALAR = b"cnumpy.core.multiarray\nscalar\n"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n)R"


def header() -> bytes:
    stream = io.BytesIO()
    npy.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": ()})
    return stream.getvalue()


def hostile(program: bytes) -> bytes:
    return header() + program


def saved(value: object, protocol: int = 4) -> bytes:
    array = np.empty((), dtype=object)
    array[()] = value
    return header() + pickle.dumps(array, protocol=protocol)


def test_what_numpy_saves_comes_back() -> None:
    stream = io.BytesIO()
    np.save(stream, np.array(VALUE, dtype=object))
    assert load_object_npy(stream.getvalue(), "x.npy") == VALUE


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_all_protocols_that_numpy_writes(protocol: int) -> None:
    assert load_object_npy(saved(VALUE, protocol), "x.npy") == VALUE


def test_a_list_of_objects_comes_back() -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}, "b", None], dtype=object))
    assert load_object_npy(stream.getvalue(), "x.npy") == [{"a": 1}, "b", None]


def test_numpy_numbers_strings_and_arrays_within() -> None:
    value = {
        "labels": np.array([3, 1, 2], dtype=">i4"),
        "grid": np.array([[0.5, 1.5]], dtype=np.float32),
        "one": np.float64(0.25),
        "flag": np.bool_(True),
        "word": np.str_("red"),
        "words": np.array(["é", "漢字"], dtype=">U3"),
        "raw": np.bytes_(b"gr\xe9y"),
        "objects": np.array(["a", {"b": 1}], dtype=object),
    }
    found = load_object_npy(saved(value), "x.npy")
    assert [found[key] for key in ("one", "flag", "word", "raw")] == [0.25, True, "red", "gréy"]
    for key, shape, values in [
        ("labels", (3,), [3, 1, 2]),
        ("objects", (2,), ["a", {"b": 1}]),
        ("words", (2,), ["é", "漢字"]),
    ]:
        assert isinstance(found[key], ArrayValue)
        assert (found[key].shape, found[key].values) == (shape, values)
    assert found["grid"].shape == (1, 2)


def test_python_2_text_is_read_as_latin_1() -> None:
    # What Python 2.7 and NumPy 1.16 write for array({'k': ['caf\xe9', u'\u6f22', 5L]}, dtype=object), protocol 2.
    program = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01)cnumpy\ndtype\nq\x04U\x02O8K\x00K\x01\x87Rq\x05(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
        b"\x89]q\x06}q\x07U\x01k]q\x08(U\x04caf\xe9X\x03\x00\x00\x00\xe6\xbc\xa2\x8a\x01\x05esatb."
    )
    assert load_object_npy(header() + program, "x.npy") == {"k": ["café", "漢", 5]}


class Call:
    """Pickles as a call of anything with anything."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


@pytest.mark.parametrize(
    ("attack", "named"),
    [
        (Call(os.system, "touch pwned"), f"{os.system.__module__}.system"),
        (Call(eval, "1+1"), "builtins.eval"),
        (Call(exec, "x=1"), "builtins.exec"),
        (Call(getattr, "a", "upper"), "builtins.getattr"),
        (Call(__import__, "os"), "builtins.__import__"),
        (Call(bytearray, 1 << 40), "builtins.bytearray"),
        (Call(np.load, "x.npy", None, True), "numpy.load"),
        (Call(np.empty, (1 << 40,)), "numpy.empty"),
        (Call(pickle.loads, b"N."), "_pickle.loads"),
        (OrderedDict(a=1), "collections.OrderedDict"),
        ({1, 2}, "EMPTY_SET"),
        (bytearray(b"x"), "BYTEARRAY8|builtins.bytearray"),
        (sys.stdin.__class__, "_io|io.TextIOWrapper|_pytest"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_code_is_refused_and_named(
    attack: object, named: str, protocol: int, tmp_path: Any, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(attack, set | bytearray) and protocol == 2:
        named = "builtin.*set|builtin.*bytearray"
    expected = rf"x\.npy is refused, at step .*({named}).*|.*_codecs.encode.*|.*numpy\._core.*"
    with pytest.raises(DataError, match=expected):
        load_object_npy(saved({"train": [attack]}, protocol), "x.npy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", r"asks for os\.system"),
        (b"cposix\nsystem\n(S'true'\ntR.", r"asks for posix\.system"),
        (b"c__builtin__\neval\n(S'1'\ntR.", r"asks for __builtin__\.eval"),
        (b"(S'true'\nios\nsystem\n.", "instruction INST"),
        (b"(cnumpy\nndarray\nK\x05o.", "instruction OBJ"),
        (b"cnumpy\nndarray\n(K\x05t\x81.", "instruction NEWOBJ"),
        (b"cnumpy\nndarray\n((\x8a\x06\x00\x00\x00\x00\x00\x01ttR.", "makes an array without its values"),
        (b"cnumpy\nload\n(S'x'\ntR.", r"asks for numpy\.load"),
        (b"cnumpy.core.multiarray\nfromfile\n.", r"asks for numpy\.core\.multiarray\.fromfile"),
        (b"cnumpy\ncore.multiarray._reconstruct\n.", "asks for"),
        (b"\x8c\x02os\x8c\x06system\x93.", r"asks for os\.system"),
        (b"K\x01K\x02\x93.", "asks for"),
        (b"Pabc\n.", "instruction PERSID"),
        (b"U\x01aQ.", "instruction BINPERSID"),
        (b"\x82\x01.", "instruction EXT1"),
        (b"\x97.", "instruction NEXT_BUFFER"),
        (b"}K\x01K\x02s.", "key of type int"),
        (b"})K\x02s.", "key of type tuple"),
        (b"}}}b.", "sets the state of a dict"),
        (b"cnumpy\nndarray\n}U\x01aK\x01sb.", "sets the state of a Name"),
        (b"U\x01a)R.", "calls a str"),
        (b"cnumpy\ndtype\n(U\x0cO8,O8,O8,O8,tR.", "which is no plain type"),
        (b"cnumpy\ndtype\n(U\x031V9tR.", "which is no plain type"),
        (b"cnumpy\ndtype\n(U\x02i8tR(K\x03U\x01<N(U\x01atNtb.", "fields"),
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\x02O8tRU\x08aaaaaaaatR.", "bytes of numbers"),
        (b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(U\x02i8tRU\x01atR.", "1 bytes for 1 values"),
        (
            b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01(M\xff\xffM\xff\xfftcnumpy\ndtype\n(U\x02O8tR\x89]tb.",
            "number",
        ),
        (SCALAR + b"(cnumpy\ndtype\n(U\x02U1tRU\x04\xff\xff\xff\xfftR.", "utf-32"),
        (ARRAY + b".", "no NumPy array"),
        (b"N.", "no NumPy array"),
        (b"N", "broken pickle"),
        (b"", "broken pickle"),
        (b".", "broken pickle"),
        (b"(.", "a value is missing"),
        (b"h\x05.", "broken pickle"),
        (b"a.", "broken pickle"),
        (b"NNs.", "dict|broken"),
        (b"\xff\xff", "broken pickle"),
        (b"I" + b"9" * 9000 + b"\n.", "broken pickle"),
    ],
)
def test_crafted_programs_are_refused(program: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_object_npy(hostile(program), "x.npy")


@pytest.mark.parametrize(
    "program",
    [
        b"Nr\xff\xff\xff\xff.",  # memo slot four billion
        b"p99999999999999\n.",
        b"\x8e" + struct.pack("<Q", 1 << 40) + b".",  # a terabyte of bytes that are not there
        b"\x8d" + struct.pack("<Q", 1 << 40) + b".",
        b"\x96" + struct.pack("<Q", 1 << 40) + b".",
        b"\x95" + struct.pack("<Q", 1 << 40) + b"N.",  # a frame of that size
        b"T" + struct.pack("<i", (1 << 31) - 1) + b".",
        b"\x8b" + struct.pack("<i", (1 << 31) - 1) + b".",
        b"}" + b")" + b"\x85" * 100_000 + b"Ns.",  # a key that takes a hundred thousand levels to hash
        b"}" + b"N\x85q\x00" + b"h\x00h\x00\x86q\x00" * 64 + b"Ns.",  # a key that takes 2 ** 64 steps to hash
        b"]" * 100_000 + b"a" * 99_999 + b".",
        b"]q\x00h\x00a.",  # a list in itself
        b"(" * 100_000 + b"t" * 100_000 + b".",
    ],
)
def test_bombs_fail_cleanly_and_without_memory(program: bytes) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError):
        load_object_npy(hostile(program), "x.npy")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes


def test_shared_values_do_not_multiply() -> None:
    # Each list holds the one before twice: 2 ** 60 values, if anything walked through them.
    shared: list[Any] = ["x"]
    for _ in range(60):
        shared = [shared, shared]
    found = load_object_npy(saved({"a": shared}), "x.npy")["a"]
    assert found[0] is found[1]


def test_size_and_steps_are_limited() -> None:
    data = saved({"a": list(range(1000))})
    with pytest.raises(DataError, match=r"where 100 are allowed"):
        load_object_npy(data, "x.npy", max_bytes=100)
    with pytest.raises(DataError, match=r"more than 50 instructions"):
        load_object_npy(data, "x.npy", max_steps=50)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x93NUMPY\x09\x00", b"\x93NUMPY\x01\x00\x05\x00{1:2}"])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(DataError, match=r"x\.npy is not an \.npy file"):
        load_object_npy(data, "x.npy")


def test_an_array_of_numbers_is_not_one_of_objects() -> None:
    stream = io.BytesIO()
    np.save(stream, np.arange(3))
    with pytest.raises(DataError, match="dtype int64, where one of Python objects"):
        load_object_npy(stream.getvalue(), "x.npy")


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7), cut=st.integers(0, 10_000))
def test_damaged_files_give_data_or_a_data_error(at: int, bit: int, cut: int) -> None:
    data = bytearray(saved(VALUE))
    data[at % len(data)] ^= 1 << bit
    for damaged in (bytes(data), saved(VALUE)[: cut % len(data)]):
        try:
            load_object_npy(damaged, "x.npy")
        except DataError as error:
            assert "x.npy" in str(error)  # noqa: PT017 (either outcome is right)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_data_or_a_data_error(program: bytes) -> None:
    with contextlib.suppress(DataError):
        load_object_npy(hostile(program), "x.npy")
