"""Mail that was copied in as root, and what vmail could plant to be given a file of others'."""

import os
import pwd
from pathlib import Path

import pytest

from entrypoint import mail_owner
from entrypoint.mail_owner import Claimed, claim_mail

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
NOBODY = pwd.getpwnam("nobody").pw_uid
ROOT = 0


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One mailbox, nobody's, who stands for vmail."""
    monkeypatch.setattr(mail_owner, "numbers", lambda *_: (NOBODY, pwd.getpwnam("nobody").pw_gid))
    top = tmp_path / "mail"
    maildir = top / "example.org/alice/Maildir"
    for folder in (maildir, maildir / ".Sent"):
        for name in ("cur", "new", "tmp"):
            (folder / name).mkdir(parents=True)
        (folder / "dovecot-uidlist").write_text("3")
        (folder / "cur/1:2,S").write_text("x")
    give(top, NOBODY)
    return top


def give(top: Path, owner: int) -> None:
    for path in (top, *top.rglob("*")):
        os.chown(path, owner, owner, follow_symlinks=False)


def owner(path: Path) -> int:
    return path.lstat().st_uid


def of_others(top: Path) -> set[str]:
    return {str(each.relative_to(top)) for each in top.rglob("*") if owner(each) != NOBODY}


def maildir(mail: Path) -> Path:
    return mail / "example.org/alice/Maildir"


@pytest.mark.parametrize(
    "where",
    [
        *("", "example.org", "example.org/alice", "example.org/alice/Maildir"),
        *("example.org/alice/Maildir/.Sent", "example.org/alice/Maildir/cur"),
    ],
)
def test_all_that_lies_in_a_folder_of_roots_is_taken(mail: Path, where: str) -> None:
    give(mail / where, ROOT)
    (mail / where).chmod(0o500)
    found = claim_mail(mail)
    assert of_others(mail) == set()
    assert (owner(mail), found.left) == (NOBODY, {})
    assert found.taken.total() == 1 + len(list((mail / where).rglob("*")))
    assert (mail / where).stat().st_mode & 0o700 == 0o700
    assert claim_mail(mail) == Claimed()


def test_a_file_beside_messages_is_taken(mail: Path) -> None:
    os.chown(maildir(mail) / ".Sent/dovecot-uidlist", ROOT, ROOT)
    claim_mail(mail)
    assert of_others(mail) == set()


def test_a_single_message_is_taken_where_all_are_looked_at(mail: Path) -> None:
    os.chown(maildir(mail) / "cur/1:2,S", ROOT, ROOT)
    claim_mail(mail)
    claim_mail(mail, whole={"example.org/bob"})
    assert len(of_others(mail)) == 1
    claim_mail(mail, whole={"example.org/alice"})
    assert of_others(mail) == set()


def test_what_was_cut_off_begins_again(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give(maildir(mail), ROOT)
    real, calls = os.fchown, [0]

    def killed(descriptor: int, uid: int, gid: int) -> None:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        real(descriptor, uid, gid)

    monkeypatch.setattr(os, "fchown", killed)
    with pytest.raises(KeyboardInterrupt):
        claim_mail(mail)
    assert of_others(mail)
    claim_mail(mail)
    assert of_others(mail) == set()


@pytest.mark.parametrize("alone", [True, False])
def test_no_link_leads_to_a_file_of_others(mail: Path, tmp_path: Path, alone: bool) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "secrets"
    secret.write_text("x")
    folder.mkdir()
    (folder / "inside").write_text("x")
    cur = maildir(mail) / "cur"
    (cur / "2:2,S").symlink_to(secret)
    (cur / "more").symlink_to(folder)
    os.link(secret, cur / "3:2,S")
    os.link(secret, cur / "4:2,S")
    os.mkfifo(cur / "5:2,S")
    os.chown(cur, ROOT, ROOT)
    found = claim_mail(mail, alone=alone, whole={"example.org/alice"})
    assert [owner(each) for each in (secret, folder, folder / "inside")] == [ROOT] * 3
    assert "3 names" in found.left["example.org/alice"]


def test_no_link_that_is_put_there_meanwhile_is_followed(
    mail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, real, sent = tmp_path / "secrets", os.open, maildir(mail) / ".Sent"
    folder.mkdir()
    (folder / "inside").write_text("x")

    def swapped(name: str | Path, flags: int, mode: int = 0, *, dir_fd: int | None = None) -> int:
        if name == ".Sent" and sent.is_dir() and not sent.is_symlink():
            sent.rename(tmp_path / "moved")
            sent.symlink_to(folder)
        return real(name, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", swapped)
    claim_mail(mail, whole={"example.org/alice"})
    assert sent.is_symlink()
    assert owner(folder) == owner(folder / "inside") == ROOT


@pytest.mark.parametrize("alone", [True, False])
def test_a_link_itself_is_taken_while_nothing_else_runs(mail: Path, alone: bool) -> None:
    """Such as the one to the Sieve script."""
    link = mail / "example.org/alice/.dovecot.sieve"
    link.symlink_to("/etc/passwd")
    claim_mail(mail, alone=alone)
    assert (owner(link) == NOBODY) == alone
    assert Path("/etc/passwd").stat().st_uid == ROOT


def test_copies_between_folders_are_taken_while_nothing_else_runs(mail: Path) -> None:
    os.link(maildir(mail) / "cur/1:2,S", maildir(mail) / ".Sent/cur/2:2,S")
    give(maildir(mail), ROOT)
    assert "is not vmail's: one file of 2 names" in claim_mail(mail).left["example.org/alice"]
    give(maildir(mail), ROOT)
    assert claim_mail(mail, alone=True).left == {}
    assert of_others(mail) == set()


def test_a_mount_is_left_and_named(
    mail: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = maildir(mail) / ".Of others"
    (mounted / "cur").mkdir(parents=True)
    mounts = tmp_path / "mountinfo"
    point = str(mounted).replace(" ", "\\040")
    # Another one's name is in no encoding that we know.
    before = b"1 2 0:1 / / rw - x x rw\n4 1 0:1 /srv/\xff\x0b /mnt/\xff\x0b rw - x x rw\n"
    mounts.write_bytes(before + f"3 1 0:1 /srv {point} rw - x x rw\n".encode())
    monkeypatch.setattr(mail_owner, "_MOUNTS", mounts)
    found = claim_mail(mail, alone=True, whole={"example.org/alice"})
    assert owner(mounted) == owner(mounted / "cur") == ROOT
    assert found.left == {
        "example.org/alice": f"{mounted} is not vmail's: it is a mount of its own; "
        "if it is mail, `chown -R vmail:vmail` it"
    }


def test_what_lies_too_deep_is_no_mail(mail: Path) -> None:
    deep = maildir(mail) / "/".join(["x"] * 40)
    deep.mkdir(parents=True)
    claim_mail(mail, alone=True)
    assert owner(deep) == ROOT


def test_folders_keep_the_names_that_they_had(mail: Path) -> None:
    """As they are stored without an escape character; only nested ones could begin with `~`."""
    for name in (".p.~t", ".p.~t.~u", ".a~b", ".~x", ".100%", ".a%20b"):
        (maildir(mail) / name).mkdir()
    subscriptions = maildir(mail) / "subscriptions"
    subscriptions.write_bytes(b"V\t2\n\np\t~t\na~b\n100%\n")
    for _ in range(2):
        claim_mail(mail, alone=True)
        names = {each.name for each in maildir(mail).iterdir() if each.name.startswith(".")}
        assert names == {
            *(".p.\x7f7et", ".p.\x7f7et.\x7f7eu", ".a~b", ".\x7f7ex", ".100%", ".a%20b", ".Sent")
        }
        assert subscriptions.read_bytes() == b"V\t2\n\np\t\x7f7et\na~b\n100%\n"
        assert owner(subscriptions) == NOBODY
