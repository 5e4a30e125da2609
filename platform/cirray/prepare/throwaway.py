"""What runs in a process that may die of a picture: `python -m cirray.prepare.throwaway`, started by `apart`.

It takes one JSON object on standard input, and tells on standard output, a JSON object a line, each picture before it
is decoded, and at the end what came of it all.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from typing import TextIO

from cirray.errors import BadImageError, DataError, StorageError
from cirray.prepare.allocation import keep_freed_memory
from cirray.prepare.config import PartConfig
from cirray.prepare.known import NOTHING
from cirray.prepare.part import check_picture, prepare_part, read_pictures
from cirray.prepare.plan import Part
from cirray.prepare.rejects import Reject
from cirray.prepare.wire import decoded, describe_failure, describe_result, described_part, encoded
from cirray.storage import Location


def main(told: TextIO) -> None:
    """Do what standard input says: decode some pictures of a part, or make it without those that kill."""
    asked = json.load(sys.stdin)
    part, earlier = described_part(decoded(asked["part"]))
    source, config = Location.parse(asked["source"]), PartConfig.model_validate_json(json.dumps(asked["config"]))

    def tell(**what: object) -> None:
        print(json.dumps(what), file=told, flush=True)

    def begun(row: int) -> None:
        tell(begun=row)

    keep_freed_memory()
    try:
        if asked["rows"] is not None:
            _try(part, source, config, asked["rows"], begun)
            tell(done=None)
            return
        rejects = {reject[1]: Reject(*reject) for reject in asked["rejects"]}
        known = replace(earlier.known() if earlier else NOTHING, rejects=rejects)
        result = prepare_part(part, source, Location.parse(asked["target"]), config, known, begun)
        tell(done=encoded(describe_result(result)))
    except (DataError, StorageError) as error:
        tell(done=encoded(describe_failure(part.number, error)))


def _try(part: Part, source: Location, config: PartConfig, rows: Sequence[int], begun: Callable[[int], None]) -> None:
    """Decode the pictures at `rows`; whether they are any good does not matter here."""
    for row, data in zip(rows, read_pictures(part, source, rows), strict=True):
        begun(row)
        with suppress(BadImageError):
            check_picture(data, config)


if __name__ == "__main__":
    # Whatever a library prints must not come between the lines that are read.
    told = sys.stdout
    with redirect_stdout(sys.stderr):
        main(told)
