"""Pictures that end the process which decodes them, in processes that a test starts and in no others.

No file is known that brings Pillow down, and so the decoder is made to die: a `sitecustomize` on the path of Python
runs as a process starts, and has Pillow end the process at pictures of one size.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

SIZE = (13, 7)
"""Width and height at which the decoder dies."""

_CUSTOMISATION = f"""
import os, signal
import PIL.ImageFile

whole = PIL.ImageFile.ImageFile.load

def load(self):
    if self.size == {SIZE}:
        os.kill(os.getpid(), signal.SIGSEGV)
    return whole(self)

PIL.ImageFile.ImageFile.load = load
"""


def deadly_path(folder: Path) -> str:
    """Return a folder that, on the path of Python, makes a process die of deadly pictures."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(_CUSTOMISATION)
    return str(folder)


def deadly_picture(number: int = 0) -> bytes:
    """Return a PNG of the deadly size."""
    buffer = io.BytesIO()
    Image.new("RGB", SIZE, (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()
