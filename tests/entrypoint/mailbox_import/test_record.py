"""What has been brought, over runs that were cut off anywhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from entrypoint.mailbox_import.mailbox_here import ANYWHERE, Position
from entrypoint.mailbox_import.record import NAME, BusyError, DamagedError, FolderKey, record_in

INBOX = FolderKey("alice@old.test", b"INBOX\xff", 7)
OTHER = FolderKey("alice@old.test", b"Other", 7)


def test_every_length_of_the_file_is_a_state_that_was(tmp_path: Path) -> None:
    with record_in(tmp_path) as record:
        record.begin(INBOX, Position(1, 1))
        record.brought(INBOX, [(1, "aa", 0), (2, "bb", 9)], done=True)
        record.begin(INBOX, Position(1, 3))
        record.brought(INBOX, [(4, "cc", 0)], done=False)
    whole = (tmp_path / NAME).read_bytes()
    seen = []
    for length in range(len(whole) + 1):
        (tmp_path / NAME).write_bytes(whole[:length])
        with record_in(tmp_path) as record:
            folder = record.folder(INBOX)
            state = (tuple(folder.messages), folder.half)
            if not seen or seen[-1] != state:
                seen.append(state)
            record.begin(OTHER, Position(2, 2))
        with record_in(tmp_path) as record:
            assert record.folder(OTHER).half == Position(2, 2)
            assert tuple(record.folder(INBOX).messages) == state[0]
    assert seen == [
        ((), None),
        ((), Position(1, 1)),
        ((1, 2), None),
        ((1, 2), Position(1, 3)),
        ((1, 2, 4), Position(1, 3)),
    ]


def test_what_is_not_where_it_was_is_spare_once(tmp_path: Path) -> None:
    with record_in(tmp_path) as record:
        record.brought(INBOX, [(1, "aa", 0), (2, "bb", 0), (3, "bb", 0)], done=True)
        record.brought(OTHER, [(1, "cc", 0)], done=True)
        here = {INBOX: {1}}
        assert record.spare(here, ()) == Counter(bb=2, cc=1)
        assert record.spare(here, {(OTHER.source, OTHER.name)}) == Counter(bb=2)
        record.brought(OTHER, [(2, "bb", 0)], moved=["bb"], done=True)
    with record_in(tmp_path) as record:
        assert record.spare({INBOX: {1}, OTHER: {1, 2}}, ()) == Counter(bb=1)


def test_one_that_was_copied_before_the_mail_is_unsure_of_every_folder_once(tmp_path: Path) -> None:
    with record_in(tmp_path) as record:
        record.begin(INBOX, Position(1, 1))
        record.brought(INBOX, [(1, "aa", 0)], done=True)
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"folder":0,"copied":true}\n')
    with record_in(tmp_path) as record:
        assert record.folder(INBOX).half == ANYWHERE
        assert tuple(record.folder(INBOX).messages) == (1,)
        # The backup knows nothing of this folder.
        record.brought(OTHER, (), done=False)
        assert record.folder(OTHER).half == ANYWHERE
        record.brought(INBOX, (), done=True)
        record.begin(OTHER, ANYWHERE)
    with record_in(tmp_path) as record:
        assert record.folder(INBOX).half is None
        assert record.folder(OTHER).half == ANYWHERE


def test_one_at_a_time(tmp_path: Path) -> None:
    with record_in(tmp_path), pytest.raises(BusyError), record_in(tmp_path):
        pass
    with record_in(tmp_path):
        pass


@pytest.mark.parametrize(
    "content", [b"\n", b"{}\n", b'{"version":2,"folder":0}\n', b'{"folder":3}\n', b"\xff\n"]
)
def test_a_file_that_is_damaged_is_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(DamagedError), record_in(tmp_path):
        pass
    assert (tmp_path / NAME).read_bytes() == content


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), record_in(tmp_path):
        pass
