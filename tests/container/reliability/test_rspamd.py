"""Debian's rspamd in a second container, by exactly the file that docs/rspamd.md has.

It takes its rules some 15 seconds to compile; so this is no test of every commit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..harness.container import Container
from ..harness.messages import letter
from ..harness.shell import fresh, run, wait_until
from ..harness.signpost import CHECKOUT, ROOT, Signpost
from ..harness.world import World

pytestmark = pytest.mark.reliability

PAGE = (ROOT / "docs/rspamd.md").read_text()
FOUND = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
assert FOUND
ALICE = ("alice@example.org", "alice-has-a-secret")
# Nothing outside is asked: its DNS is the tests' own, and no other name leads anywhere.
ISOLATED = """
services:
  rspamd:
    image: signpost-test-rspamd-{checkout}
    restart: "no"
    stop_grace_period: 1s
    dns: ["{dns}"]
    volumes: ["{options}:/etc/rspamd/local.d/options.inc:ro"]
"""
# Test messages for each action, where otherwise only the one that is refused is known.
OPTIONS = 'gtube_patterns = "all";\n'


def gtube(first: str) -> bytes:
    """A body that every spam filter knows: X is for refusing it, Y for marking it."""
    return (
        f"{first}JS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n".encode()
    )


class RspamdContainer(Container):
    """The page's second service."""

    def __init__(self, signpost: Signpost) -> None:
        self.container = signpost.container.replace("-signpost-", "-rspamd-")

    def answers(self) -> bool:
        """Whether it scans; its parent listens before that."""
        scan = ("rspamc", "--timeout", "1", "--connect", "127.0.0.1:11333")
        return b"GTUBE" in self.attempt(*scan, stdin=letter(body=gtube("X"))).stdout


@pytest.fixture(scope="module")
def server(
    world: World, image: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Signpost]:
    folder: Path = tmp_path_factory.mktemp("rspamd")
    (folder / "options.inc").write_text(OPTIONS)
    (folder / "page.yaml").write_text(FOUND[1])
    signpost = world.signpost(
        {"DOMAINS": "example.org", "ACCOUNTS": ":".join(ALICE), "DKIM_SELECTOR": "rspamd"},
        place=106,
    )
    isolated = ISOLATED.format(
        checkout=CHECKOUT, dns=signpost.place.dns, options=folder / "options.inc"
    )
    (folder / "isolated.yaml").write_text(isolated)
    signpost.laid_over = [folder / "page.yaml", folder / "isolated.yaml"]
    signpost.build("rspamd")
    with signpost:
        wait_until(RspamdContainer(signpost).answers, "rspamd to answer", 90)
        yield signpost


@pytest.fixture
def rspamd(server: Signpost) -> RspamdContainer:
    return RspamdContainer(server)


def test_ordinary_mail_goes_into_the_inbox_with_its_result(world: World, server: Signpost) -> None:
    token = fresh("ordinary")
    world.swaks(server.v4, to=ALICE[0], message=letter(token=token)).accepted()
    stored = server.wait_for_mail(ALICE[0], token)
    assert re.search(rb"(?m)^X-Spamd-Result: default: False \[-?\d+\.\d\d / 15\.00\];\n\t", stored)
    assert b"X-Spam: " not in stored


def test_what_it_marks_is_junk(world: World, server: Signpost) -> None:
    token = fresh("marked")
    message = letter(token=token, body=gtube("Y"), fields=[b"X-Spam: no"])
    world.swaks(server.v4, to=ALICE[0], message=message).accepted()
    stored = server.wait_for_mail(ALICE[0], token, folder="Maildir/.Junk")
    assert re.findall(rb"(?m)^X-Spam: .*", stored) == [b"X-Spam: yes"]


def test_what_it_refuses_is_refused_with_its_words(world: World, server: Signpost) -> None:
    refused = world.swaks(server.v4, to=ALICE[0], message=letter(body=gtube("X")))
    assert (refused.code, refused.outcome.text) == (550, "5.7.1 rspamd: Gtube pattern")


def test_no_line_is_too_long_for_it(world: World, server: Signpost) -> None:
    """Debian's own filter ends here, and smtpd with it."""
    token = fresh("long")
    message = letter(token=token, body=b"x" * 65_470 + b"\r\n")
    world.swaks(server.v4, to=ALICE[0], message=message).accepted()
    assert b"x" * 65_470 in server.wait_for_mail(ALICE[0], token)
    assert "lost processor" not in server.logs()


def test_a_hung_one_holds_mail_up_for_ten_seconds_and_no_longer(
    world: World, server: Signpost, rspamd: RspamdContainer
) -> None:
    run("docker", "pause", rspamd.container)
    try:
        token = fresh("hung")
        world.swaks(server.v4, to=ALICE[0], message=letter(token=token, body=gtube("X"))).accepted()
        assert b"X-Spamd-Result" not in server.wait_for_mail(ALICE[0], token)
        server.wait_for_log("no answer within 10 s; mail goes on unchecked")
    finally:
        run("docker", "unpause", rspamd.container)


def test_mail_goes_on_without_it_and_is_checked_as_soon_as_it_is_back(
    world: World, server: Signpost, rspamd: RspamdContainer
) -> None:
    run("docker", "kill", rspamd.container)
    token = fresh("alone")
    world.swaks(server.v4, to=ALICE[0], message=letter(token=token, body=gtube("X"))).accepted()
    assert b"X-Spamd-Result" not in server.wait_for_mail(ALICE[0], token)
    server.wait_for_log(r"extra-inbound-1: .*mail goes on unchecked")
    run("docker", "start", rspamd.container)
    wait_until(rspamd.answers, "rspamd to answer", 90)
    assert world.swaks(server.v4, to=ALICE[0], message=letter(body=gtube("X"))).code == 550
    server.wait_for_log("rspamd answers again")
