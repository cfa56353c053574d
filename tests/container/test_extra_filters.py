"""A filter of one's own in the image: exactly the one that docs/writing-a-filter.md begins with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .harness.messages import letter
from .harness.shell import fresh
from .harness.signpost import ROOT, Signpost
from .harness.world import World

PAGE = (ROOT / "docs/writing-a-filter.md").read_text()
PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
FOUND = re.search(r"EXTRA_FILTERS_INBOUND: (\S+ (/etc/\S+))$", PAGE, re.MULTILINE)
assert FOUND
COMMAND, MOUNTED_AT = FOUND.groups()
# Another, which marks mail as spam.
MARKING = ROOT / "tests/container/filters/marking.py"
MARKING_AT = "/etc/signpost/marking.py"
ALICE = ("alice@example.org", "alice-has-a-secret")
# A second command that is another only by its argument.
CONFIGURED = {
    "DOMAINS": "example.org",
    # Of its own: other servers of the session have published theirs for the domain.
    "DKIM_SELECTOR": "extra",
    "ACCOUNTS": ":".join(ALICE),
    "ALIASES": "away@example.org: reader@far.test",
    "EXTRA_FILTERS_INBOUND": f"{COMMAND}\n{COMMAND} again\n{COMMAND.split()[0]} {MARKING_AT}",
    "EXTRA_FILTERS_SUBMISSION": COMMAND,
}


@pytest.fixture(scope="module")
def server(
    world: World, image: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Signpost]:
    program = tmp_path_factory.mktemp("extra") / "my_filter.py"
    program.write_text(PROGRAM)
    program.chmod(0o644)
    mounts: dict[str, Path] = {MOUNTED_AT: program, MARKING_AT: MARKING}
    with world.signpost(CONFIGURED, place=104, mounts=mounts) as signpost:
        world.publish_keys(signpost, "example.org")
        yield signpost


def test_on_the_way_in_it_stands_before_ours(world: World, server: Signpost) -> None:
    token = fresh("in")
    world.swaks(server.v4, to=ALICE[0], message=letter(token=token)).accepted()
    head = server.wait_for_mail(ALICE[0], token).partition(b"\n\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\n")]
    assert names.count(b"X-Seen") == 2
    # Ours is on top: it saw what the others had done.
    assert names.index(b"Authentication-Results") < names.index(b"X-Seen")
    assert names.index(b"X-Seen") < names.index(b"Received")


@pytest.mark.parametrize("how", [b"prepend", b"append", b"replace", b"smtpd"])
@pytest.mark.parametrize("field", [b"X-Spam: yes", b"X-Spam: no"])
def test_what_a_filter_marks_is_junk(
    world: World, server: Signpost, how: bytes, field: bytes
) -> None:
    token = fresh("junk")
    sender = "junk@outside.test" if how == b"smtpd" else "someone@outside.test"
    message = letter(token=token, subject=how, fields=[field])
    world.swaks(server.v4, sender=sender, to=ALICE[0], message=message).accepted()
    stored = server.wait_for_mail(ALICE[0], token, folder="Maildir/.Junk")
    assert stored.lower().count(b"\nx-spam") == 1
    assert b"X-Saw" not in stored


def test_what_a_client_marks_is_not(world: World, server: Signpost) -> None:
    token = fresh("not-junk")
    fields = [b"X-SPAM : yes", b"X-Spam:\r\n yes", b"X-Other: 1", b"X-Spam-As-Sent: yes"]
    message = letter(token=token, fields=fields)
    world.swaks(server.v4, to=ALICE[0], message=message).accepted()
    stored = server.wait_for_mail(ALICE[0], token).partition(b"\n\n")[0]
    assert re.findall(rb"(?mi)^x-(?:s(?!ignpost).*|other.*)", stored) == [
        *[b"X-Seen: by my filter"] * 2,
        fields[2],
    ]


def test_no_filter_has_the_last_word_on_what_srs_has_no_room_for(
    world: World, server: Signpost
) -> None:
    """`junk` ends a phase: ours was not asked at MAIL and RCPT."""
    sender = "junk@" + ".".join(["x" * 60] * 3 + ["y" * 50, "test"])
    said = world.swaks(server.v4, sender=sender, to="away@example.org", message=letter())
    assert said.reply_to("RCPT").code == 250
    assert (said.code, said.outcome.text[:5]) == (550, "5.1.7")


def test_ours_is_the_one_that_restores_whom_a_bounce_is_for(world: World, server: Signpost) -> None:
    """It stands last: its rewrite ends the phase for nobody."""
    token, sender = fresh("forwarded"), fresh("sender") + "@far.test"
    message = letter(token=token)
    world.swaks(server.v4, sender=sender, to="away@example.org", message=message).accepted()
    rewritten = world.outside.wait_for_mail("reader@far.test", token).sender
    bounce = letter("MAILER-DAEMON@outside.test", token=token)
    said = world.swaks(server.v4, sender="", to=rewritten.lower(), message=bounce)
    said.accepted()
    assert world.outside.wait_for_mail(sender, token).sender == ""


def test_what_it_refuses_is_refused_with_its_own_words(world: World, server: Signpost) -> None:
    refused = world.swaks(server.v4, to=ALICE[0], message=letter(subject=b"The Lottery"))
    assert (refused.code, refused.outcome.text) == (550, "5.7.1 no lotteries here")
    outgoing = letter(ALICE[0], subject=b"The Lottery")
    assert server.submit(world.swaks, ALICE, to="x@far.test", message=outgoing).code == 550


def test_on_the_way_out_its_work_is_signed(world: World, server: Signpost) -> None:
    recipient = fresh("out") + "@far.test"
    server.submit(world.swaks, ALICE, to=recipient, message=letter(ALICE[0])).accepted()
    message = world.outside.wait_for_mail(recipient).message
    assert message.index(b"DKIM-Signature:") < message.index(b"\r\nX-Seen: by my filter\r\n")
    assert [result for *_, result in world.verify(message)] == ["pass", "pass"]


def test_bounces_pass_it_too(world: World, server: Signpost) -> None:
    """Mail that the outside refuses after it was taken comes back through the socket's chain."""
    token = fresh("bounced")
    message = letter(ALICE[0], token=token)
    server.submit(world.swaks, ALICE, to="nobody@far.test", message=message).accepted()
    bounce = server.wait_for_mail(ALICE[0], token)
    head = bounce.partition(b"\n\n")[0]
    assert b"MAILER-DAEMON" in head
    assert b"\nX-Seen: by my filter\n" in head


def test_it_runs_as_a_user_who_can_read_neither_keys_nor_mail(server: Signpost) -> None:
    processes = server.processes("ps", "-eo", "user:20,args").decode().splitlines()
    users = {line.split()[0] for line in processes if MOUNTED_AT in line}
    uid = server.exec("id", "-u", "extra").strip()
    assert users == {uid}, processes
    private = ["/data/dkim/example.org/mail.pem", "/data/mail/example.org", "/data/secrets"]
    private += ["/data/tls", "/run/signpost/logins.json", "/run/signpost/smtpd.conf"]
    private += ["/run/signpost/environment.json", "/run/signpost/logins/socket"]
    for path in [*private, "/var/spool/smtpd/queue", "/var/spool/smtpd/filters/signer"]:
        seen = server.attempt("sh", "-c", f"ls {path}/ || cat {path}", user="extra")
        assert seen.returncode, path


def test_a_filter_that_exits_ends_the_container_with_the_cause(
    world: World, image: None, tmp_path: Path
) -> None:
    """The page says so; a person who mounts a broken file reads why in the log."""
    program = tmp_path / "broken.py"
    program.write_text("raise SystemExit('this filter is broken')\n")
    environment = CONFIGURED | {"EXTRA_FILTERS_INBOUND": COMMAND}
    signpost = world.signpost(environment, place=105, mounts={MOUNTED_AT: program})
    try:
        signpost.launch()
        signpost.wait_for_log("smtpd cannot be kept running", timeout=60)
        assert re.search(r"extra-inbound-1.*this filter is broken", signpost.logs())
    finally:
        signpost.remove()
