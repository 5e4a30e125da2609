"""Which methods a comparison or a benchmark takes."""

from __future__ import annotations

import fnmatch

from cirray.errors import UnknownNameError
from cirray.recipes import recipes


def methods_of(dataset: str, patterns: str) -> list[str]:
    """Return the methods that have a recipe for a dataset and whose names match a shell pattern.

    Args:
        dataset: by the name that its recipes begin with.
        patterns: with commas between them.

    Raises:
        UnknownNameError: one of the patterns matches none.
    """
    known = [name.removeprefix(f"{dataset}/") for name in recipes.names(f"{dataset}/*")]
    chosen: set[str] = set()
    for pattern in patterns.split(","):
        found = fnmatch.filter(known, pattern.strip())
        if not found:
            raise UnknownNameError(
                f"No recipe of dataset {dataset!r} matches {pattern!r}; there are: {', '.join(known) or 'none'}."
            )
        chosen.update(found)
    return [method for method in known if method in chosen]
