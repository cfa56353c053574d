"""One run of an import: what is there, what of it is new, and bringing that.

All folders are listed first: a message that was brought and lies elsewhere by now is known then.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from entrypoint.mailbox_import.bounded_imap import LARGEST_MESSAGE
from entrypoint.mailbox_import.folder_names import Planned
from entrypoint.mailbox_import.imap_sessions import ImapSessions, StoppedError
from entrypoint.mailbox_import.mailbox_here import (
    ANYWHERE,
    MailboxHere,
    NewMessage,
    NotTakenError,
    digest,
)
from entrypoint.mailbox_import.old_server import LostError, OldServer, RefusedError
from entrypoint.mailbox_import.record import FolderKey, ImportRecord
from entrypoint.mailbox_import.responses import OldMessage
from entrypoint.text import counted

_BATCH, _BATCH_SIZE = 50, 8 << 20  # messages, bytes
_TRIES = 2  # of a message alone that loses the session; then it is left out
_MOST_REFUSED = 5  # messages in a row that Dovecot here does not take
_REASONS = 20  # of a folder's messages that are named


@dataclass
class FolderResult:
    """What became of a folder's messages. before: brought by an earlier run."""

    plan: Planned
    messages: int = 0
    before: int = 0
    brought: int = 0
    size: int = 0
    elsewhere: int = 0
    failed: int = 0
    reasons: list[str] = field(default_factory=list)

    @property
    def missing(self) -> int:
        """How many are to be brought yet."""
        return self.messages - self.before - self.brought - self.elsewhere - self.failed

    def fail(self, message: OldMessage, reason: str) -> None:
        """A message is left out, by its number there."""
        self.failed += 1
        if len(self.reasons) < _REASONS:
            self.reasons.append(f"message {message.uid}: {reason}")


@dataclass
class _Listed:
    """half: digests of what may have been stored by a run that was cut off."""

    result: FolderResult
    key: FolderKey
    messages: list[OldMessage]
    half: Counter[str] = field(default_factory=Counter)

    @property
    def is_cut_off(self) -> bool:
        return any(self.half.values())


@dataclass(frozen=True)
class _Fetched:
    message: OldMessage
    content: bytes
    digest: str

    @property
    def entry(self) -> tuple[int, str, int]:
        return self.message.uid, self.digest, self.message.gmail

    @property
    def new(self) -> NewMessage:
        return NewMessage(self.content, self.message.flags, self.message.date)


class Transfer:
    """One run. progress: called with the results now and then, to show how far it is.

    unsure: how many messages may be stored that are not counted, since storing them was cut off.
    """

    def __init__(
        self,
        old: OldServer,
        here: MailboxHere,
        record: ImportRecord,
        progress: Callable[[Sequence[FolderResult]], None] = lambda _: None,
    ) -> None:
        self._old, self._here, self._record, self._progress = old, here, record, progress
        self._sessions = ImapSessions(old, here)
        self.results: list[FolderResult] = []
        self.unsure = 0
        self._listed: list[_Listed] = []
        self._spare: Counter[str] = Counter()
        self._known: set[str] = set()

    def look(self, plans: Sequence[Planned], others: Sequence[Planned] = ()) -> None:
        """List the messages of the folders. others: folders there that are not wanted.

        Raises StoppedError.
        """
        unseen = {(self._old.source.key, each.old.name) for each in others}
        for plan in plans:
            result = FolderResult(plan)
            self.results.append(result)
            if plan.skipped:
                continue
            try:
                found = self._sessions.of_old(partial(self._old.messages, plan.old))
            except RefusedError as error:
                result.reasons.append(str(error))
                unseen.add((self._old.source.key, plan.old.name))
                continue
            self._sessions.went_on()
            key = FolderKey(self._old.source.key, plan.old.name, found.uidvalidity)
            known = self._record.folder(key).messages
            result.messages = len(found.messages) + found.unlisted
            result.before = sum(each.uid in known for each in found.messages)
            if found.unlisted:
                # They may be some that were brought.
                unseen.add((self._old.source.key, plan.old.name))
                result.failed += found.unlisted
                result.reasons.append(f"{counted(found.unlisted, 'message')}: not in its list")
            self._listed.append(_Listed(result, key, found.messages))
            self._progress(self.results)
        self._skip_what_others_have()
        present = {each.key: {m.uid for m in each.messages} for each in self._listed}
        self._spare = self._record.spare(present, unseen)

    def _skip_what_others_have(self) -> None:
        """Gmail's All Mail holds each message of the other folders, under the same number."""
        elsewhere = {
            message.gmail
            for each in self._listed
            if not each.result.plan.last
            for message in each.messages
        } - {0}
        for each in self._listed:
            if each.result.plan.last:
                known = self._record.folder(each.key).messages
                mine = [m for m in each.messages if m.uid in known or m.gmail not in elsewhere]
                each.result.elsewhere = len(each.messages) - len(mine)
                each.messages = mine

    def bring(self) -> None:
        """Bring what is new. Raises StoppedError, and OSError where the record takes nothing."""
        for each in self._listed:
            self._folder(each)

    def _folder(self, listed: _Listed) -> None:
        result, name = listed.result, listed.result.plan.here
        known = self._record.folder(listed.key).messages
        # The next one stands last.
        todo = [each for each in reversed(listed.messages) if each.uid not in known]
        first = listed.key not in self._record.folders
        try:
            # Later it is its owner's, who may have removed it, or unsubscribed from it.
            if first or todo:
                subscribed = first and result.plan.old.subscribed
                self._sessions.of_here(lambda: self._here.make(name, subscribed=subscribed))
            if first:
                self._record.brought(listed.key, (), done=False)
            if todo:
                self._messages(listed, todo)
        except (NotTakenError, RefusedError) as error:
            result.failed += len(todo)
            result.reasons.append(str(error))

    def _messages(self, listed: _Listed, todo: list[OldMessage]) -> None:
        result, key = listed.result, listed.key
        if result.plan.last:
            self._known = self._record.digests(key.source)
        self._cut_off(listed)
        self._sessions.of_old(lambda: self._old.reopen(result.plan.old, key.uidvalidity))
        most, tries = _BATCH, 0
        while todo:
            batch = _batch(todo, most)
            if not batch:
                message = todo.pop()
                result.fail(message, f"its {message.size} bytes are more than can be brought")
                continue
            try:
                bodies = self._old.bodies(batch)
            except LostError as error:
                tries += len(batch) == 1
                most = max(1, most // 4)
                self._sessions.connect_again(error)
                self._sessions.of_old(lambda: self._old.reopen(result.plan.old, key.uidvalidity))
                if tries == _TRIES:
                    tries = 0
                    result.fail(todo.pop(), str(error))
                    self._sessions.left_out(error)
                continue
            tries = 0
            self._sessions.went_on()
            most = min(_BATCH, most * 2)
            del todo[-len(batch) :]
            self._store(listed, batch, bodies)
            self._progress(self.results)
        if self._record.folder(key).half is not None:
            self._record.brought(key, (), done=True)

    def _cut_off(self, listed: _Listed) -> None:
        """What an earlier run has stored and not recorded."""
        position, name = self._record.folder(listed.key).half, listed.result.plan.here
        if position is not None:
            listed.half = self._sessions.of_here(lambda: self._here.since(name, position))
        if position == ANYWHERE:
            known = self._record.folder(listed.key).messages
            listed.half -= Counter(each for each, _ in known.values())

    def _store(
        self, listed: _Listed, batch: Sequence[OldMessage], bodies: Mapping[int, bytes]
    ) -> None:
        """Those that are here already are recorded; the others are stored."""
        result = listed.result
        new: list[_Fetched] = []
        there: list[_Fetched] = []
        moved: list[str] = []
        for message in reversed(batch):
            content = bodies.get(message.uid)
            if content is None:
                result.fail(message, "it is not there any more")
                continue
            if not content:
                result.fail(message, "it is empty")
                continue
            each = _Fetched(message, content, digest(content))
            if _taken(listed.half, each.digest):
                result.brought += 1
                there.append(each)
            elif _taken(self._spare, each.digest):
                result.elsewhere += 1
                moved.append(each.digest)
                there.append(each)
            elif result.plan.last and each.digest in self._known:
                result.elsewhere += 1
                there.append(each)
            else:
                new.append(each)
        if there:
            entries = [each.entry for each in there]
            self._record.brought(listed.key, entries, moved=moved, done=not listed.is_cut_off)
        if new:
            self._append(listed, new)

    def _append(self, listed: _Listed, new: Sequence[_Fetched]) -> None:
        """All at once; where Dovecot does not take them, one by one."""
        result = listed.result
        refused = 0
        parts = [new]
        while parts:
            part = parts.pop()
            self.unsure = len(part)
            try:
                self._stored(listed, part)
            except NotTakenError as error:
                self.unsure = 0
                if len(part) > 1:
                    parts += [[each] for each in reversed(part)]
                    continue
                if error.full:
                    raise StoppedError(f"the mailbox here is full: {error}", full=True) from None
                refused += 1
                if refused == _MOST_REFUSED:
                    raise StoppedError(f"Dovecot here takes no messages: {error}") from None
                result.fail(part[0].message, str(error))
                continue
            refused = 0
            entries = [each.entry for each in part]
            self._record.brought(listed.key, entries, done=not listed.is_cut_off)
            result.brought += len(part)
            result.size += sum(len(each.content) for each in part)
            self.unsure = 0

    def _stored(self, listed: _Listed, messages: Sequence[_Fetched]) -> None:
        """Store them once, although Dovecot may end in the middle."""
        name = listed.result.plan.here
        position = self._sessions.of_here(lambda: self._here.position(name))
        # While there may be messages of an earlier run that are not recorded, those count, too.
        earlier = self._record.folder(listed.key).half if listed.is_cut_off else None
        self._record.begin(listed.key, earlier or position)
        cut_off = False

        def store() -> None:
            nonlocal cut_off
            left = list(messages)
            if cut_off:
                stored = self._here.since(name, position)
                left = [each for each in messages if not _taken(stored, each.digest)]
            cut_off = True
            if left:
                self._here.store(name, [each.new for each in left])

        self._sessions.of_here(store)


def _batch(todo: Sequence[OldMessage], most: int) -> list[OldMessage]:
    """The last ones of `todo`, which are brought next; none where the next is too large."""
    size, count = 0, 0
    for message in reversed(todo[-most:]):
        size += message.size
        if message.size > LARGEST_MESSAGE or (count and size > _BATCH_SIZE):
            break
        count += 1
    return list(todo[len(todo) - count :])


def _taken(counter: Counter[str], known: str) -> bool:
    """Is one of it there? Then there is one less."""
    if not counter[known]:
        return False
    counter[known] -= 1
    return True
