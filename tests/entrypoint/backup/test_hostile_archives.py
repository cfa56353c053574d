"""What is no backup of ours, or no longer, is refused before a byte is written."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoint.backup import tar_stream
from entrypoint.backup.archive import Member, member, written
from entrypoint.backup.layout import Volumes, place_of
from entrypoint.backup.restore import checked
from entrypoint.backup.tar_stream import ArchiveError, MemberHead, header, read_head
from entrypoint.volume_format import FORMAT as VOLUMES

from .volumes import ENVELOPE, HOME, MAILDIR, MANIFEST, MESSAGE, archive, make, members

GOOD = member("data/secrets/srs", b"secret\n")


def refusal(data: bytes) -> str:
    with pytest.raises(ArchiveError) as caught:
        checked(io.BytesIO(data))
    return str(caught.value)


# -- members ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "data/../etc/passwd",
        "data/secrets/../../etc/passwd",
        "data/secrets/./srs",
        "data//secrets/srs",
        "data/secrets/",
        "data/secrets/" + "x" * 256,
        "data/secrets/" + "/".join(["x" * 200] * 25),
        "data/RESTORE",
        "data/MODE",
        "data/VERSION",
        "data/.forward",
        "data/secrets/.hidden",
        "data/secrets/deep/srs",
        "data/dkim/example.org/mail.pem/more",
        "data/dkim/.example.org/mail.pem",
        "data/mail/example.org/alice/.forward",
        f"data/{MAILDIR}/new/.hidden",
        f"data/{MAILDIR}/tmp/half",
        f"data/{MAILDIR}/.A/.B/new/x",
        f"data/{MAILDIR}/dovecot.index",
        f"data/{HOME}/.dovecot.svbin",
        f"data/{HOME}/sieve/../../bob/sieve/x.sieve",
        f"data/{HOME}/sieve/x.svbin",
        "spool/queue/c2/c1d8550e/message",
        "spool/queue/c1/c1d8550e/c1d8550faecbef5a",
        "spool/queue/c1/c1d8550e/other",
        "spool/incoming/c1d8550e/message",
        "spool/offline/x",
        "spool/filters/logins/right-passwords.json",
        "data/tls/acme/ca/archive/../../../../etc/passwd",
        "run/signpost/x",
        "etc/passwd",
        "",
    ],
)
def test_an_unknown_member_is_refused(name: str) -> None:
    refusal(archive([GOOD, member(name, b"x")]))


def test_a_folder_is_no_file_and_a_file_no_folder() -> None:
    refusal(archive([Member(MemberHead("data/secrets/srs", "folder"))]))
    refusal(archive([member(f"data/{MAILDIR}/new", b"x")]))


def test_of_two_members_with_one_name_none_is_taken() -> None:
    assert refusal(archive([GOOD, GOOD])) == "two members have one name"


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (tarfile.CONTTYPE, "neither a file nor a folder"),
    ],
)
def test_links_devices_and_sparse_files_are_refused(kind: bytes, named: str) -> None:
    info = tarfile.TarInfo("data/secrets/srs")
    info.type, info.linkname = kind, "/etc/passwd"
    data = archive([GOOD])
    end = data.index(b"digests/")
    assert f"data/secrets/srs: {named}" in refusal(data[:end] + info.tobuf() + data[end:])


@pytest.mark.parametrize(
    ("name", "target"),
    [
        (f"data/{HOME}/.dovecot.sieve", "/data/secrets/srs"),
        (f"data/{HOME}/.dovecot.sieve", "sieve/../../bob/sieve/x.sieve"),
        (f"data/{HOME}/.dovecot.sieve", "sieve/.x.sieve\n"),
        (f"data/{HOME}/.dovecot.sieve", ""),
        (f"data/{HOME}/.dovecot.sieve", "sieve/x\0.sieve"),
        ("data/tls/acme/ca/live/mail/privkey.pem", "../../../../../etc/shadow"),
        ("data/tls/acme/ca/live/mail/privkey.pem", "../../archive/../privkey1.pem"),
    ],
)
def test_a_link_points_nowhere_but_where_such_links_point(name: str, target: str) -> None:
    said = refusal(archive([member(f"{name}.link", target.encode())]))
    assert said == f"{name}.link: no such link belongs there"


@pytest.mark.parametrize("line", [b"mda-exec: id", b" MDA-EXEC : id", b"type: mda\nmda-exec:id"])
def test_no_envelope_has_a_command(line: bytes) -> None:
    top = f"spool/queue/c1/{MESSAGE}"
    said = refusal(archive([member(f"{top}/message", b"x"), member(f"{top}/{ENVELOPE}", line)]))
    assert said.endswith("an envelope with a command to run")


def test_keys_do_not_fill_the_memory() -> None:
    large = bytes(16 << 20)
    keys = (member(f"data/dkim/example.org/{number}.pem", large) for number in range(5))
    assert refusal(archive(keys)) == "data/dkim/example.org/4.pem: more keys than anybody has"


# -- headers ------------------------------------------------------------------------------


def with_owner(info: tarfile.TarInfo) -> None:
    info.uid = 1000


def with_mode(info: tarfile.TarInfo) -> None:
    info.mode = 0o4755


def with_link(info: tarfile.TarInfo) -> None:
    info.linkname = "x"


def with_pax(info: tarfile.TarInfo) -> None:
    info.pax_headers = {"path": "/etc/passwd"}


def with_comment(info: tarfile.TarInfo) -> None:
    info.pax_headers = {"comment": "x"}


def with_sparse(info: tarfile.TarInfo) -> None:
    info.pax_headers = {"GNU.sparse.realsize": "99999999"}


@pytest.mark.parametrize(
    "change", [with_owner, with_mode, with_link, with_pax, with_comment, with_sparse]
)
def test_a_header_says_nothing_that_ours_do_not(
    change: Callable[[tarfile.TarInfo], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tarfile.TarInfo("data/secrets/srs")
    info.mode, info.size = 0o600, len(b"secret\n")
    change(info)
    forged = info.tobuf(tarfile.PAX_FORMAT)

    def made(head: MemberHead) -> bytes:
        return forged if head.name == "data/secrets/srs" else header(head)

    with monkeypatch.context() as patch:
        patch.setattr(tar_stream, "header", made)
        data = archive([GOOD])
    assert re.search("no backup has such a header|pax header", refusal(data))


def names() -> st.SearchStrategy[str]:
    """As a disk may have them: any bytes, as Python decodes them."""
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300)
    raw = st.binary(min_size=1, max_size=300).map(lambda name: name.replace(b"\0", b"\1"))
    decoded = raw.map(lambda name: name.decode("utf-8", "surrogateescape"))
    return (text | decoded).filter(lambda name: not name.endswith("/"))


@given(
    names(),
    st.sampled_from(["file", "folder"]),
    st.integers(0, 1 << 45),
    st.integers(-(1 << 40), 1 << 40),
)
@example("x" * 100, "file", 8**11, -1)
@example("x" * 99, "folder", 0, 8**11)
@example("\udcff" * 90, "file", 1, 0)
def test_a_header_is_read_as_it_was_written(name: str, kind: str, size: int, mtime: int) -> None:
    head = MemberHead(name, kind, size if kind == "file" else 0, mtime)  # type: ignore[arg-type]
    raw = header(head)
    assert read_head(io.BytesIO(raw)) == (head, raw)
    with tarfile.open(fileobj=io.BytesIO(raw + bytes(1024)), errors="surrogateescape") as files:
        info = files.next()
        assert info is not None
        found = info.name if kind == "file" else info.name.rstrip("/")
        assert (found, info.mtime) == (name if kind == "file" else name.rstrip("/"), mtime)
        assert info.size == head.size


@given(names(), st.sampled_from(["data/", "spool/", "", "data/mail/", f"data/{HOME}/"]))
@example("../../etc/passwd", "data/")
@example("/etc/passwd", "")
def test_no_name_is_outside_of_its_volume(rest: str, start: str) -> None:
    name = start + rest
    if place_of(name) is None:
        return
    volumes = Volumes(Path("/v/data"), Path("/v/spool"))
    path = volumes.path(name)
    top = volumes.data if name.startswith("data/") else volumes.spool
    assert path.is_relative_to(top)
    assert ".." not in path.parts
    assert path != top


# -- the whole ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small() -> bytes:
    return archive([GOOD, member(f"data/{MAILDIR}/new/1.M1.host", b"hello")])


@given(st.data())
def test_whatever_byte_is_changed_it_is_refused(small: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(small) - 1))
    bit = data.draw(st.integers(0, 7))
    changed = bytearray(small)
    changed[place] ^= 1 << bit
    refusal(bytes(changed))


@given(st.data())
def test_wherever_it_is_cut_it_is_refused(small: bytes, data: st.DataObject) -> None:
    end = small.index(b"signpost-backup-end") + 1024
    refusal(small[: data.draw(st.integers(0, end))])


@pytest.mark.parametrize(
    "data", [b"", b"x", b"\0" * 10240, b"PK\3\4" + b"x" * 2000, b"From x\n" * 99]
)
def test_what_is_none_is_said_to_be_none(data: bytes) -> None:
    assert "no backup" in refusal(data) or "cut off" in refusal(data) or "missing" in refusal(data)


@pytest.mark.parametrize("tail", [b"x", bytes(512) + b"x", bytes(1 << 20) + b"x"])
def test_nothing_stands_behind_it(small: bytes, tail: bytes) -> None:
    assert refusal(small + tail) == "something stands behind the archive"


def test_zeros_behind_it_do_not_matter(small: bytes) -> None:
    assert checked(io.BytesIO(small + bytes(10240))).members["mail"] == 1


def test_no_folder_stands_in_for_another() -> None:
    one, two = (MemberHead(f"data/{MAILDIR}/.{name}", "folder") for name in ("A", "B"))
    data = archive([GOOD, Member(one)])
    said = refusal(data.replace(header(one), header(two)))
    assert said == "signpost-backup-end.json: the digest of the whole is another"


def test_two_archives_are_not_one(small: bytes) -> None:
    refusal(small + small)


def test_members_may_not_be_left_out_nor_change_places(tmp_path: Path) -> None:
    one, two, three = (member(f"data/secrets/{name}", b"x" * 9) for name in ("a", "b", "c"))
    data = archive([one, two, three])
    parts = {name: data.index(f"data/secrets/{name}".encode()) for name in "abc"}
    cut = data[: parts["b"]] + data[parts["c"] :]
    assert "digest" in refusal(cut)
    swapped = (
        data[: parts["a"]]
        + data[parts["b"] : parts["c"]]
        + data[parts["a"] : parts["b"]]
        + data[parts["c"] :]
    )
    assert refusal(swapped) == "data/secrets/b: damaged, its digest is another"


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    data = archive(members(make(tmp_path)))
    place = data.index(b"world")
    said = refusal(data[:place] + b"w0rld" + data[place + 5 :])
    assert said == (
        f"data/{MAILDIR}/.Projects.2024/cur/1795752837.M2P1.host,S=5:2,Sab: damaged, its digest is "
        "another"
    )


@pytest.mark.parametrize("sign", ["\x0b", "\x85", "\u2028"])
def test_a_damaged_file_is_named_whatever_the_names_before_it_hold(sign: str) -> None:
    """Text has more ends of lines than one."""
    before = member(f"data/{HOME}/sieve/a{sign}b.sieve", b"keep;")
    data = archive([before, member("data/secrets/srs", b"world")])
    assert refusal(data.replace(b"world", b"w0rld")) == (
        "data/secrets/srs: damaged, its digest is another"
    )


def test_a_later_format_is_refused_with_the_version_that_reads_it() -> None:
    later = MANIFEST.model_copy(update={"format": 2, "version": "9.1\x1b"})
    said = refusal(b"".join(written(later, [GOOD])))
    assert "format 2" in said
    assert said.endswith(r"restore it with version 9.1\x1b")


@pytest.mark.parametrize(
    "manifest", [{"format": 2, "version": "9.1"}, {"format": 2, "volumes": []}]
)
def test_a_later_format_may_have_another_manifest(manifest: dict[str, object]) -> None:
    text = json.dumps({"version": "9.1", **manifest}).encode()
    said = refusal(
        header(MemberHead("signpost-backup.json", "file", len(text))) + text.ljust(512, b"\0")
    )
    assert said.endswith("restore it with version 9.1")


@pytest.mark.parametrize("number", [VOLUMES + 1, 10**30, -1])
def test_files_of_a_later_format_of_the_volumes_are_refused(number: int) -> None:
    later = MANIFEST.model_copy(update={"volumes": number, "version": "9.1"})
    assert refusal(b"".join(written(later, [GOOD]))) == (
        f"its files have format {number}, and this version of Signpost knows up to {VOLUMES}; "
        "restore it with version 9.1 or a newer one"
    )


@pytest.mark.parametrize(
    "change", [{"version": "1 2"}, {"version": ""}, {"made": "today"}, {"made": "2026-11-27\n"}]
)
def test_a_manifest_has_nothing_that_no_mark_could_have(change: dict[str, str]) -> None:
    odd = MANIFEST.model_copy(update=change)
    assert refusal(b"".join(written(odd, [GOOD]))).startswith("signpost-backup.json: ")


def test_a_manifest_is_one(small: bytes) -> None:
    head = len(header(MemberHead("signpost-backup.json", "file", 10)))
    text = json.dumps(MANIFEST.model_dump(), indent=1).encode() + b"\n"
    assert small[head : head + len(text)] == text
    refusal(small[:head] + text.replace(b'"format": 1', b'"format": x') + small[head + len(text) :])
