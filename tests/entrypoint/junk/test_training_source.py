"""What a person gives to be learned: every form of old mail, and what is none."""

from __future__ import annotations

import io
import mailbox
import os
import tracemalloc
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from entrypoint.junk import training_source
from entrypoint.junk.training_source import Letter, NoLetter, letters

HAM = b"From: a@example.org\nSubject: ham\n\nHello.\n"
SPAM = (
    b"Received: from x\n\tby y\nSubject: spam\n\n>From the east\n\nFrom here on\nFrom: no field\n"
)


def read(name: str | Path, stdin: bytes = b"") -> list[Letter | NoLetter]:
    return list(letters(str(name), io.BytesIO(stdin)))


def contents(found: list[Letter | NoLetter]) -> list[bytes]:
    assert not [each for each in found if isinstance(each, NoLetter)], found
    return [each.content for each in found if isinstance(each, Letter)]


def refusal(found: list[Letter | NoLetter]) -> str:
    (only,) = found
    assert isinstance(only, NoLetter), only
    return only.text


def written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def mbox(*messages: bytes, end: bytes = b"\n") -> bytes:
    """As most programs write it: every line that begins with From is quoted (mboxrd)."""
    found = b""
    for message in messages:
        lines = message.splitlines(keepends=True)
        quoted = [b">" + line if line.lstrip(b">").startswith(b"From ") else line for line in lines]
        found += b"From - Fri Nov 27 10:00:00 2026\n" + b"".join(quoted) + b"\n"
    return found.replace(b"\n", end)


def test_a_message_is_itself_to_the_byte(tmp_path: Path) -> None:
    for content in (HAM, SPAM, HAM.replace(b"\n", b"\r\n"), b"Subject: only a header\n"):
        assert contents(read(written(tmp_path / "m.eml", content))) == [content]
        assert contents(read("-", content)) == [content]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_messages_of_an_mbox_are_those_that_were_stored(tmp_path: Path, end: bytes) -> None:
    content = mbox(HAM, SPAM, HAM, end=end)
    expected = [each.replace(b"\n", end) for each in (HAM, SPAM, HAM)]
    assert contents(read(written(tmp_path / "mbox", content))) == expected
    assert contents(read("-", b"\n\n" + content)) == expected
    assert [each.place for each in read("-", content) if isinstance(each, Letter)][1] == (
        "standard input: message 2"
    )


def test_an_mbox_whose_lines_nobody_has_quoted() -> None:
    """Thunderbird quotes none: only a blank line before and a header field after make a message."""
    content = b"From - Fri\n" + HAM + b"\nFrom here on, no field\n\nFrom - Fri\n" + HAM + b"\n"
    assert contents(read("-", content)) == [HAM + b"\nFrom here on, no field\n", HAM]


def test_it_reads_what_python_writes(tmp_path: Path) -> None:
    box = mailbox.mbox(tmp_path / "box")
    for number in range(3):
        message = EmailMessage()
        message["Subject"] = f"number {number}"
        message.set_content("From the beginning\n\nFrom: the end\n")
        box.add(message)
    box.close()
    found = contents(read(tmp_path / "box"))
    assert [b"number %d" % number in each for number, each in enumerate(found)] == [True] * 3


def test_a_maildir_has_its_own_messages_alone(tmp_path: Path) -> None:
    top = tmp_path / "Maildir"
    written(top / "new/1.a", HAM)
    written(top / "cur/2.b:2,FS", SPAM)
    written(top / "cur/3.b:2,ST", b"Subject: waits to be removed\n\n")
    written(top / "tmp/4.c", b"half")
    written(top / ".Junk/cur/5.d:2,", SPAM)
    written(top / "dovecot-uidlist", b"3 V1\n")
    assert contents(read(top)) == [SPAM, HAM]
    assert contents(read(top / ".Junk")) == [SPAM]
    places = [each.place for each in read(f"{top}/") if isinstance(each, Letter)]
    assert places == [f"{top}/cur/2.b:2,FS", f"{top}/new/1.a"]


@pytest.mark.parametrize("name", ["cur", "new"])
def test_a_link_in_place_of_a_maildirs_folder_is_not_followed(tmp_path: Path, name: str) -> None:
    """root reads it, and vmail's mail may be anybody's by then."""
    written(tmp_path / "roots/letter", SPAM)
    box = tmp_path / "Maildir"
    other = {"cur": "new", "new": "cur"}[name]
    written(box / other / "1.a", HAM)
    (box / name).symlink_to(tmp_path / "roots")
    assert contents(read(box)) == [HAM]
    (box / other / "1.a").unlink()
    (box / other).rmdir()
    said = [each.text for each in read(box) if isinstance(each, NoLetter)]
    assert said[0] == f"{box}/{name}: a link, which is not followed; name what it points to"


def test_a_folder_of_messages_may_hold_anything(tmp_path: Path) -> None:
    written(tmp_path / "1.eml", HAM)
    written(tmp_path / "2.mbox", mbox(HAM, SPAM))
    written(tmp_path / ".hidden", b"x")
    assert contents(read(tmp_path)) == [HAM, HAM, SPAM]
    written(tmp_path / "3.pdf", b"%PDF-1.7\n")
    (tmp_path / "4.sub").mkdir()
    (tmp_path / "5.link").symlink_to("1.eml")
    os.mkfifo(tmp_path / "6.pipe")
    said = [each.text for each in read(tmp_path) if isinstance(each, NoLetter)]
    assert len([each for each in read(tmp_path) if isinstance(each, Letter)]) == 3
    kinds = training_source._KINDS
    assert said == [
        f"{tmp_path}/3.pdf: no mail, for it begins with no header field; {kinds}",
        f"{tmp_path}/5.link: a link, which is not followed; name what it points to",
        f"{tmp_path}/6.pipe: cannot be read: it is no file",
        f"{tmp_path}: 1 folder in it left out; name those meant",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"\n\r\n\n", "it is empty"),
        (b"hello world\n", "no mail, for it begins with no header field"),
        (b"version: 3\nservices:\n", "no mail, for its header has no field of mail"),
        (b"key: value\n\nSubject: behind the header\n", "no mail, for its header has no field"),
        (b"\x1f\x8b\x08whatever", "a compressed file; unpack it first"),
        (b"PK\x03\x04whatever", "a compressed file; unpack it first"),
        (b"\0" * 3_000_000, "no mail, for it begins with no header field"),
        (b"From x\nno mail\n", "no mail, for its header has no field of mail"),
        (b"From x\n", "no mail, for its header has no field of mail"),
    ],
)
@pytest.mark.parametrize("from_stdin", [True, False])
def test_what_is_no_mail_is_named(
    tmp_path: Path, content: bytes, why: str, from_stdin: bool
) -> None:
    path = written(tmp_path / "file", content)
    said = refusal(read("-", content) if from_stdin else read(path))
    assert said.startswith("standard input: " if from_stdin else f"{path}: ")
    assert why in said


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    missing = tmp_path / "two\x1b[2Jlines\n"
    shown = f"{tmp_path}/two\\x1b[2Jlines\\n"
    assert refusal(read(missing)).startswith(f"{shown}: there is no such file in the container; ")
    (tmp_path / "empty").mkdir()
    assert "there is no message in it" in refusal(read(tmp_path / "empty"))
    assert "no name of a file" in refusal(read("a\0b"))
    assert refusal(read("/dev/zero")) == "/dev/zero: cannot be read: it is no file"
    assert "cannot be read: " in refusal(read("/proc/self/mem"))


def test_a_message_that_is_read_away_meanwhile_is_no_trouble(tmp_path: Path) -> None:
    for number in range(3):
        written(tmp_path / f"cur/{number}", HAM)
    found = letters(str(tmp_path), io.BytesIO())
    assert isinstance(next(found), Letter)
    (tmp_path / "cur/1").rename(tmp_path / "cur/1:2,S")
    assert len(list(found)) == 1


def test_two_gigabytes_need_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of holes that is no mail, and an mbox in which one message is larger than any."""
    hole = tmp_path / "hole"
    with hole.open("wb") as stream:
        stream.truncate(2 << 30)
    monkeypatch.setattr(training_source, "MOST", 4 << 20)

    def parts() -> Iterator[bytes]:
        yield mbox(HAM) + b"From x\nSubject: large\n\n"
        yield from (b"x" * 99_999 + b"\n" for _ in range(1000))
        yield b"\n" + mbox(HAM)

    path = tmp_path / "mbox"
    with path.open("wb") as stream:
        stream.writelines(parts())
    written(tmp_path / "one", b"Subject: one\n\n" + b"y" * (30 << 20))
    tracemalloc.start()
    try:
        assert "no mail" in refusal(read(hole))
        first, large, last = read(path)
        assert "larger than 4 MiB" in refusal(read(tmp_path / "one"))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
    assert isinstance(large, NoLetter)
    assert large.text.startswith(f"{path}: message 2: larger than 4 MiB")
    assert [each.content for each in (first, last) if isinstance(each, Letter)] == [HAM, HAM]


def thunderbird(status: str, *, above: bytes = b"") -> bytes:
    """A message as it lies in a folder of Thunderbird's."""
    fields = f"X-Mozilla-Status: {status}\nX-Mozilla-Status2: 00000000\n".encode()
    return above + fields + HAM


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_what_thunderbird_has_deleted_stays_in_its_file_and_is_left_out(end: bytes) -> None:
    """Junk that was moved out of an inbox is in the inbox's file until that is compacted."""
    pop3 = b"X-Account-Key: account1\nX-UIDL: 7\n"
    box = mbox(
        thunderbird("0009"),
        thunderbird("0001"),
        thunderbird("100b", above=pop3),
        thunderbird("1001", above=pop3),
        thunderbird("000C"),
        end=end,
    )
    found = [each for each in read("-", box) if isinstance(each, Letter)]
    assert [each.place for each in found] == [
        "standard input: message 2",
        "standard input: message 4",
    ]


def test_a_stranger_cannot_have_his_mail_left_out() -> None:
    """The field counts where Thunderbird writes it, and not where a sender can."""
    message = b"X-Mozilla-Status: 0009\n"
    assert len(contents(read("-", mbox(HAM + b"\n" + message, b"Received: x\n" + message)))) == 2
    assert len(contents(read("-", mbox(thunderbird("0001").replace(HAM, message + HAM))))) == 1


def test_a_file_of_deleted_messages_alone_is_named() -> None:
    text = refusal(read("-", mbox(thunderbird("0009"))))
    assert text.startswith("standard input: every message in it is deleted")


def test_a_file_that_is_elsewhere_has_its_cure() -> None:
    """The usual one: a path of the machine, which the container does not see."""
    text = refusal(read("/home/alice/Spam.mbox"))
    assert text.startswith("/home/alice/Spam.mbox: there is no such file in the container; ")
    assert "`-` and `<FILE`" in text
