"""One small registry for everything that is chosen by name."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from cirray.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Maps names to things of one kind, in the order in which they were registered.

    Args:
        kind: what the things are, in the singular ("composer"); used in messages.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that files its argument under `name`.

        Raises:
            ValueError: the name is taken.
        """

        def decorate(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} {name!r} is registered twice: {self._entries[name]!r} and {entry!r}")
            self._entries[name] = entry
            return entry

        return decorate

    def __getitem__(self, name: str) -> T:
        """Return what is filed under `name`.

        Raises:
            UnknownNameError: nothing is; the message lists what exists and the nearest name.
        """
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self._describe_unknown(name)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def names(self, pattern: str = "*") -> list[str]:
        """Return the names that match a shell pattern ("tirg*"), in order of registration."""
        return [name for name in self._entries if fnmatch.fnmatchcase(name, pattern)]

    def _describe_unknown(self, name: str) -> str:
        message = f"There is no {self.kind} {name!r}; there are: {', '.join(sorted(self._entries)) or 'none'}."
        near = difflib.get_close_matches(name, self._entries, n=1)
        return f"{message} Did you mean {near[0]!r}?" if near else message
