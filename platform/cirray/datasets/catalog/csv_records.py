"""The records of a CSV file, one bad record costing no other."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cirray.datasets.reasons import MALFORMED_ROW, TEXT_TOO_LONG

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte-order marks, and what they say of the encoding."""


MAX_LINES = 1000
"""Lines of one record. A file of lines such as `x","` is one record without end, from whichever line it is read."""

PATIENCE = 100
"""Records without end that are followed so far; in a file with more, each is followed for `FEW_LINES`."""

FEW_LINES = 16


@dataclass(frozen=True)
class Flaw:
    """Why a record or a cell is of no use.

    Attributes:
        reason: of the reject.
        detail: of the reject.
    """

    reason: str
    detail: str


Cell = str | Flaw

Record = tuple[int, list[Cell] | Flaw]
"""The number of a row, from 1, and its cells."""


def csv_records(data: bytes, encoding: str, delimiter: str) -> Iterator[Record]:
    """Yield (line, cells) of each record that is not blank; bytes of another encoding become U+FFFD.

    After a record that cannot be read, such as one with a quote that is never closed, reading goes on at the line
    after its first one, so that a single quote does not swallow the rest of the file. As no such record can begin
    inside another without ending it, each line is read about twice at most; but where lines end a cell and begin
    another, records without end could, and these are given up after `MAX_LINES`.

    Args:
        data: the file.
        encoding: of the file, where it has no byte-order mark.
        delimiter: between cells.
    """
    found = next((name for mark, name in MARKS.items() if data.startswith(mark)), encoding)
    # Lines end as the csv module has it, not at each of the characters where str.splitlines() ends them.
    lines = list(io.StringIO(data.decode(found, errors="replace"), newline=""))
    start = endless = 0
    while start < len(lines):
        fed = _Lines(lines, start, MAX_LINES if endless < PATIENCE else FEW_LINES)
        reader = csv.reader(fed, delimiter=delimiter, strict=True)
        before = 0
        try:
            for cells in reader:
                if cells:
                    yield start + before + 1, [*cells]
                before = fed.begun = reader.line_num
            return
        except csv.Error as error:
            # A cell that goes on over many lines without end is a quote that was forgotten.
            too_long = "field limit" in str(error) and reader.line_num == before + 1
            reason = TEXT_TOO_LONG if too_long else MALFORMED_ROW
            yield start + before + 1, Flaw(reason, str(error))
            start += before + 1
            endless += fed.endless


class _Lines:
    """The lines from one on, as long as no record takes too many of them.

    Attributes:
        begun: lines that were read before the current record.
        endless: whether a record took too many.
    """

    def __init__(self, lines: Sequence[str], start: int, most: int) -> None:
        self.begun = 0
        self.endless = False
        self._remaining = map(lines.__getitem__, range(start, len(lines)))
        self._most = most
        self._read = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._remaining)
        self._read += 1
        if self._read - self.begun > self._most:
            self.endless = True
            raise csv.Error(f"more than {self._most:,} lines without an end")
        return line
