"""cirray: composed image retrieval on Ray."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("cirray")
except PackageNotFoundError:  # run from a checkout that was not installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
