"""Recipients → mailboxes: as production names them, and never outside of the root of all mail."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoint.test_target.mailboxes.addresses import NotAMailboxError, is_login, mailbox_of
from entrypoint.test_target.mailboxes.folders import directory_of

ROOT = Path("/data/mail")

_PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "\0",
        "@",
        '"',
        "+",
        "%u",
        "~",
        "*",
        "a",
        "A",
        "ü",
        " ",
        "\n",
        "\x7f",
        "-",
    ]
)
HOSTILE = st.one_of(st.text(max_size=300), st.lists(_PIECES, max_size=12).map("".join))


@pytest.mark.parametrize(
    ("recipient", "maildir", "tag"),
    [
        ("bob@b.example", "b.example/bob", ""),
        ("Bob+News.X@B.Example", "b.example/bob", "News.X"),
        ("bob+a+b@b.example", "b.example/bob", "a+b"),
        ("bob@bücher.example", "xn--bcher-kva.example/bob", ""),
        ('"bob"@b.example', "b.example/bob", ""),
        ('"b\\ob"@b.example', "b.example/bob", ""),
        ("bob@[192.0.2.1]", "[192.0.2.1]/bob", ""),
        ("o'hara=x|y`z{}~^%*$!#&?_@b.example", "b.example/o'hara=x|y`z{}~^%*$!#&?_", ""),
        (f"{'x' * 255}@b.example", f"b.example/{'x' * 255}", ""),
    ],
)
def test_a_recipient_has_the_mailbox_of_production(recipient: str, maildir: str, tag: str) -> None:
    address = mailbox_of(recipient, "+")
    assert (address.maildir, address.tag) == (maildir, tag)


@pytest.mark.parametrize(
    "recipient",
    [
        *("", "bob", "@b.example", "bob@", "+tag@b.example", "bob@b..example", "bob@.", "bob@.."),
        *("..@b.example", "../bob@b.example", "a/b@b.example", ".bob@b.example", "bob@../b"),
        *(
            "bob@/etc",
            "bob\0@b.example",
            "bob@b.exa\0mple",
            '"bob smith"@b.example',
            "b ob@b.example",
        ),
        *('"../../etc"@b.example', '"a@b"@b.example', "a@b@b.example", "\ud800@b.example"),
        *(f"{'x' * 256}@b.example", f"{'ü' * 128}@b.example", f"bob@{'b.' * 130}example"),
        *("bob@b.example.", "bob@[../x]", "bob@b.example\n", "bob\n@b.example"),
    ],
)
def test_what_cannot_be_a_mailbox_says_why(recipient: str) -> None:
    with pytest.raises(NotAMailboxError):
        mailbox_of(recipient, "+")


@given(HOSTILE, HOSTILE)
@example("..", "..")
@example(".", "example")
@example("a/../..", "b.example")
def test_no_recipient_leaves_the_root(local: str, domain: str) -> None:
    try:
        address = mailbox_of(f"{local}@{domain}", "+")
    except NotAMailboxError:
        return
    path = ROOT / address.maildir
    assert path.parts == (*ROOT.parts, address.domain, address.local)
    assert ".." not in path.parts
    assert "\0" not in str(path)
    assert all(len(part.encode()) <= 255 for part in path.parts)


@given(st.lists(st.tuples(HOSTILE, HOSTILE), min_size=2, max_size=2))
def test_two_mailboxes_have_two_places(written: list[tuple[str, str]]) -> None:
    found = []
    for local, domain in written:
        try:
            found.append(mailbox_of(f"{local}@{domain}", "+"))
        except NotAMailboxError:
            return
    first, second = found
    assert (first.maildir == second.maildir) == (
        (first.local, first.domain) == (second.local, second.domain)
    )


@given(HOSTILE)
@example("../x")
@example("..")
@example("a/../b")
def test_no_tag_leaves_the_maildir(tag: str) -> None:
    directory = directory_of(tag)
    if directory:
        assert "/" not in directory
        assert directory.startswith(".")
        assert directory not in (".", "..")
        assert not directory.startswith("..")
        assert "\0" not in directory
        assert len(directory.encode()) <= 255


@pytest.mark.parametrize(
    ("folder", "directory"),
    [
        ("INBOX", ""),
        ("inbox", ""),
        ("lists", ".lists"),
        ("lists/v1.2", ".lists.v1\x7f2e2"),
        ("~x", ".\x7f7ex"),
        ("Entwürfe", ".Entw&APw-rfe"),
        ("R&D", ".R&-D"),
        ("", None),
        ("a//b", None),
        ("/a", None),
        ("a/", None),
        ("x" * 255, None),
    ],
)
def test_a_folder_has_the_directory_that_dovecot_gives_it(
    folder: str, directory: str | None
) -> None:
    assert directory_of(folder) == directory


@pytest.mark.parametrize(
    ("login", "right"),
    [
        ("bob@b.example", True),
        ("Bob@B.Example", True),
        ("bob+x@b.example", False),
        ("bob", False),
        ("../bob@b.example", False),
        ('"bob"@b.example', False),
    ],
)
def test_a_login_is_a_mailbox_s_own_name(login: str, right: bool) -> None:
    assert is_login(login, "+") is right
