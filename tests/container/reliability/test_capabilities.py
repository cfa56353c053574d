"""Each capability of compose.yaml left out, and what then fails; with all of them nothing does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ...entrypoint.certificates import Authority
from ..harness.certificates import put_pair
from ..harness.deprived import CAPABILITIES, Deprived
from ..harness.shell import fresh, run, wait_until
from ..harness.signpost import IMAGE

pytestmark = [pytest.mark.reliability, pytest.mark.usefixtures("target_image")]

HOST = "mail.example.org"
ACCOUNTS = {"alice@example.org": "alice-has-a-secret", "bob@example.org": "bob-has-a-secret"}
ENVIRONMENT = {
    "DOMAINS": "example.org",
    "ACCOUNTS": "\n".join(f"{address}:{secret}" for address, secret in ACCOUNTS.items()),
    "SSL_TYPE": "manual",
    "SSL_CERT_PATH": "/tls/cert.pem",
    "SSL_KEY_PATH": "/tls/key.pem",
}
# From the container to itself: login, secret, recipient, token.
SEND = """
import smtplib, ssl, sys
login, secret, recipient, token = sys.argv[1:]
text = f"From: <{login}>\\r\\nTo: <{recipient}>\\r\\nSubject: {token}\\r\\n\\r\\nx\\r\\n"
with smtplib.SMTP("127.0.0.1", 587, timeout=30) as smtp:
    smtp.starttls(context=ssl._create_unverified_context())
    smtp.login(login, secret)
    smtp.sendmail(login, [recipient], text)
"""
REDIRECT = b'redirect "alice@example.org";\n'


class Scenes:
    """What is tried, in this order; each raises AssertionError where it does not work."""

    def __init__(self, server: Deprived, tls: Path, authority: Authority) -> None:
        self._server, self._tls, self._authority = server, tls, authority

    def all(self) -> dict[str, Callable[[], None]]:
        """By name."""
        return {
            "start": self.start,
            "account": self.account,
            "queue": self.queue,
            "redirect": self.redirect,
            "certificate": self.certificate,
            "hung part": self.hung_part,
            "restart": self.restart,
        }

    def start(self) -> None:
        self._server.launch()
        assert self._server.is_ready()
        self._healthy()

    def account(self) -> None:
        command = ("signpost", "account", "add", "carol@example.org")
        self._server.exec(*command, stdin=b"carol-has-a-secret\n")
        self._send("carol@example.org", "carol-has-a-secret", "bob@example.org")

    def queue(self) -> None:
        assert "queue" in self._server.exec("signpost", "queue", "list")

    def redirect(self) -> None:
        home = "/data/mail/example.org/bob"
        script = f"mkdir -p {home} && cat >{home}/.dovecot.sieve"
        self._server.exec("sh", "-c", script, stdin=REDIRECT, user="vmail")
        alice = "alice@example.org"
        self._send(alice, ACCOUNTS[alice], "bob@example.org", arrives="alice")

    def certificate(self) -> None:
        put_pair(self._tls, self._authority, HOST)
        self._server.wait_for_log("new certificate is served", timeout=60)
        wait_until(self._is_healthy, "health to be good again", 60)

    def hung_part(self) -> None:
        run(
            *("docker", "run", "--rm", "--pid", f"container:{self._server.container}"),
            *("--network", "none", "--cap-add", "KILL", "--entrypoint", "pkill", IMAGE),
            *("-STOP", "-f", "--", r"-m entrypoint\.supervise\.until_eof filters\.logins"),
        )
        self._server.wait_for_log(r"logins is restarted \(1 of 3", timeout=200)
        wait_until(self._is_healthy, "health to be good again", 60)

    def restart(self) -> None:
        self._server.restart()
        assert self._server.is_ready(2)
        self._healthy()

    def _is_healthy(self) -> bool:
        return self._server.attempt("signpost", "health").returncode == 0

    def _healthy(self) -> None:
        done = self._server.attempt("signpost", "health")
        assert done.returncode == 0, done.stdout

    def _send(self, login: str, secret: str, recipient: str, arrives: str = "bob") -> None:
        token = fresh("scene")
        program = ("/opt/signpost/bin/python", "-c", SEND)
        self._server.exec(*program, login, secret, recipient, token)
        looks = ("grep", "-rl", token, f"/data/mail/example.org/{arrives}/Maildir/new")
        wait_until(
            lambda: not self._server.attempt(*looks, user="vmail").returncode, "mail to arrive"
        )


@pytest.fixture
def failing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[str]]:
    """The scenes that fail without the capability that the test names; "" leaves out none."""
    tls, ca = tmp_path / "tls", tmp_path / "ca"
    for folder in (tls, ca):
        folder.mkdir()
    authority = Authority.make(ca)
    put_pair(tls, authority, HOST)
    options = (f"--volume={tls}:/tls:ro",)
    failed = []
    with Deprived(ENVIRONMENT, {request.param}, options) as server:
        for name, scene in Scenes(server, tls, authority).all().items():
            try:
                scene()
            except AssertionError as error:
                failed.append(name)
                print(f"without {request.param or 'nothing'}: {name}: {str(error)[-400:]}")
                if not server.running():
                    break
        if failed:
            print(server.logs()[-3000:])
        yield failed


@pytest.mark.parametrize("failing", [""], indirect=True, ids=["all"])
def test_with_all_of_them_everything_works(failing: list[str]) -> None:
    assert failing == []


@pytest.mark.parametrize("failing", CAPABILITIES, indirect=True)
def test_without_one_something_fails(failing: list[str]) -> None:
    print("fails:", ", ".join(failing))
    assert failing
