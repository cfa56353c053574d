"""The keys in /data/dkim and their state: does what `lifecycle` decides, in the order that it says.

Key files come first, then the state, then what the signer reads. Whoever is killed in between
leaves a state that a later run goes on from. Every change is made under one lock; the server and
the commands are different processes. It must not know DNS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import KEY_TYPES, KeyFile, KeyType, Settings
from entrypoint.disks import explained, takes_nothing
from entrypoint.dkim_keys import lifecycle, selectors
from entrypoint.dkim_keys.key_files import KeyFiles
from entrypoint.dkim_keys.lifecycle import KeyRefusedError, Step
from entrypoint.dkim_keys.model import DomainKeys, Key, Observation
from entrypoint.dkim_keys.state_file import as_text, read_state
from entrypoint.dns_records import key_record
from entrypoint.files import locked, write_file
from entrypoint.log_line import LogLine
from entrypoint.paths import DATA_DKIM, DKIM_KEYS, RUN_DKIM
from entrypoint.render import render_dkim_keys
from filters.mailauth.dkim.signing_key import BadKey, SigningKey, load_signing_key

SIGNER = "signer"
_ALGORITHMS: Mapping[str, KeyType] = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}


class KeyStore:
    """The keys of a configuration. data: /data/dkim. run: where keys from elsewhere are copied."""

    def __init__(
        self,
        settings: Settings,
        data: Path = DATA_DKIM,
        run: Path = RUN_DKIM,
        files: KeyFiles = KeyFiles(SIGNER),  # noqa: B008 -- a frozen value
    ) -> None:
        self.settings = settings
        self._data, self._run, self._files = data, run, files
        # Of the last `reconcile`: what is not done because the disk takes nothing, a line each.
        self.undone: tuple[str, ...] = ()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from changing anything. The system ends it with this process."""
        with locked(self._data / ".lock"):
            yield

    # -- what there is ----------------------------------------------------------------------

    def load(self) -> dict[str, DomainKeys]:
        """The state, of domains that are no longer served, too. Raises ConfigurationError."""
        path = self._data / "state.json"
        try:
            return read_state(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise ConfigurationError(
                [f"{path}: it cannot be used ({error}); restore it from a copy of /data"]
            ) from None

    def path(self, domain: str, selector: str) -> Path:
        """Where the key is."""
        return selectors.key_file(self.settings, domain, selector, self._data, self._run)

    def stamp(self, domain: str, selector: str) -> object:
        """What differs once the key's file does."""
        return self._files.stamp(self.path(domain, selector))

    def read(self, domain: str, key: Key) -> SigningKey:
        """Read a key. Raises ConfigurationError."""
        path = self.path(domain, key.selector)
        found = self._read(domain, key.selector, path)
        if _ALGORITHMS[found.algorithm] != key.type:
            raise ConfigurationError(
                [f"{path}: it was another type of key; put that back, or set another DKIM_SELECTOR"]
            )
        return found

    def signing(self, state: Mapping[str, DomainKeys]) -> tuple[KeyFile, ...]:
        """The keys that sign."""
        return tuple(
            KeyFile(
                domain=domain,
                selector=key.selector,
                path=self.path(domain, key.selector).absolute(),
            )
            for domain in self.settings.signing_domains
            for key in state.get(domain, DomainKeys()).signing
        )

    # -- what is done, under the lock -------------------------------------------------------

    def reconcile(self, now: int) -> list[LogLine]:
        """Follow the configuration and the calendar: make what is missing, let go of what is old.

        A domain whose keys sign goes on with them while the disk takes no others: see `undone`.
        Raises ConfigurationError with every key that cannot be used; the others are done.
        """
        state, notes, errors = self.load(), list[LogLine](), list[str]()
        undone: list[str] = []
        for domain in self.settings.signing_domains:
            try:
                notes += self._reconcile(domain, state, now)
            except ConfigurationError as error:
                errors += error.errors
            except KeyRefusedError as error:
                errors.append(f"DKIM_SELECTOR: {domain}: {error}")
            except OSError as error:
                stored = self.load().get(domain, DomainKeys())
                if not takes_nothing(error) or not self._signs(domain, stored):
                    raise
                state[domain] = stored
                undone.append(f"{domain}: the DKIM keys stay as they are: {explained(error)}")
        self.undone = tuple(undone)
        if errors:
            raise ConfigurationError(errors)
        return notes

    def _signs(self, domain: str, keys: DomainKeys) -> bool:
        """Is every key there that signs for the domain, and is there one?"""
        paths = [self.path(domain, key.selector) for key in keys.signing]
        return bool(paths) and all(map(self._files.exists, paths))

    def rotate(self, domain: str, now: int) -> list[Key]:
        """Make the next keys; those that wait for DNS then. Raises RefusedError."""
        state = self.load()
        before = state[domain]
        step = lifecycle.rotate(before, self._types, self._fresh(domain, before, now), now)
        self._apply(state, domain, step)
        return [key for key in step.keys.keys if key.status == "next"]

    def observe(self, seen: Mapping[str, Mapping[str, Observation]], now: int) -> list[LogLine]:
        """Take in what DNS says, by domain and selector."""
        state, notes = self.load(), list[LogLine]()
        for domain, observations in seen.items():
            if domain in state:
                step = lifecycle.observe(state[domain], observations, now)
                notes += self._apply(state, domain, step)
        return notes

    def remove(self, domain: str, selector: str, now: int) -> None:
        """Remove a key and forget it. Raises RefusedError while it is needed."""
        state = self.load()
        after = lifecycle.remove(state[domain], selector, self._types, now)
        # The file first: a state without it is completed, a file without a state stays for ever.
        self._files.remove(self.path(domain, selector))
        self._apply(state, domain, Step(after))

    def sync(self) -> bool:
        """Tell the signer which keys sign; was that news?"""
        completed = self.settings.model_copy(update={"signing": self.signing(self.load())})
        file = render_dkim_keys(completed)
        path = self._run.parent / DKIM_KEYS
        if not path.parent.is_dir():  # no server runs in this container
            return False
        if path.is_file() and path.read_text("utf-8") == file.content:
            return False
        write_file(path, file.content.encode(), self._files.root, self._files.owner, file.mode)
        return True

    # -- how --------------------------------------------------------------------------------

    @property
    def _types(self) -> tuple[KeyType, ...]:
        return self.settings.dkim_key_types

    def _reconcile(self, domain: str, state: dict[str, DomainKeys], now: int) -> list[LogLine]:
        self._bring(domain)
        before = state.get(domain)
        asked_for, present = self._asked_for(domain, before)
        keys = before or DomainKeys()
        established: set[str] = set()
        if before is None:
            made_by_us = f"{self.settings.dkim_selector.of(domain)}-ed25519"
            brought = {key.selector for key in self.settings.dkim_keys if key.domain == domain}
            # A first start that was killed may have left this one; then it is a first start still.
            if present - ({made_by_us} - brought):
                established = present
        fresh = self._fresh(domain, keys, now)
        notes = self._apply(
            state,
            domain,
            lifecycle.reconcile(before, asked_for, present, fresh, now, established),
        )
        notes += self._apply(state, domain, lifecycle.expire(state[domain], now))
        days, keys = self.settings.dkim_rotate_days, state[domain]
        if days is not None and lifecycle.is_due(keys, self._types, days, now):
            fresh = self._fresh(domain, keys, now)
            notes += self._apply(state, domain, lifecycle.rotate(keys, self._types, fresh, now))
        return notes

    def _asked_for(
        self, domain: str, before: DomainKeys | None
    ) -> tuple[dict[KeyType, str], set[str]]:
        """The selectors that are asked for, and which keys of interest are there."""
        known = {} if before is None else {key.selector: key.type for key in before.keys}
        base = self.settings.dkim_selector.of(domain)
        asked_for = selectors.asked_for(
            self.settings, domain, known.get(base) or self._type_of(domain, base)
        )
        for kind, selector in asked_for.items():
            if known.get(selector) is None and self._type_of(domain, selector) not in (None, kind):
                raise ConfigurationError(
                    [
                        f"{self.path(domain, selector)}: it is no {kind} key, and that belongs "
                        "under this name; rename the file"
                    ]
                )
        present = {
            selector
            for selector in (*known, *asked_for.values())
            if self._files.exists(self.path(domain, selector))
        }
        return asked_for, present

    def _type_of(self, domain: str, selector: str) -> KeyType | None:
        path = self.path(domain, selector)
        if not self._files.exists(path):
            return None
        return _ALGORITHMS[self._read(domain, selector, path).algorithm]

    def _read(self, domain: str, selector: str, path: Path) -> SigningKey:
        try:
            return load_signing_key(domain, selector, self._files.read(path))
        except FileNotFoundError:
            reason = "there is no such key yet; start the server once (`docker compose up`)"
        except OSError as error:
            reason = str(error.strerror)
        except BadKey as error:
            reason = str(error)
        raise ConfigurationError([f"{path}: {reason}"])

    def _fresh(self, domain: str, keys: DomainKeys, now: int) -> dict[KeyType, str]:
        taken = {*keys.removed, *(key.selector for key in keys.keys), *keys.asked_for.values()}
        day = f"{datetime.fromtimestamp(now, UTC):%Y%m%d}"
        return (
            selectors.next_names(self.settings.dkim_selector.of(domain), domain, day, taken) or {}
        )

    def _bring(self, domain: str) -> None:
        """The folder of a domain's keys; each key belongs to the signer, a brought one too."""
        folder = self._data / domain
        self._files.folder(folder)
        for path in self._files.keys_in(folder):
            self._files.claim(path)
        for key in self.settings.dkim_keys:
            if key.domain != domain:
                continue
            for parent in (self._run.parent, self._run):
                parent.mkdir(mode=0o711, parents=True, exist_ok=True)
                parent.chmod(0o711)
            copy = self.path(domain, key.selector)
            self._files.folder(copy.parent)
            content = key.path.read_bytes()
            if not self._files.exists(copy) or self._files.read(copy) != content:
                self._files.write(copy, content)

    def _apply(self, state: dict[str, DomainKeys], domain: str, step: Step) -> list[LogLine]:
        # RSA last: only with it a first start that was killed can be taken for an old one's keys.
        made = sorted(step.make, key=lambda key: KEY_TYPES.index(key.type), reverse=True)
        paths = [self.path(domain, key.selector) for key in made]
        new = [path for path in paths if not self._files.exists(path)]
        try:
            for path, key in zip(paths, made, strict=True):
                self._files.make(path, key.type)
            if step.keys != state.get(domain):
                self._save({**state, domain: step.keys})
                state[domain] = step.keys
        except OSError:
            # Nothing is half done: a key that no state knows would be there for ever.
            for path in new:
                with suppress(OSError):
                    self._files.remove(path)
            raise
        publish = [
            LogLine(
                "info", f"a new DKIM key; publish: {key_record(self.read(domain, key)).zone_line()}"
            )
            for key in reversed(made)
        ]
        return [note._replace(text=f"{domain}: {note.text}") for note in (*publish, *step.notes)]

    def _save(self, state: Mapping[str, DomainKeys]) -> None:
        root = self._files.root
        for left in self._data.glob(".state.json.*"):  # by a process that was killed
            left.unlink()
        write_file(self._data / "state.json", as_text(state).encode(), root, root, 0o644)
