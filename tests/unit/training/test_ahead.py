"""Working ahead: the same items, errors where they are due, and no thread left behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from cirray.training.ahead import ahead


def threads() -> int:
    return sum(thread.name == "batches-ahead" for thread in threading.enumerate())


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(ahead(iter(range(100)))) == list(range(100))
    assert threads() == 0


def test_the_next_items_are_made_before_they_are_asked_for_but_not_all() -> None:
    made: list[int] = []
    third = threading.Event()

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            if number == 2:
                third.set()
            yield number

    found = ahead(items(), depth=2)
    assert next(found) == 0
    assert third.wait(10)
    assert len(made) <= 4
    found.close()
    assert threads() == 0


def test_an_error_comes_where_the_item_was_due() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("no second")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="no second"):
        next(found)
    assert threads() == 0


def test_who_stops_early_closes_what_it_took_from() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    found = ahead(items())
    next(found)
    found.close()
    assert closed.is_set()
    assert threads() == 0
