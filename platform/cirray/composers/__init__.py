"""Composers, one file a method.

Importing this package imports every file in it, and so registers them all: a new method is one new file.
"""

from importlib import import_module
from pkgutil import iter_modules

from cirray.composers.composer import Composer, ComposerConfig, Paper, VectorConfig, composers
from cirray.composers.retriever import ModelConfig, Retriever

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)

__all__ = ["Composer", "ComposerConfig", "ModelConfig", "Paper", "Retriever", "VectorConfig", "composers"]
