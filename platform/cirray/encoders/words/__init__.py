"""Word vectors, one file a kind.

Importing this package imports every file in it, and so registers them all: a new one is one new file.
"""

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)
