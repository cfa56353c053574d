"""What a Sieve script sends: in its account's name alone, and not without limit.

A script is what a stolen password can change, and any stranger's mail runs it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from .harness.imap import any_certificate, mailbox
from .harness.managesieve import ManageSieve
from .harness.messages import letter
from .harness.peers import Received
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

ALICE = ("alice@example.org", "alice-secret")
BOB = ("bob@example.org", "bob-secret")
CAROL = ("carol@example.org", "carol-secret")
DAVE = ("dave@example.org", "dave-secret")
ERIN = ("erin@example.org", "erin-secret")
# Of a domain that has a DMARC record, which asks for nothing.
FRANK = ("frank@redirects.example.org", "frank-secret")
GINA = ("gina@redirects.example.org", "gina-secret")
DAEMON = "MAILER-DAEMON@mail.example.org"
OUTSIDER = "someone@outside.test"

LIMIT = 6
ENVIRONMENT = {
    "MAIL_HOSTNAME": "mail.example.org",
    "DOMAINS": "example.org, redirects.example.org, aliases.example.org",
    "ALIASES": "team@aliases.example.org: team@far.test, alice@example.org\n",
    "ACCOUNTS": "\n".join(
        ":".join(account) for account in (ALICE, BOB, CAROL, DAVE, ERIN, FRANK, GINA)
    ),
    "MESSAGE_RATELIMIT": f"{LIMIT}/h",
    # Another Signpost's keys are published, too.
    "DKIM_SELECTOR": "sieve",
}
# Everything that Pigeonhole 2.4.1 offers here. What is new in it may write mail in its own way, and
# is to be looked at: enotify chooses both senders, editheader writes any field into a redirect,
# and vnd.dovecot.report sends mail.
EXTENSIONS = frozenset(
    [
        *("fileinto", "reject", "envelope", "encoded-character", "vacation", "subaddress"),
        *("comparator-i;ascii-numeric", "relational", "regex", "imap4flags", "copy", "include"),
        *("body", "variables", "environment", "mailbox", "date", "index", "ihave", "duplicate"),
        *("mime", "foreverypart", "extracttext", "special-use"),
    ]
)


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(ENVIRONMENT) as signpost:
        world.publish_keys(signpost, "example.org", "redirects.example.org")
        world.ns.publish("example.org", '_dmarc.redirects.example.org. 1 TXT "v=DMARC1; p=none"')
        world.ns.publish(
            "example.org", '_dmarc.aliases.example.org. 1 TXT "v=DMARC1; p=quarantine"'
        )
        yield signpost


def activate(server: Signpost, login: tuple[str, str], text: str) -> None:
    with ManageSieve(server.v4) as session:
        session.start_tls(any_certificate()).login(*login).activate(text)


def send(
    world: World,
    server: Signpost,
    to: str,
    *,
    sender: str = OUTSIDER,
    author: str = "",
    subject: str = "Hello",
    fields: tuple[bytes, ...] = (),
) -> str:
    """Send a letter in from outside; its token."""
    token = fresh("letter")
    message = letter(
        author or sender or OUTSIDER, to=to, token=token, subject=subject.encode(), fields=fields
    )
    said = world.swaks(server.v4, source=world.allowed[0], sender=sender, to=to, message=message)
    said.accepted()
    return token


def wait_for_empty_queue(server: Signpost) -> None:
    wait_until(lambda: not server.exec("smtpctl", "show", "queue"), "an empty queue")


def names(message: bytes) -> list[str]:
    """The names of the header fields, from the top, in lower case."""
    header = message.partition(b"\r\n\r\n")[0].decode("latin-1")
    return [name.strip().lower() for name in re.findall(r"(?m)^([^\s:]+[ \t]*):", header)]


def test_no_other_way_to_send_mail_has_come_with_dovecot(server: Signpost) -> None:
    with ManageSieve(server.v4) as session:
        session.start_tls(any_certificate())
        offered = re.search(r'"SIEVE" "([^"]*)"', session.capabilities)
        assert offered is not None
        assert '"NOTIFY"' not in session.capabilities
    assert frozenset(offered[1].split()) == EXTENSIONS


# -- answers -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trick:
    """A vacation: its `:from`, its `:mime` header, `:subject`, and what the incoming mail has."""

    author: str
    header: str = ""
    subject: str = ""
    incoming: tuple[bytes, ...] = ()

    def action(self, number: int) -> str:
        subject = f':subject "{self.subject}" ' if self.subject else ""
        mime = ":mime " if self.header else ""
        body = "\n".join([*([self.header, ""] if self.header else []), "Send money."])
        return (
            # By a variable: what is no single address is refused at the upload otherwise.
            f'set "from" "{self.author}"; '
            f'vacation {mime}:handle "{number}" {subject}:from "${{from}}" text:\n{body}\n.\n;'
        )


REQUIRE = 'require ["vacation", "encoded-character", "variables"];\n'
REJECTED = "Auto-Submitted: auto-replied (rejected)"
CRLF, CR = "${hex:0d 0a}", "${hex:0d}"
HTML = "Content-Type: text/html; charset=utf-8"

# None of them leaves.
REFUSED = {
    "as found": Trick(BOB[0], f"Received: x\n{HTML}"),
    "a foreign author": Trick("ceo@bank.test", f"received: x\nRECEIVED: y\nReceived : z\n{HTML}"),
    "without Received": Trick(BOB[0], HTML),
    "a redirect's field": Trick(
        BOB[0], f"X-Sieve: x\nX-Sieve-Redirected-From: {ALICE[0]}\nReceived: x\n{HTML}"
    ),
    "another account": Trick(BOB[0], f"X-Signpost-Account: {BOB[0]}\n{HTML}"),
    "a rejection's field": Trick(DAEMON, f"{REJECTED}\n{HTML}"),
    "a rejection's author": Trick(DAEMON),
    "a daemon elsewhere": Trick("MAILER-DAEMON@bank.test", f"{REJECTED}\n{HTML}"),
    "a rejection's field in the subject": Trick(DAEMON, HTML, f"x{CRLF}{REJECTED}{CRLF}X: y"),
    "a rejection's field in From": Trick(f"{DAEMON}{CRLF}{REJECTED}{CRLF}X: y", HTML),
    "a rejection's field in References": Trick(
        DAEMON, HTML, incoming=(b"References: <a@b.test>\r\n\t" + REJECTED.encode(),)
    ),
    "a rejection's field behind a bare CR": Trick(
        DAEMON, HTML, incoming=(b"References: <a@b.test>\r" + REJECTED.encode(),)
    ),
    "two authors": Trick(f"{ALICE[0]}, {BOB[0]}", HTML),
    "a daemon beside the account": Trick(f"{ALICE[0]}, {DAEMON}", HTML),
    "two lines in From": Trick(f"{ALICE[0]}{CRLF}From: {BOB[0]}", HTML),
}
# They leave, without what the script must not write.
OWN = {
    "a second From": Trick(ALICE[0], f"{HTML}\nFrom: {BOB[0]}"),
    "a second From in another spelling": Trick(ALICE[0], f"FROM : {BOB[0]}\nReceived: x\n{HTML}"),
    "other senders": Trick(
        ALICE[0],
        f"Sender: {BOB[0]}\nReply-To: {BOB[0]}\nResent-From: {BOB[0]}\nReturn-Path: <{BOB[0]}>\n"
        f"List-Id: <x.bank.test>\nTo: x@bank.test\nSubject: other\nAuto-Submitted: no\n{HTML}",
    ),
    "our own words": Trick(
        ALICE[0],
        "Authentication-Results: mail.example.org;\n dmarc=pass header.from=bank.test\n"
        "AUTHENTICATION-RESULTS : mail.example.org; dmarc=pass\nARC-Seal: i=1\n"
        f"DKIM-Signature: v=1\nReceived: x\nX-Signpost-Account: {BOB[0]}\nX-Signpost-X: y\n"
        f"X-Spam: no\n{HTML}",
    ),
    "behind a bare CR": Trick(
        ALICE[0], f"{HTML}\nContent-Language: en{CR}Authentication-Results: mail.example.org; x=y"
    ),
}
# What Pigeonhole writes, what the script may (Content-…), and what smtpd and the filter put on top.
ANSWER = {
    *("x-sieve", "message-id", "date", "from", "to", "subject", "in-reply-to", "references"),
    *("auto-submitted", "precedence", "x-auto-response-suppress", "mime-version"),
    *("content-type", "content-transfer-encoding", "content-language"),
}
ON_TOP = {"dkim-signature", "received"}


def test_a_script_writes_in_nobody_elses_name_and_nothing_of_ours(
    world: World, server: Signpost
) -> None:
    tricks = {**REFUSED, **OWN}
    script = REQUIRE + "\n".join(
        f'if header :is "Subject" "{case}" {{ {trick.action(number)} }}'
        for number, (case, trick) in enumerate(tricks.items())
    )
    # More than one account, as each has its limit.
    writers = {case: ALICE if case in REFUSED else CAROL for case in tricks}
    activate(server, ALICE, script)
    activate(server, CAROL, script.replace(f'"{ALICE[0]}"', f'"{CAROL[0]}"'))
    askers = {case: f"{fresh('asker')}@outside.test" for case in tricks}

    def ask(case: str) -> str:
        fields, to = tricks[case].incoming, writers[case][0]
        return send(world, server, to, sender=askers[case], subject=case, fields=fields)

    with ThreadPoolExecutor(6) as several:
        tokens = dict(zip(tricks, several.map(ask, tricks), strict=True))
    for login in (ALICE, CAROL):
        with mailbox(server.v4, login) as box:
            for case, token in tokens.items():
                if writers[case] == login:
                    box.wait_for(token)
                    assert len(box.find(token)) == 1, case
    wait_for_empty_queue(server)
    left = {case: world.outside.received(askers[case]) for case in REFUSED}
    assert not [case for case, found in left.items() if found]
    for case in OWN:
        assert_is_an_answer_of(world, world.outside.wait_for_mail(askers[case]), CAROL[0], case)


def assert_is_an_answer_of(world: World, answer: Received, account: str, case: str) -> None:
    assert answer.sender == "", case
    found = names(answer.message)
    once = [name for name in found if name not in ON_TOP]
    assert set(once) <= ANSWER, (case, found)
    assert len(set(once)) == len(once), (case, found)
    assert found.count("received") <= 2, (case, found)  # smtpd's and the outside server's
    assert re.search(rf"(?m)^From: <?{re.escape(account)}>?\r$".encode(), answer.message), case
    assert b"\r\nContent-Type: text/html; charset=utf-8\r\n" in answer.message
    assert b"mail.example.org; dmarc=pass" not in answer.message
    assert b"\r\n\r\nSend money.\r\n" in answer.message
    signed = {(domain, result) for domain, _, _, result in world.verify(answer.message)}
    assert signed == {("example.org", "pass")}, case


def test_a_colleague_reads_nothing_of_ours_that_a_script_wrote(
    world: World, server: Signpost
) -> None:
    trick = OWN["our own words"]
    activate(server, ERIN, (REQUIRE + trick.action(99)).replace(f'"{ALICE[0]}"', f'"{ERIN[0]}"'))
    token = fresh("letter")
    message = letter(BOB[0], to=ERIN[0], token=token)
    server.submit(world.swaks, BOB, to=ERIN[0], message=message).accepted()
    with mailbox(server.v4, BOB) as box:
        session = box.session

        def answer() -> bytes | None:
            session.select("INBOX")
            (numbers,) = box._ok(session.search(None, "HEADER", "In-Reply-To", token))
            if not numbers:
                return None
            data = box._ok(session.fetch(numbers.split()[0].decode(), "(BODY.PEEK[])"))
            return next(part[1] for part in data if isinstance(part, tuple))

        found = names(wait_until(answer, "the answer"))
    found.remove("x-signpost-delivered")  # of this delivery
    assert not {name for name in found if name.startswith(("authentication", "arc", "x-signpost"))}


# -- rejections ----------------------------------------------------------------------------------


def test_a_rejection_is_ours_and_signed_whatever_its_reason(world: World, server: Signpost) -> None:
    asker = f"{fresh('asker')}@outside.test"
    reason = f"No.\nFrom: {BOB[0]}\nX-Signpost-Account: {BOB[0]}\n\n--x\nReceived: y"
    activate(server, BOB, f'require "reject"; reject text:\n{reason}\n.\n;')
    token = send(world, server, BOB[0], sender=asker, fields=(b"Received: x", b"References: <a@b>"))
    answer = world.outside.wait_for_mail(asker)
    assert answer.sender == ""
    header, _, body = answer.message.partition(b"\r\n\r\n")
    assert re.search(rf"(?m)^From: .*<{re.escape(DAEMON)}>".encode(), header)
    assert header.count(b"\nFrom:") == 1
    assert f"From: {BOB[0]}".encode() in body
    assert {(d, r) for d, _, _, r in world.verify(answer.message)} == {("example.org", "pass")}
    with mailbox(server.v4, BOB) as box:
        assert not box.find(token)
    activate(server, BOB, "keep;")


# -- redirects -----------------------------------------------------------------------------------


def test_a_redirect_is_signed_for_nobody_whatever_it_brings(world: World, server: Signpost) -> None:
    """It goes out as it came, a stranger's fields with our names among them."""
    reader = f"{fresh('reader')}@far.test"
    activate(server, BOB, f'redirect "{reader}"; keep;')
    strange = (
        b"X-Signpost-Account: alice@example.org",
        b"X-Sieve-Redirected-From: alice@example.org",
        REJECTED.encode(),
    )
    tokens = [
        send(world, server, BOB[0], author=author, fields=strange)
        for author in (OUTSIDER, ALICE[0], DAEMON)
    ]
    for token in tokens:
        received = world.outside.wait_for_mail(reader, token)
        assert received.sender == BOB[0]
        assert world.verify(received.message) == []
        assert received.message.count(b"X-Signpost-Account") == 1  # the stranger's own
        with mailbox(server.v4, BOB) as box:
            box.wait_for(token)


def test_no_redirect_passes_dmarc_by_its_sender_alone(world: World, server: Signpost) -> None:
    """Who reads it elsewhere would see SPF pass for the account's domain, which is the author's."""
    reader = f"{fresh('reader')}@far.test"
    activate(server, FRANK, f'redirect "{reader}";')
    colleague = f"bob@{FRANK[0].partition('@')[2]}"
    forged = [
        send(world, server, FRANK[0], author=colleague),
        send(world, server, FRANK[0], author=colleague, sender=""),
    ]
    with mailbox(server.v4, FRANK) as box:
        for token in forged:
            box.wait_for(token)
        token = send(world, server, FRANK[0])
        world.outside.wait_for_mail(reader, token)
        real = fresh("letter")
        message = letter(GINA[0], to=FRANK[0], token=real)
        server.submit(world.swaks, GINA, to=FRANK[0], message=message).accepted()
        received = world.outside.wait_for_mail(reader, real)
        assert {r for _, _, _, r in world.verify(received.message)} == {"pass"}
        assert [len(box.find(token)) for token in forged] == [1, 1]
    assert not [m for m in world.outside.received(reader) if colleague.encode() in m.message]


def test_nor_does_what_an_alias_forwards(world: World, server: Signpost) -> None:
    """With the rewritten sender SPF would pass for the alias's domain, which is the author's."""
    team, author = "team@aliases.example.org", "ceo@aliases.example.org"
    forged = letter(author, to=team, token=fresh("letter"))
    for sender in (OUTSIDER, ""):
        said = world.swaks(
            server.v4, source=world.allowed[0], sender=sender, to=team, message=forged
        )
        assert (said.code, said.outcome.text[:6]) == (550, "5.7.26")
    token = send(world, server, team)
    received = world.outside.wait_for_mail("team@far.test", token)
    assert received.sender.endswith("@aliases.example.org")
    with mailbox(server.v4, ALICE) as box:
        box.wait_for(token)
        # Nobody refuses it where it is junk and stays here.
        token = send(world, server, ALICE[0], author=author)
        box.wait_for(token, "Junk")
    assert not [m for m in world.outside.received("team@far.test") if author.encode() in m.message]


# -- how much ------------------------------------------------------------------------------------


def test_scripts_send_as_much_as_their_account_may_and_the_rest_stays(
    world: World, server: Signpost
) -> None:
    """A stranger's mail makes it send, so it has a count of its own."""
    word = fresh("r")
    targets = [f"{word}-{number}@far.test" for number in range(4)]
    redirects = " ".join(f'redirect "{target}";' for target in targets)
    script = (
        'require ["vacation", "reject", "fileinto", "mailbox"];\n'
        'if header :is "Subject" "reject" { reject "No."; stop; }\n'
        'if header :is "Subject" "answer" { vacation :mime :handle "x" text:\n'
        f"{HTML}\n\n<p>Away.\n.\n; stop; }}\n"
        f"{redirects}\n"
        'if header :is "Subject" "keep" { keep; }\n'
        'if header :is "Subject" "file" { fileinto :create "Filed"; }\n'
    )
    activate(server, DAVE, script)

    def redirected(token: str) -> int:
        return sum(
            token.encode() in mail.message
            for target in targets
            for mail in world.outside.received(target)
        )

    with mailbox(server.v4, DAVE) as box:
        first = send(world, server, DAVE[0])
        wait_until(lambda: redirected(first) == 4, "four redirects")
        second = send(world, server, DAVE[0])
        box.wait_for(second)
        wait_until(lambda: redirected(second) == LIMIT - 4, "two more")
        later = {subject: send(world, server, DAVE[0], subject=subject) for subject in ("", "keep")}
        later["file"] = send(world, server, DAVE[0], subject="file")
        asker = f"{fresh('asker')}@outside.test"
        for subject in ("answer", "reject"):
            later[subject] = send(world, server, DAVE[0], sender=asker, subject=subject)
        folders = dict.fromkeys((second, *later.values()), "INBOX") | {later["file"]: "Filed"}
        for token, folder in folders.items():
            box.wait_for(token, folder)
        wait_for_empty_queue(server)
        for token, folder in folders.items():
            found = {name: len(box.find(token, name)) for name in ("INBOX", "Filed")}
            assert found == {"INBOX": 0, "Filed": 0, folder: 1}
        assert box.find(first) == []
    assert [redirected(token) for token in (first, second, *later.values())] == [4, 2, *[0] * 5]
    assert world.outside.received(asker) == []
    log = server.logs()
    told = [line for line in log.splitlines() if "met its rate limit" in line and DAVE[0] in line]
    assert len(told) == 1, told
    assert "result=TempFail" not in log
    # What Dave sends by hand, and what others' scripts send, is counted apart.
    server.submit(world.swaks, DAVE, to="x@far.test", message=letter(DAVE[0])).accepted()
    activate(server, ERIN, f'redirect "{targets[0]}";')
    token = send(world, server, ERIN[0])
    world.outside.wait_for_mail(targets[0], token)
