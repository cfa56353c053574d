"""A certificate of one's own is replaced while mail keeps coming: it is served, no mail is lost."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ..entrypoint.certificates import Authority
from .conftest import ALICE, STANDARD
from .harness.certificates import PORTS, fingerprints, of_pem
from .harness.messages import letter
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

LATER = datetime.now(UTC) + timedelta(days=90)
MANUAL = {
    "SSL_TYPE": "manual",
    "SSL_CERT_PATH": "/own/cert.pem",
    "SSL_KEY_PATH": "/own/key.pem",
}


class Own:
    """The certificate and the key of a person, as files that the container sees."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "ca").mkdir()
        self._authority = Authority.make(folder / "ca")
        (folder / "own").mkdir()
        self.fingerprint = ""
        self.put(*self.make())

    def make(self) -> tuple[bytes, bytes]:
        """A new pair."""
        return self._authority.pair(STANDARD["MAIL_HOSTNAME"], LATER)

    def put(self, chain: bytes, key: bytes) -> None:
        """Replace both files, the key first."""
        self.put_file("key.pem", key)
        self.put_file("cert.pem", chain)
        self.fingerprint = of_pem(chain) if b"BEGIN" in chain else ""

    def put_file(self, name: str, content: bytes) -> None:
        """Replace one file as a client of ACME does: whole, by a rename."""
        new = self.folder / "own" / f".{name}"
        new.write_bytes(content)
        new.rename(self.folder / "own" / name)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Own:
    return Own(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def server(world: World, image: None, own: Own) -> Iterator[Signpost]:
    mounts = {"/own": own.folder / "own"}
    with world.signpost(STANDARD | MANUAL, place=120, mounts=mounts) as signpost:
        yield signpost


class Deliveries:
    """Mail that keeps coming on port 25, and the tokens of what was accepted."""

    def __init__(self, world: World, signpost: Signpost) -> None:
        self._world, self._signpost = world, signpost
        self.accepted: list[str] = []
        self.refused = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(3)]

    def _run(self) -> None:
        while not self._over.is_set():
            token = fresh("while")
            message = letter("Someone <someone@outside.test>", token=token)
            done = self._world.swaks(
                self._signpost.v4,
                to=ALICE[0],
                message=message,
                source=self._world.allowed[0],
                security="starttls",
            )
            if done.exit_code == 0:
                self.accepted.append(token)
            else:
                self.refused += 1

    @contextmanager
    def going_on(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            wait_until(lambda: len(self.accepted) > 3, "the first mail to be accepted")
            yield
            count = len(self.accepted)
            wait_until(lambda: len(self.accepted) > count + 3, "mail to be accepted afterwards")
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


def all_show(world: World, server: Signpost, fingerprint: str) -> bool:
    return set(fingerprints(world, server).values()) == {fingerprint}


def said(server: Signpost, pattern: str) -> list[str]:
    return re.findall(pattern, server.logs())


def test_a_new_one_goes_live_under_load_and_no_accepted_mail_is_lost(
    world: World, server: Signpost, own: Own
) -> None:
    assert all_show(world, server, own.fingerprint)
    before, mail = own.fingerprint, Deliveries(world, server)
    with mail.going_on():
        own.put(*own.make())
        assert own.fingerprint != before
        found = server.wait_for_log(
            rf"new certificate is served .*\(SHA-256 {own.fingerprint}\)", 60
        )
        assert all(str(port) in found[0] for port in PORTS)
    assert all_show(world, server, own.fingerprint)

    def missing() -> set[str]:
        arrived = b"".join(server.read_mail(ALICE[0]))
        return {token for token in mail.accepted if token.encode() not in arrived}

    wait_until(lambda: not missing(), f"all {len(mail.accepted)} accepted messages", 30)
    # It was wanted: nothing in the log calls it a failure.
    assert not said(server, r"error smtpd: .*exited")


def test_the_key_may_come_seconds_before_its_certificate(
    world: World, server: Signpost, own: Own
) -> None:
    errors = len(said(server, "is refused"))
    chain, key = own.make()
    own.put_file("key.pem", key)
    # The next look has seen the half, and keeps still.
    assert all_show(world, server, own.fingerprint)
    own.put(chain, key)
    server.wait_for_log(rf"SHA-256 {own.fingerprint}\)", 60)
    assert all_show(world, server, own.fingerprint)
    assert len(said(server, "is refused")) == errors


@pytest.mark.parametrize(
    ("broken", "rule"),
    [
        ("another's key", "the certificate does not match the key"),
        ("no certificate", "no PEM certificate in this file"),
    ],
)
def test_a_broken_one_is_refused_once_and_the_old_one_stays(
    world: World, server: Signpost, own: Own, broken: str, rule: str
) -> None:
    good = own.fingerprint
    kept = [(own.folder / "own" / name).read_bytes() for name in ("cert.pem", "key.pem")]
    chain, key = own.make()
    own.put(
        *{
            "another's key": (chain, own.make()[1]),
            "no certificate": (b"nothing\n", key),
        }[broken]
    )
    server.wait_for_log(rf"error \S+: SSL_\S+: the new certificate is refused .*: {rule}.*; ", 60)
    assert all_show(world, server, good)
    own.put(kept[0], kept[1])
    server.wait_for_log(r"(?s)refused.*: the certificate that is served is back(?!.*refused)", 60)
    assert len(said(server, rf"is refused .*: {rule}")) == 1


def test_wanted_restarts_do_not_end_the_container(world: World, server: Signpost, own: Own) -> None:
    # Five exits within a minute would.
    for _ in range(7):
        server.exec(
            "python", "-c", "from entrypoint.supervise.restarts import request; request('smtpd')"
        )
        wait_until(
            lambda: server.attempt("test", "-e", "/run/signpost/smtpd.restart").returncode,
            "smtpd to be started again",
        )
    wait_until(lambda: all_show(world, server, own.fingerprint), "smtpd to listen again")
    assert server.running()
