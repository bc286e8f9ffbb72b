"""Import before the first untrusted video what this process needs after it.

Where nothing holds a worker's hands off files (no Landlock), a worker that a video took over could change a module, and
the parent would run it when it imports it. What is in memory by then can't be changed so.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from contextlib import suppress

# Imported inside functions of evalkit and of these libraries, after the videos were read.
LIBRARIES = (
    "_strptime",
    "colorsys",
    "email.parser",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.unicode_escape",
    "encodings.utf_16_le",
    "gc",
    "importlib.metadata",
    "importlib.resources",
    "numpy.ma",
    "numpy.random",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.Image",
    "PIL.ImageSequence",
    "PIL.JpegImagePlugin",
    "PIL.JpegPresets",
    "PIL.PngImagePlugin",
    "PIL.PpmImagePlugin",
    "pydantic.dataclasses",
    "rich._emoji_replace",
    "rich.console",
    "rich.markup",
    "rich.padding",
    "rich.table",
    "ssl",
    "traceback",
)
# Choose one of their modules while they run: all are imported.
_PACKAGES = ("rich._unicode_data",)


def preload_modules(modules: Iterable[str] = LIBRARIES) -> None:
    """Import ``modules``; those that are not installed here are left out."""
    for name in modules:
        with suppress(ImportError):
            importlib.import_module(name)
    for package in _PACKAGES:
        with suppress(ImportError):
            found = importlib.import_module(package)
            for module in pkgutil.iter_modules(found.__path__):
                importlib.import_module(f"{package}.{module.name}")
