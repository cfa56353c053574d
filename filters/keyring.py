"""The signing keys of all domains: read once, read again when a file changes.

It turns `DOMAIN:SELECTOR:KEYFILE` triples into keys of the engine and picks those that sign for
an author domain. It knows no smtpd.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filters.mailauth.dkim.signing_key import BadKey, SigningKey, load_signing_key
from filters.watched_file import Stamp, file_stamp

log = logging.getLogger(__name__)

# Seconds between two looks at the files: a stat for each key and message would cost more than
# the choice of the key.
LOOK_EVERY = 1.0


@dataclass(frozen=True, slots=True)
class KeySpec:
    """One key as the operator names it."""

    domain: str
    selector: str
    path: Path

    @classmethod
    def parse(cls, text: str) -> KeySpec:
        """`DOMAIN:SELECTOR:KEYFILE`; the path may hold colons. Raises ValueError."""
        parts = text.strip().split(":", 2)
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"{text.strip()!r}: expected DOMAIN:SELECTOR:KEYFILE")
        return cls(parts[0].lower().rstrip("."), parts[1], Path(parts[2]))


def read_specs(path: Path) -> list[KeySpec]:
    """Triples one a line; blank lines and those that begin with `#` are skipped.

    Raises ValueError that names each bad line, or OSError.
    """
    specs, errors = [], []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            specs.append(KeySpec.parse(line))
        except ValueError as error:
            errors.append(f"{path}:{number}: {error}")
    if errors:
        raise ValueError("\n".join(errors))
    return specs


class KeyRing:
    """Keys by signing domain. Raises ValueError with one line for every key that does not load."""

    def __init__(self, specs: Sequence[KeySpec], file: Path | None = None) -> None:
        self._given = tuple(specs)
        self._file = file
        self._loaded: dict[KeySpec, SigningKey] = {}
        self._stamps: dict[Path, Stamp | None] = {}
        self._by_domain: dict[str, tuple[SigningKey, ...]] = {}
        self._looked = time.monotonic()
        errors = self._load()
        if errors:
            raise ValueError("\n".join(errors))

    def keys_for(self, author_domain: str) -> tuple[SigningKey, ...]:
        """The keys of the domain itself, else of its nearest parent; empty where none is ours."""
        now = time.monotonic()
        if now - self._looked >= LOOK_EVERY:
            self._looked = now
            self._look_again()
        name = author_domain.lower().rstrip(".")
        while name:
            keys = self._by_domain.get(name)
            if keys:
                return keys
            name = name.partition(".")[2]
        return ()

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that there is a key for."""
        return tuple(self._by_domain)

    def _look_again(self) -> None:
        if any(file_stamp(path) != stamp for path, stamp in self._stamps.items()):
            errors = self._load()
            for error in errors:
                log.error("a changed key is not used: %s", error.replace("\n", "; "))
            if not errors:
                log.info("signing keys read again: %s", ", ".join(self._by_domain))

    def _load(self) -> list[str]:
        """Read every changed file; a key that no longer loads keeps its last good state."""
        errors: list[str] = []
        specs = list(self._given)
        stamps: dict[Path, Stamp | None] = {}
        if self._file is not None:
            stamps[self._file] = file_stamp(self._file)
            try:
                specs += read_specs(self._file)
            except (OSError, ValueError) as error:
                errors.append(str(error))
                specs = list(dict.fromkeys([*specs, *self._loaded]))
        loaded: dict[KeySpec, SigningKey] = {}
        for spec in dict.fromkeys(specs):
            stamp = stamps[spec.path] = file_stamp(spec.path)
            known = self._loaded.get(spec)
            if known is not None and stamp == self._stamps.get(spec.path):
                loaded[spec] = known
                continue
            try:
                loaded[spec] = load_signing_key(spec.domain, spec.selector, spec.path.read_bytes())
            except (OSError, BadKey) as error:
                errors.append(f"{spec.path}: {_reason(error)}")
                if known is not None:
                    loaded[spec] = known
        by_domain: dict[str, tuple[SigningKey, ...]] = {}
        for spec, key in loaded.items():
            by_domain[spec.domain] = (*by_domain.get(spec.domain, ()), key)
        self._loaded, self._stamps, self._by_domain = loaded, stamps, by_domain
        return errors


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
