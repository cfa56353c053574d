"""supervisor without its control server, which nobody configures here.

supervisor imports the modules of that server whether it runs or not, and the container's first
process would have 8 MB of them in memory for good.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

# What of them supervisor's own modules name while they are imported.
_NAMES = {
    "hashlib": ("md5", "sha1"),
    "html": ("escape",),
    "html.entities": (),
    "html.parser": ("HTMLParser",),
    "http.client": (),
    "importlib.metadata": ("EntryPoint",),
    "importlib.resources": (),
    "supervisor.xmlrpc": (),
    "urllib.parse": (),
    "xmlrpc.client": ("Fault",),
}


@contextmanager
def left_out() -> Iterator[None]:
    """Inside, an import of these modules gives empty ones; what is loaded already stays."""
    empty = {name: _empty(name) for name in _NAMES if name not in sys.modules}
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]


def _empty(name: str) -> ModuleType:
    module = ModuleType(name)
    for each in _NAMES[name]:
        setattr(module, each, None)
    return module
