"""Which kind of index a gallery gets: by its size, and by the memory there is."""

from __future__ import annotations

from dataclasses import dataclass

from cirray.errors import ConfigError
from cirray.index.kinds import Dials, kinds

FLAT_ROWS = 50_000
"""Rows of a shard up to which an exact search takes a few milliseconds, so that nothing else is worth its errors."""

FLOAT_ROWS = 1_000_000
"""Rows of a shard up to which its vectors are kept as float32; beyond, at a byte a dimension."""

_MB = 1e6


@dataclass(frozen=True)
class Choice:
    """What a shard will be.

    Attributes:
        kind: name of the kind.
        dials: all that it has, settled.
        why: a sentence that says how it came to be chosen.
    """

    kind: str
    dials: Dials
    why: str


def choose(rows: int, dim: int, max_memory_mb: float | None = None) -> Choice:
    """Return what shards of `rows` vectors of size `dim` should be.

    Up to 50,000 rows flat; up to a million inverted lists of float32, or a graph where a bound on the memory is given
    and leaves room for one (it takes long to build, so it is not chosen where nobody said anything);
    beyond, lists at a byte a dimension. Where the first choice does not fit, the next smaller one is taken.

    Raises:
        ConfigError: nothing fits into `max_memory_mb`.
    """
    candidates = _by_size(rows, max_memory_mb is not None)
    for name in candidates:
        dials = kinds[name].rule(rows, dim)
        needed = kinds[name].bytes_per_vector(dim, dials) * rows / _MB
        if max_memory_mb is None or needed <= max_memory_mb:
            bound = "" if max_memory_mb is None else f", and {needed:,.0f} of {max_memory_mb:,.0f} MB hold it"
            return Choice(name, dials, f"{_reason(rows)}{bound}")
    raise ConfigError(
        f"A shard of {rows:,} vectors of {dim} dimensions takes {needed:,.0f} MB as {candidates[-1]}, where "
        f"max_memory_mb is {max_memory_mb:,.0f}.",
        hint="Cut the gallery into more shards (num_shards), or allow more memory.",
    )


def chosen(kind: str, rows: int, dim: int, given: Dials) -> Choice:
    """Return the choice that a person made: a kind by name, with the rule's dials where they set none."""
    return Choice(kind, given.over(kinds[kind].rule(rows, dim)), "asked for by name")


def _by_size(rows: int, bounded: bool) -> list[str]:
    if rows <= FLAT_ROWS:
        return ["flat", "ivf-sq8"]
    if rows <= FLOAT_ROWS:
        return [*(["hnsw"] if bounded else []), "ivf-flat", "ivf-sq8"]
    return ["ivf-sq8"]


def _reason(rows: int) -> str:
    if rows <= FLAT_ROWS:
        return f"{rows:,} rows a shard are at most {FLAT_ROWS:,}: exact search is quick enough"
    if rows <= FLOAT_ROWS:
        return f"{rows:,} rows a shard are too many to compare each, and at most {FLOAT_ROWS:,}"
    return f"{rows:,} rows a shard are more than {FLOAT_ROWS:,}: a byte a dimension keeps them in memory"
