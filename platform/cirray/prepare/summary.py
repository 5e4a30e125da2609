"""What a preparation came to, in numbers."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from cirray.prepare.making import Made
from cirray.prepare.pace import Pace
from cirray.storage import Manifest

FREQUENT_WORDS = 30
FREQUENT_SIZES = 10

_WORD = re.compile(r"\w+(?:[-']\w+)*")


@dataclass(frozen=True)
class Timing:
    """How long a preparation took.

    Attributes:
        seconds: in all, up to the report.
        pictures_read: from the source; those of parts that an earlier version had are not.
        pictures_decoded: of these; an earlier version had the others, made of the same bytes.
        pictures_per_s: that were read, checked and written.
    """

    seconds: float
    pictures_read: int
    pictures_decoded: int
    pictures_per_s: float

    @classmethod
    def of(cls, pace: Pace, seconds: float) -> Timing:
        """Return the timing of a preparation that went at `pace`."""
        rate = round(pace.pictures_per_s, 1)
        return cls(round(seconds, 3), pace.pictures_read, pace.pictures_decoded, rate)


def summarise(manifest: Manifest, made: Made, timing: Timing) -> dict[str, Any]:
    """Return the numbers of `summary.json`; all but "timing" follow from the source and the settings."""
    return {
        "dataset": manifest.name,
        "fingerprint": manifest.fingerprint,
        "source": manifest.details["source"],
        "settings": manifest.settings,
        "counts": manifest.counts,
        "rejects": manifest.details["rejects"],
        "duplicates": made.kinds,
        "texts": {split: describe_texts(_texts(table)) for split, table in made.triplets.items()},
        "captions": describe_texts(made.items["caption"].to_pylist()),
        "sizes": describe_sizes(made.hashes),
        "parts": {"all": len(made.parts), "taken_over": made.parts_taken},
        "timing": timing.__dict__,
    }


def describe_texts(texts: Iterable[str]) -> dict[str, Any]:
    """Return how many texts there are (empty ones left out), their lengths in words, and the most frequent words."""
    lengths, words = [], Counter[str]()
    for text in texts:
        found = _WORD.findall(text.lower())
        if found:
            lengths.append(len(found))
            words.update(found)
    if not lengths:
        return {"texts": 0}
    frequent = sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))[:FREQUENT_WORDS]
    return {
        "texts": len(lengths),
        "words": {
            "min": min(lengths),
            "median": statistics.median(lengths),
            "mean": round(statistics.fmean(lengths), 2),
            "max": max(lengths),
        },
        "different_words": len(words),
        "frequent": dict(frequent),
    }


def describe_sizes(hashes: pa.Table) -> dict[str, Any]:
    """Return the sizes of pictures, in pixels: the least and greatest sides, and the most frequent sizes."""
    if not hashes.num_rows:
        return {}
    widths, heights = hashes["width"].to_pylist(), hashes["height"].to_pylist()
    counts = Counter(zip(widths, heights, strict=True))
    frequent = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:FREQUENT_SIZES]
    return {
        "width": {"min": min(widths), "median": statistics.median(widths), "max": max(widths)},
        "height": {"min": min(heights), "median": statistics.median(heights), "max": max(heights)},
        "different": len(counts),
        "frequent": {f"{width} × {height}": count for (width, height), count in frequent},
    }


def _texts(triplets: pa.Table) -> Iterable[str]:
    return (text for texts in triplets["texts"].to_pylist() for text in texts)
