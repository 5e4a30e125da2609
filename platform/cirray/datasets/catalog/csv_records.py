"""The records of a CSV file, one bad record costing no other."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from cirray.datasets.reasons import MALFORMED_ROW, TEXT_TOO_LONG

MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte-order marks, and what they say of the encoding."""


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
    inside another without ending it, each line is read about twice at most.

    Args:
        data: the file.
        encoding: of the file, where it has no byte-order mark.
        delimiter: between cells.
    """
    found = next((name for mark, name in MARKS.items() if data.startswith(mark)), encoding)
    # Lines end as the csv module has it, not at each of the characters where str.splitlines() ends them.
    lines = list(io.StringIO(data.decode(found, errors="replace"), newline=""))
    start = 0
    while start < len(lines):
        reader = csv.reader(map(lines.__getitem__, range(start, len(lines))), delimiter=delimiter, strict=True)
        before = 0
        try:
            for cells in reader:
                if cells:
                    yield start + before + 1, [*cells]
                before = reader.line_num
            return
        except csv.Error as error:
            # A cell that goes on over many lines without end is a quote that was forgotten.
            too_long = "field limit" in str(error) and reader.line_num == before + 1
            reason = TEXT_TOO_LONG if too_long else MALFORMED_ROW
            yield start + before + 1, Flaw(reason, str(error))
            start += before + 1
