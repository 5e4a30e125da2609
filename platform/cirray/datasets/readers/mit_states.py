"""MIT-States: photos of nouns in states ("ripe tomato"), for retrieval and for unseen compositions.

images/<adjective> <noun>/*.jpg    the archive; attributes-as-operators has "_" in place of the space
compositional-split/               beside images/, from the attributes-as-operators repository
    train_pairs.txt, test_pairs.txt    lines "adjective noun"

A folder "adj <noun>" holds pictures of no particular state. The released loader of TIRG leaves them out, and so do
both readers here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from cirray.config import Choice
from cirray.datasets.readers.drawing import draw
from cirray.datasets.readers.files import PICTURE_ENDINGS, text_of
from cirray.datasets.schema import items_table, triplets_table
from cirray.datasets.source import Reader, Source, SourceTables, readers
from cirray.errors import DataError

RETRIEVAL: Literal["mit-states"] = "mit-states"
COMPOSITIONS: Literal["mit-states-compositions"] = "mit-states-compositions"

NO_STATE = "adj"

_NOUNS = """
armor bracelet bush camera candy castle ceramic cheese clock clothes coffee fan fig fish foam forest fruit
furniture garden gate glass horse island laptop lead lightning mirror orange paint persimmon plastic plate
potato road rubber sand shell sky smoke steel stream table tea tomato vacuum wax wheel window wool
"""

TEST_NOUNS = frozenset(_NOUNS.split())
"""The 49 of 245 nouns whose pictures are test pictures of retrieval, as the released loader of TIRG fixes them."""

_PICTURE = re.compile(r"(?:.*/)?images/([^/]+)/([^/]+)")


@dataclass(frozen=True)
class StatePicture:
    """One picture and what its folder says; `pair` is "adjective noun"."""

    path: str
    item_id: str
    adjective: str
    noun: str

    @property
    def pair(self) -> str:
        """Adjective and noun."""
        return f"{self.adjective} {self.noun}"

    def item(self, splits: list[str]) -> dict[str, Any]:
        """Return its row: pictures of the same pair are the same answer."""
        described = {"label": self.pair, "caption": self.pair, "category": self.noun, "attributes": [self.adjective]}
        return {"item_id": self.item_id, "path": self.path, **described, "splits": splits}


class MitStatesConfig(Choice):
    """Settings of `MitStates`.

    Attributes:
        seed: of the draw of target pictures.
    """

    name: Literal["mit-states"] = RETRIEVAL
    seed: int = 0


@readers.register(RETRIEVAL)
class MitStates(Reader):
    """Reads MIT-States for composed retrieval: the text is the adjective of the target.

    Splits "train" and "test" share no noun (TIRG, arXiv:1812.07119, section 4, and the nouns of its code). Every
    picture asks for every other adjective of its noun: on the test split these are the published queries, which are
    right with any picture of adjective and noun, so evaluate them by equal labels.

    Own choices: the target picture of a query is one that is drawn by `seed`, since a triplet names one; TIRG draws
    another each time it trains on the query. Training, too, asks only for other adjectives, where TIRG may draw the
    one that the reference has: such a query asks for no change.
    """

    Config = MitStatesConfig

    def read(self, source: Source) -> SourceTables:
        """Return items and triplets by folder names.

        Raises:
            DataError: there are no pictures in folders "images/<adjective> <noun>".
        """
        pictures = state_pictures(source)
        items = items_table(picture.item([_split_of(picture.noun)]) for picture in pictures)
        rows: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
        for split, row in self._triplets(pictures):
            rows[split].append(row)
        return SourceTables(items, {split: triplets_table(found) for split, found in rows.items()})

    def _triplets(self, pictures: list[StatePicture]) -> Iterator[tuple[str, dict[str, Any]]]:
        by_noun: dict[str, dict[str, list[str]]] = {}
        for picture in pictures:
            by_noun.setdefault(picture.noun, {}).setdefault(picture.adjective, []).append(picture.item_id)
        for picture in pictures:
            for adjective, candidates in sorted(by_noun[picture.noun].items()):
                if adjective != picture.adjective:
                    (target,) = draw(candidates, 1, self.config.seed, picture.item_id, adjective)
                    yield (
                        _split_of(picture.noun),
                        {
                            "query_id": f"{picture.item_id}>{adjective}",
                            "reference_id": picture.item_id,
                            "texts": [adjective],
                            "target_id": target,
                            "category": picture.noun,
                        },
                    )


class MitStatesCompositionsConfig(Choice):
    """Settings of `MitStatesCompositions`.

    Attributes:
        split_folder: that holds the lists of pairs.
    """

    name: Literal["mit-states-compositions"] = COMPOSITIONS
    split_folder: str = "compositional-split"


@readers.register(COMPOSITIONS)
class MitStatesCompositions(Reader):
    """Reads MIT-States for classification of unseen compositions: items by split, and no triplets.

    The label of an item is its pair. Splits are those that the folder has lists for, "train" and "test" at least.
    The candidates of the closed world are the labels of "test" (700 pairs), of the open world those of "train" too
    (1,962). Pictures of a pair that no list has are items of no split. The lists of pairs decide; the Torch file
    with one entry a picture is not needed, since the folders say the same.
    """

    Config = MitStatesCompositionsConfig

    def read(self, source: Source) -> SourceTables:
        """Return the items, by folder names and lists of pairs.

        Raises:
            DataError: pictures or lists are missing, a line is no pair, or two lists have the same pair.
            StorageError: a list cannot be read.
        """
        pictures = state_pictures(source)
        split_of = self._pairs(source)
        found = (picture.item([split_of[picture.pair]] if picture.pair in split_of else []) for picture in pictures)
        return SourceTables(items_table(found), {})

    def _pairs(self, source: Source) -> dict[str, str]:
        split_of: dict[str, str] = {}
        for split in ("train", "val", "test"):
            path = _list_path(source, self.config.split_folder, split)
            if path is None and split == "val":
                continue
            for pair in _read_pairs(source, path or f"{self.config.split_folder}/{split}_pairs.txt"):
                if split_of.setdefault(pair, split) != split:
                    raise DataError(
                        f"The pair {pair!r} is in the lists of both {split_of[pair]} and {split} of {source}.",
                        hint="Give a split whose compositions are disjoint, as compositional-split has them.",
                    )
        return split_of


def state_pictures(source: Source) -> list[StatePicture]:
    """Return the pictures with a state, in the order of their ids.

    An adjective is the first word of its folder, the noun all that follows. A folder of a single word says no state
    and no noun: its pictures, like those of "adj <noun>", are none of the benchmark's.

    Raises:
        DataError: there are none.
    """
    found = []
    for file in source.files:
        matched = _PICTURE.fullmatch(file.path)
        if matched and matched[2].lower().endswith(PICTURE_ENDINGS):
            adjective, _, noun = " ".join(matched[1].replace("_", " ").split()).partition(" ")
            if noun and adjective != NO_STATE:
                found.append(StatePicture(file.path, f"{adjective} {noun}/{matched[2]}", adjective, noun))
    if not found:
        raise DataError(
            f"{source} has no pictures in folders images/<adjective> <noun>.",
            hint="Give the folder that holds the unpacked images folder of MIT-States.",
        )
    return sorted(found, key=lambda picture: (picture.item_id, picture.path))


def _split_of(noun: str) -> str:
    return "test" if noun in TEST_NOUNS else "train"


def _list_path(source: Source, folder: str, split: str) -> str | None:
    ending = f"{folder.strip('/')}/{split}_pairs.txt"
    return next((file.path for file in source.files if f"/{file.path}".endswith(f"/{ending}")), None)


def _read_pairs(source: Source, path: str) -> Iterator[str]:
    for number, line in enumerate(text_of(source, path).splitlines(), start=1):
        words = line.split()
        if len(words) == 2:
            yield f"{words[0]} {words[1]}".replace("_", " ")
        elif words:
            raise DataError(f"{source}/{path}, line {number}, is not 'adjective noun' but {line[:80]!r}.")
