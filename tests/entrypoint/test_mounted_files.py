"""A file that is mounted alone, and was replaced on the host: the kernel's table tells."""

from __future__ import annotations

import getpass
from pathlib import Path

import pytest

from entrypoint import mounted_files

# As they stand in a container's /proc/self/mountinfo.
ROOT = "216 215 0:62 / / ro,relatime master:1 - overlay overlay rw,lowerdir=/l\n"
ACCOUNTS = "288 235 254:0 {} /run/secrets/accounts ro,relatime - ext4 /dev/vda rw\n"
SPACED = "237 216 254:0 {} /secrets/dom\\040ains ro,relatime - ext4 /dev/vda rw\n"
FOLDER = "233 216 254:0 {} /tls ro,relatime - ext4 /dev/vda rw,discard\n"
AT_START = (
    ROOT
    + ACCOUNTS.format("/srv/mail/accounts")
    + SPACED.format("/srv/dom\\040ains")
    + FOLDER.format("/srv/tls")
)
FILES = {
    Path("/run/secrets/accounts"): ["ACCOUNTS_FILE"],
    Path("/secrets/dom ains"): ["DOMAINS_FILE", "ALIASES_FILE"],
    Path("/tls/fullchain.pem"): ["SSL_CERT_PATH"],
    Path("/tls/privkey.pem"): ["SSL_KEY_PATH"],
    Path("/opt/in-the-image"): ["EXTRA_FILTERS_INBOUND"],
}


class Container:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._run, self._table = folder / "run", folder / "mountinfo"
        self._run.mkdir()
        write = mounted_files.write_file
        me = getpass.getuser()
        monkeypatch.setattr(
            mounted_files,
            "write_file",
            lambda path, content, owner, group, mode: write(path, content, me, me, mode),
        )

    def start(self, table: str = AT_START) -> None:
        self._table.write_text(table)
        mounted_files.note(FILES, self._run, self._table)

    def replaced(self, table: str) -> list[str]:
        self._table.write_text(table)
        return mounted_files.replaced(self._run, self._table)

    def damage(self, content: str) -> None:
        (self._run / "mounts.json").write_text(content)


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    return Container(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        # sed -i, mv, and most editors.
        ("/srv/mail/accounts", "/srv/mail/accounts//deleted", "ACCOUNTS_FILE: /run/secrets/accoun"),
        # sed -i.bak, and editors that leave a copy.
        ("/srv/mail/accounts", "/srv/mail/accounts.bak", "ACCOUNTS_FILE: /run/secrets/accounts "),
        (
            "/srv/dom\\040ains",
            "/srv/dom\\040ains//deleted",
            "ALIASES_FILE and DOMAINS_FILE: /secre",
        ),
        ("/srv/tls", "/srv/tls//deleted", "SSL_CERT_PATH and SSL_KEY_PATH: /tls is still the old "),
        ("/srv/tls", "/srv/tls.old", "SSL_CERT_PATH and SSL_KEY_PATH: /tls is still the old "),
    ],
)
def test_what_was_replaced_or_moved_is_named_by_its_variables(
    container: Container, before: str, after: str, said: str
) -> None:
    container.start()
    assert container.replaced(AT_START) == []
    (text,) = container.replaced(AT_START.replace(f" {before} ", f" {after} "))
    assert text.startswith(said)
    assert container.replaced(AT_START) == []  # moved back


def test_what_is_mounted_over_it_counts(container: Container) -> None:
    container.start()
    below = AT_START.replace("/srv/mail/accounts", "/srv/mail/accounts//deleted")
    assert container.replaced(below + ACCOUNTS.format("/srv/mail/accounts")) == []
    assert container.replaced(AT_START + ACCOUNTS.format("/srv/x//deleted")) != []


def test_what_was_replaced_already_at_the_start_is_named(container: Container) -> None:
    gone = AT_START.replace("/srv/mail/accounts", "/srv/mail/accounts//deleted")
    container.start(gone)
    assert len(container.replaced(gone)) == 1


def test_the_image_s_own_file_system_and_what_is_not_mounted_any_more_are_not_looked_at(
    container: Container,
) -> None:
    container.start()
    assert container.replaced(AT_START.replace(" / / ", " /x//deleted / ")) == []
    assert container.replaced(ROOT) == []


def test_without_a_start_nothing_is_said_and_a_damaged_note_is_an_error(
    container: Container,
) -> None:
    assert container.replaced(AT_START) == []
    container.start()
    for content in ("{", '{"/tls": 1}', "[]", '{"/tls": {}}'):
        container.damage(content)
        with pytest.raises(ValueError, match=r"mounts|Expecting"):
            container.replaced(AT_START)
