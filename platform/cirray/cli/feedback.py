"""The verb `feedback`: from verdicts on hits to a table of triplets."""

from __future__ import annotations

from typing import Any

from cirray.errors import ConfigError
from cirray.service.feedback import FeedbackLog
from cirray.storage import Location, Root, table_bytes


def export_feedback(root: Root, index: str, out: str, split: str) -> dict[str, Any]:
    """Write the accepted verdicts on what an index found to `out`, and return how many there are.

    Raises:
        ConfigError: `out` is no parquet file, or nothing was accepted.
        StorageError: the verdicts cannot be read, or the table cannot be written.
    """
    if not out.endswith(".parquet"):
        raise ConfigError(f"{out!r} does not end in .parquet.", hint="Put it beside the catalogue it belongs to.")
    log = FeedbackLog.of(root, index)
    triplets = log.accepted(split)
    if not triplets.num_rows:
        raise ConfigError(f"Nothing that index {index!r} found was accepted: {log.place} has no such verdict.")
    place = Location.parse(out)
    place.write(table_bytes(triplets))
    return {"table": place.uri, "triplets": triplets.num_rows}
