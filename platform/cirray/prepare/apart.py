"""A part of which a picture kills the process that decodes it: made in processes that may die of it.

Such a picture is found, left out, and named: every picture is decoded in a process that tells before each which one
it begins with. Where it dies, the next one goes on behind that picture. The picture that a process died at is decoded
once more, alone: if that process dies too, it was the picture, and not something that had gone wrong before, or a
machine that ended processes for want of memory.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cirray.errors import DataError
from cirray.prepare.config import PartConfig
from cirray.prepare.plan import Part
from cirray.prepare.rejects import CRASHES_DECODER, Reject
from cirray.prepare.wire import decoded, described_part, encoded
from cirray.storage import Location

ATTEMPTS = 3
"""How often a part is tried that dies although each of its pictures was decoded."""

_SHOWN = 400


class _End(NamedTuple):
    """How a process came to its end.

    Attributes:
        result: what it made, if anything; None too where it died.
        died_at: row of the picture at which it died, or None.
    """

    result: dict[str, Any] | None
    died_at: int | None


def prepare_part_apart(
    described: Mapping[str, Any], source: Location, target: Location, config: PartConfig
) -> dict[str, Any]:
    """Make a part in processes of its own, without the pictures that kill them, and return a row of `RESULTS`.

    Args:
        described: the part, by `describe_part`.
        source: what the paths of the items are relative to.
        target: place of the artifact.
        config: of the preparation.

    Raises:
        DataError: a process died again and again, or did not begin at all; the file is named.
    """
    part, _ = described_part(described)
    asked = {
        "part": encoded(described),
        "source": source.uri,
        "target": target.uri,
        "config": config.part_config().model_dump(mode="json"),
    }
    rejects = [_reject(part, row) for row in _deadly(part, asked)]
    for _ in range(ATTEMPTS):
        end = _run({**asked, "rows": None, "rejects": rejects}, part)
        if end.result is not None:
            return decoded(end.result)
    raise DataError(
        f"The process that prepares {part.name} died {ATTEMPTS} times, the last time at {_path(part, end.died_at)}.",
        hint="Take that file out of the source, or give the machine more memory.",
    )


def _deadly(part: Part, asked: Mapping[str, Any]) -> list[int]:
    """Return the rows of the pictures that kill whoever decodes them."""
    suspects, start = [], 0
    while start < part.items.num_rows:
        end = _run({**asked, "rows": list(range(start, part.items.num_rows))}, part)
        if end.died_at is None:
            break
        suspects.append(end.died_at)
        start = end.died_at + 1
    return [row for row in suspects if _run({**asked, "rows": [row]}, part).died_at is not None]


def _run(asked: Mapping[str, Any], part: Part) -> _End:
    """Have a process do what is asked.

    Raises:
        DataError: it ended before it began with a picture, or by an error of its own.
    """
    paths = [os.environ.get("PYTHONPATH", ""), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}
    command = [sys.executable, "-m", "cirray.prepare.throwaway"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
    ) as process:
        out, err = process.communicate(json.dumps(asked))
    lines = [line for line in out.splitlines() if line.endswith("}")]
    last = json.loads(lines[-1]) if lines else {}
    if process.returncode == 0 and "done" in last:
        return _End(last["done"], None)
    if process.returncode < 0 and "begun" in last:
        return _End(None, last["begun"])
    reason = (err.strip().splitlines() or [f"it ended with code {process.returncode}"])[-1]
    raise DataError(
        f"The process that decodes pictures apart failed at {_path(part, last.get('begun'))}: {reason[:_SHOWN]}",
        hint="Take that file out of the source, or mend what is said there.",
    )


def _reject(part: Part, row: int) -> Sequence[str]:
    return Reject(
        "item", part.ids[row], CRASHES_DECODER, f"{_path(part, row)}: the process that decodes it dies of it"
    )


def _path(part: Part, row: int | None) -> str:
    return "its start" if row is None else str(part.items["path"][row].as_py())
