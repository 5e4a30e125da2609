"""GloVe's word vectors."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import xxhash
from pydantic import Field
from torch import Tensor

from cirray.encoders.word_vectors import WordVectors, WordVectorsConfig, check_size, word_vectors
from cirray.errors import ConfigError
from cirray.storage import Location

Vector = npt.NDArray[np.float32]

MISSING_STD = 0.3
"""Of the vectors of words that the files lack: VAL's code draws them from N(0, 0.3²)."""


class GloveConfig(WordVectorsConfig):
    """Settings of `Glove`.

    Attributes:
        files: paths or URIs of one or more files, whose vectors are put one after another. A file is GloVe's text,
            a word and its numbers a line (".gz" is read too), or an ".npz" with the arrays `words` and `vectors`.
    """

    name: Literal["glove"] = "glove"
    files: tuple[str, ...] = Field(min_length=1)

    def source_files(self) -> tuple[str, ...]:
        """Return the files."""
        return self.files


@word_vectors.register("glove")
class Glove(WordVectors):
    """Vectors of Pennington et al., "GloVe: Global Vectors for Word Representation" (EMNLP 2014), from a file.

    VAL takes one file (300 numbers), RTIC four (300 + 200 + 300 + 300 = 1,100) and no vector of a word that one of
    them lacks. A word without vector gets one drawn from N(0, 0.3²), whose seed is the word itself, so that it is
    the same in every run; so do unknown words, as one.
    """

    Config = GloveConfig

    def draw(self, words: Sequence[str], dim: int) -> Tensor:
        """Return the vectors (number of words, dim).

        Raises:
            ConfigError: a file cannot be read or is none of GloVe's, has none of the words, or `dim` is not the
                size of all its vectors together.
        """
        wanted = frozenset(words) - {""}
        found = [_read(file, wanted) for file in self.config.files]
        check_size(" and ".join(self.config.files), sum(size for _, size in found), dim)
        vectors = np.empty((len(words), dim), dtype=np.float32)
        for row, word in zip(vectors, words, strict=True):
            if all(word in table for table, _ in found):
                row[:] = np.concatenate([table[word] for table, _ in found])
            else:
                row[:] = _drawn(word, dim)
        return torch.from_numpy(vectors)


def _drawn(word: str, dim: int) -> npt.NDArray[np.float64]:
    return np.random.default_rng(xxhash.xxh3_64_intdigest(word)).normal(0, MISSING_STD, dim)


def _read(file: str, wanted: Collection[str]) -> tuple[dict[str, Vector], int]:
    """Return the vectors of the wanted words in a file, and the size that all its vectors have."""
    place = Location.parse(file)
    try:
        lines = _arrays(place, wanted) if file.endswith(".npz") else _lines(place, wanted)
        size = next(lines)[1].size
        table = {word: _finite(word, vector) for word, vector in lines if vector.size == size}
    except FileNotFoundError:
        raise ConfigError(
            f"There is no file of word vectors at {file}.", hint="Set model.text_encoder.words.files to where it is."
        ) from None
    except (OSError, ValueError, KeyError, StopIteration, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{file} cannot be read as word vectors: {str(error) or 'it is empty'}.",
            hint="Give GloVe's text (a word and its numbers a line) or an .npz with the arrays words and vectors.",
        ) from error
    if wanted and not table:
        raise ConfigError(
            f"{file} has none of the vocabulary's {len(wanted)} words.",
            hint="Give vectors of the texts' language, with words in lower case.",
        )
    return table, size


def _finite(word: str, vector: Vector) -> Vector:
    if not np.isfinite(vector).all():
        raise ValueError(f"the vector of {word!r} has values that are not finite")
    return vector


def _arrays(place: Location, wanted: Collection[str]) -> Iterator[tuple[str, Vector]]:
    """Yield the first vector, and then those of the wanted words."""
    with place.filesystem.open_input_file(place.path) as stream, np.load(stream, allow_pickle=False) as arrays:
        words, vectors = arrays["words"].tolist(), arrays["vectors"].astype(np.float32)
    if vectors.ndim != 2 or len(words) != len(vectors):
        raise ValueError(f"{len(words)} words have vectors of the shape {vectors.shape}")
    yield "", vectors[0]
    yield from ((word, vector) for word, vector in zip(words, vectors, strict=True) if word in wanted)


def _lines(place: Location, wanted: Collection[str]) -> Iterator[tuple[str, Vector]]:
    """Yield the vector of the first line, and then those of the wanted words."""
    size = 0
    with place.filesystem.open_input_stream(place.path, buffer_size=1 << 20) as stream:
        for line in io.TextIOWrapper(stream, encoding="utf-8", newline="\n"):
            word, *numbers = line.rstrip().split(" ")
            if not size:
                if len(numbers) == 1 and word.isdecimal():
                    continue  # word2vec's first line: how many words, and how many numbers
                size = len(numbers)
                yield "", np.array(numbers, dtype=np.float32)
            # A few "words" of the largest file have spaces in them; none of them can be wanted.
            if word in wanted and len(numbers) == size:
                yield word, np.array(numbers, dtype=np.float32)
