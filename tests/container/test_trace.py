"""The way of messages by their journal; and with ANONYMIZE_EMAILS no address stands anywhere.

Each address that is sent here has a local part of its own, so that one look finds it.
"""

from __future__ import annotations

import contextlib
import imaplib
import json
import re
import shutil
import smtplib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .harness.imap import any_certificate
from .harness.managesieve import ManageSieve, SieveError
from .harness.shell import run, wait_until
from .harness.signpost import Signpost
from .harness.world import World

WENDY = ("wendyq@example.org", "wendy's secret")
OSCAR = ("oscarq@example.org", "oscar's secret")
PETER = ("peterq@example.org", "peter's secret")
MANUAL = Path(__file__).parents[2] / "docs/logs.md"
OTHER_SERVER = Path(__file__).with_name("traced") / "other_server.py"
ENVIRONMENT = {
    "MAIL_HOSTNAME": "mail.example.org",
    "DOMAINS": "example.org",
    "ACCOUNTS": "\n".join(":".join(account) for account in (WENDY, OSCAR, PETER)),
    "ALIASES": "teamq@example.org: oscarq@example.org, outsideq@far.test\n"
    "bossq@example.org: wendyq@example.org",
    "POSTMASTER_ADDRESS": "bossq@example.org",
    "RELAY_HOST": "127.0.0.1",
    "RELAY_PORT": "2525",
    "RELAY_TLS": "no",
    "LOG_FORMAT": "json",
    "TRACE_DAYS": "7",
    "ANONYMIZE_EMAILS": "yes",
    "JUNK_FILTER": "yes",
}
# What stands before an @ in anything that is sent, and logins that are no addresses.
WORDS = (
    *("wendyq", "oscarq", "peterq", "teamq", "outsideq", "tagq", "strangerq", "nobodyq", "verpq"),
    *("srsvictimq", "quotedq", "gonerq", "busybeeq", "friendq", "forgedq", "wrongq", "barewrongq"),
    *("imapwrongq", "bareimapq", "vrfyq", "expnq", "mailbareq", "rcptq", "fooq", "messageidq"),
    *("awayq", "routedq", "authq", "addedq", "bossq", "eaiq", "upperq", "vacationerq", "pctq"),
    *("sievewrongq", "folderq", "appendedq", "prvsq", "atsignq", "refusedq", "blockedq"),
)


# Answers one sender, refuses another, and files by an address.
AWAY = """require ["vacation", "envelope", "reject", "fileinto", "mailbox"];
if envelope :is "from" "refusedq@far.test" { reject "not from refusedq@far.test"; stop; }
if envelope :is "from" "vacationerq@far.test" {
  vacation "away";
  fileinto :create "folderq@far.test";
}
"""


class Sent:
    """What was sent, and the queue ids that smtpd has said."""

    def __init__(self, server: Signpost) -> None:
        self.server = server
        self.ids: dict[str, str] = {}

    def incoming(self, name: str, sender: str, *to: str, message_id: str | None = None) -> None:
        with smtplib.SMTP(self.server.v4, 25, timeout=20) as session:
            self._send(session, name, sender, to, message_id)

    def outgoing(self, name: str, *to: str, sender: str = WENDY[0]) -> None:
        with smtplib.SMTP_SSL(
            self.server.v4, 465, timeout=20, context=any_certificate()
        ) as session:
            session.login(*WENDY)
            self._send(session, name, sender, to, None)

    def _send(
        self,
        session: smtplib.SMTP,
        name: str,
        sender: str,
        to: tuple[str, ...],
        message_id: str | None,
    ) -> None:
        session.ehlo("client.test")
        session.send(f"MAIL FROM:<{sender}>\r\n".encode())
        session.getreply()
        for each in to:
            session.send(f"RCPT TO:<{each}>\r\n".encode())
            session.getreply()
        if session.docmd("DATA")[0] != 354:
            return
        field = f"<{name}.messageidq@far.test>" if message_id is None else message_id
        message_id_field = f"Message-ID: {field}\r\n" if field else ""
        text = (
            f"From: {sender or 'strangerq@far.test'}\r\nTo: {to[0]}\r\nSubject: {name}\r\n"
            f"Date: Fri, 27 Nov 2026 05:00:00 +0000\r\n{message_id_field}\r\nhello\r\n.\r\n"
        )
        session.send(text)
        code, reply = session.getreply()
        if code == 250:
            self.ids[name] = reply.decode().split()[1]


def wrong_smtp(server: Signpost, login: str) -> None:
    with (
        smtplib.SMTP_SSL(server.v4, 465, timeout=20, context=any_certificate()) as session,
        pytest.raises(smtplib.SMTPException),
    ):
        session.login(login, "wrong")


def wrong_imap(server: Signpost, login: str) -> None:
    with (
        imaplib.IMAP4_SSL(server.v4, 993, ssl_context=any_certificate()) as session,
        pytest.raises(imaplib.IMAP4.error),
    ):
        session.login(login, "wrong")


def wrong_sieve(server: Signpost, login: str) -> None:
    with (
        ManageSieve(server.v4) as session,
        pytest.raises(SieveError),
    ):
        session.start_tls(any_certificate()).login(login, "wrong")


def use_imap(server: Signpost) -> None:
    """A message of one's own, in a folder with somebody's name."""
    with imaplib.IMAP4_SSL(server.v4, 993, ssl_context=any_certificate()) as session:
        session.login(*OSCAR)
        session.create('"folderq@far.test"')
        message = b"From: appendedq@far.test\r\nMessage-ID: <appendedq@far.test>\r\n\r\nx\r\n"
        session.append('"folderq@far.test"', None, None, message)  # type: ignore[arg-type]
        session.append('"no folderq@far.test"', None, None, message)  # type: ignore[arg-type]


def say(server: Signpost, *lines: str) -> None:
    with smtplib.SMTP(server.v4, 25, timeout=20) as session:
        for line in lines:
            with contextlib.suppress(smtplib.SMTPServerDisconnected):
                session.docmd(line)


@pytest.fixture(scope="module")
def sent(world: World, image: None) -> Iterator[Sent]:
    """Mail by all ways, refusals included, and all of it done with."""
    with world.signpost(ENVIRONMENT) as server:
        other = ("docker", "exec", "--detach", server.container)
        run(*other, "python3", "-c", OTHER_SERVER.read_text())
        for account, script in (
            (PETER, 'require ["copy"];\nredirect :copy "awayq@far.test";\n'),
            (WENDY, AWAY),
        ):
            with ManageSieve(server.v4) as session:
                session.start_tls(any_certificate()).login(*account).activate(script)
        listens = ("grep", "-q", ":09DD .* 0A ", "/proc/net/tcp")  # 2525, LISTEN
        wait_until(lambda: server.attempt(*listens).returncode == 0, "the other server")
        server.exec("signpost", "junk", "block", OSCAR[0], "blockedq@far.test")
        sent = Sent(server)
        sent.incoming("team", "strangerq@far.test", "teamq@example.org", "wendyq+tagq@example.org")
        sent.incoming("redirected", "strangerq@far.test", "peterq@example.org")
        sent.incoming("unknown", "strangerq@far.test", "nobodyq@example.org")
        sent.incoming("verp", "list-verpq=oscarq=example.org@lists.test", "oscarq@example.org")
        sent.incoming("srs", "", "SRS0=abcd=zz=far.test=srsvictimq@example.org")
        sent.incoming("quoted", '"a quotedq"@far.test', "OscarQ@EXAMPLE.org")
        sent.incoming(
            "odd", "strangerq@far.test", "oscarq@example.org", message_id="<no-messageidq>"
        )
        # Only their queue ids tell these two apart; the next has no Message-ID.
        for name in ("twin", "other twin"):
            sent.incoming(
                name, "strangerq@far.test", "oscarq@example.org", message_id="<twin-messageidq@x>"
            )
        sent.incoming("nameless", "", "oscarq@example.org", message_id="")
        sent.incoming("vacation", "vacationerq@far.test", "wendyq@example.org")
        sent.incoming("refused", "refusedq@far.test", "wendyq@example.org")
        sent.incoming("blocked", "blockedq@far.test", "oscarq@example.org")
        sent.incoming("upper", "UPPERQ@FAR.test", "OSCARQ@EXAMPLE.ORG")
        sent.incoming("eai", "eaiq\u00fc@far.test", "oscarq@example.org")
        sent.incoming("prvs", "prvs=1234abcdef=prvsq@far.test", "oscarq@example.org")
        sent.incoming(
            "quoted at", '"atsignq@x"@far.test', '"atsignq@x"@example.org', "oscarq@example.org"
        )
        use_imap(server)
        sent.outgoing("friend", "friendq@far.test")
        sent.outgoing("gone", "gonerq@far.test")
        sent.outgoing("busy", "busybeeq@far.test")
        sent.outgoing("forged", "friendq@far.test", sender="forgedq@example.org")
        say(server, "EHLO x", "VRFY vrfyq@example.org", "EXPN expnq", "MAIL FROM:<mailbareq>")
        say(
            server,
            "EHLO x",
            "MAIL FROM:<strangerq@far.test>",
            "RCPT TO:<@routedq:rcptq@example.org>",
        )
        say(server, "fooq@example.org", "FOO fooq", "AUTH PLAIN authq@example.org")
        say(
            server,
            *("EHLO pctq%40example.org", "EHLO x", "VRFY pctq%40example.org"),
            *("MAIL FROM:<a@far.test> AUTH=pctq+40example.org", "MAIL FROM:<a@far.test>"),
            *(
                "RCPT TO:<pctq%example.org@far.test>",
                "RCPT TO:<pctq>",
                "RCPT TO:pctq@example.org x",
            ),
        )
        # Each takes seconds: a wrong password is answered late.
        with ThreadPoolExecutor() as pool:
            wrong = [
                pool.submit(wrong_smtp, server, name)
                for name in ("wrongq@example.org", "barewrongq")
            ]
            wrong += [
                pool.submit(wrong_imap, server, name)
                for name in ("imapwrongq@example.org", "bareimapq")
            ]
            wrong += [pool.submit(wrong_sieve, server, "sievewrongq")]
        for each in wrong:
            each.result()
        for name in ("friend", "gone", "busy"):
            server.wait_for_log(rf'"event": "relay".*"msgid": "{sent.ids[name]}"')
        for name in (
            "team",
            "redirected",
            "verp",
            "odd",
            "twin",
            "other twin",
            "nameless",
            "vacation",
        ):
            server.wait_for_log(rf'"event": "deliver".*"msgid": "{sent.ids[name]}".*"ok"')
        yield sent


def traced(sent: Sent, identity: str) -> str:
    """What the journal says, when it has all of it."""
    return sent.server.exec("signpost", "trace", identity)


def journal(server: Signpost) -> str:
    return server.exec("sh", "-c", "cat /data/journal/*")


def test_no_address_stands_in_log_or_journal_or_health(sent: Sent) -> None:
    server = sent.server
    server.exec("signpost", "account", "add", "--generate", "addedq@example.org")
    health = server.attempt("signpost", "health").stdout.decode()
    for where, text in (
        ("log", server.logs()),
        ("journal", journal(server)),
        ("health", health),
        ("trace", traced(sent, sent.ids["gone"])),
    ):
        left = [word for word in WORDS if word in text.lower()]
        assert not left, f"{where}: {left}:\n" + "\n".join(
            line for line in text.splitlines() if any(word in line.lower() for word in left)
        )
    # They were there.
    assert len(re.findall(r"user-[a-z2-7]{10}@", server.logs())) > 40


def test_the_journal_is_roots_alone(sent: Sent) -> None:
    shown = sent.server.exec("sh", "-c", "stat -c '%a %U' /data/journal /data/journal/*")
    assert set(shown.splitlines()) == {"700 root", "600 root"}
    assert sent.server.exec("stat", "-c", "%a", "/data/secrets/pseudonyms").strip() == "600"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("vacation", [r" answer  .* an answer to <user-", r" store  .*: user-\S+@far\.test"]),
        ("refused", [r" reject  .* refused to <user-"]),
        (
            "team",
            [r"verdict +user-\S+@example\.org: not junk \(not enough learned: 0 of 50 spam"],
        ),
        ("blocked", [r"verdict .*: junk \(blocked sender\)", r"=> .*: delivered in Junk"]),
        ("team", [r"verify .*far\.test: .*disposition none", r"=> .*: delivered in INBOX"]),
        ("team", [r"=> <user-\S+@far\.test> for <user-\S+@example\.org>: taken by 127\.0\.0\.1"]),
        ("redirected", [r"=> redirected by the script of user-\S+@example\.org: see [0-9a-f]{8}"]),
        ("friend", [r"auth .*: ok", r"sign .*example\.org with mail", r"taken by .*taken as 4711"]),
        ("gone", [r"refused: 550 5\.1\.1 <user-", r"=> its bounce: see [0-9a-f]{8}", "delivered"]),
        ("busy", [r"deferred: 451 4\.2\.0 \(user\) is busy", r"signpost queue show [0-9a-f]{16}"]),
    ],
)
def test_a_way_is_told_to_its_end(sent: Sent, name: str, parts: list[str]) -> None:
    def told() -> str | None:
        text = traced(sent, sent.ids[name])
        return text if all(re.search(part, text) for part in parts) else None

    try:
        wait_until(told, f"the way of {name}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{traced(sent, sent.ids[name])}") from None


def test_any_of_its_ids_and_the_log_lead_to_the_same_way(sent: Sent) -> None:
    server = sent.server
    way = traced(sent, sent.ids["verp"])
    found = re.search(rf"{sent.ids['verp']}[0-9a-f]{{8}}", way)
    session = re.search(r"connect .*, ([0-9a-f]{16})", way)
    assert found is not None
    assert session is not None
    by_message_id = "<verp.messageidq@far.test>"
    # An address is as it is: its pseudonym is found.
    address = "List-VERPQ=oscarq=example.org@LISTS.test"
    for identity in (found[0], session[1], by_message_id, address):
        assert traced(sent, identity) == way
    log = server.logs().encode()
    of_log = server.exec("signpost", "trace", "--log", sent.ids["verp"], stdin=log)
    # The journal's times are finer, and its order is that of both programs' threads.
    shape = r"(?m)^  \S+  "
    assert sorted(re.sub(shape, "  ", of_log).splitlines()) == sorted(
        re.sub(shape, "  ", way).splitlines()
    )


def test_an_id_of_nobody_is_an_error(sent: Sent) -> None:
    done = sent.server.attempt("signpost", "trace", "00000000")
    assert done.returncode == 1
    assert b"the journal has nothing of this id" in done.stderr


def test_lines_of_all_programs_have_the_same_fields(sent: Sent) -> None:
    events = [json.loads(line) for line in sent.server.logs().splitlines() if line.startswith("{")]
    msgid = sent.ids["team"]
    of_message = {(each["program"], each["event"]) for each in events if each.get("msgid") == msgid}
    assert {("inbound", "verify"), ("smtpd", "accept"), ("smtpd", "recipient")} <= of_message
    assert {("smtpd", "deliver"), ("smtpd", "relay"), ("dovecot", "store")} <= of_message
    assert ("junk", "verdict") in of_message
    (identity,) = {
        each["message-id"] for each in events if each.get("msgid") == msgid and "message-id" in each
    }
    assert any(
        each["program"] == "dovecot" and each.get("message-id") == identity for each in events
    )


@pytest.mark.skipif(not shutil.which("jq"), reason="no jq")
def test_the_query_of_the_manual_shows_a_message(sent: Sent) -> None:
    (query,) = re.findall(r"jq -cR '(.*)'", MANUAL.read_text("utf-8"))
    query = query.replace("d43fc6ac", sent.ids["team"])
    shown = run("jq", "-cR", query, stdin=sent.server.logs().encode()).decode().splitlines()
    events = [json.loads(line) for line in shown]
    assert {"verify", "accept", "recipient", "store", "deliver"} <= {
        each["event"] for each in events
    }
    assert "INBOX" in {each["folder"] for each in events}


@pytest.mark.parametrize("name", ["twin", "other twin", "nameless"])
def test_a_delivery_is_known_by_its_queue_id(sent: Sent, name: str) -> None:
    def stored() -> list[str]:
        return [line for line in traced(sent, sent.ids[name]).splitlines() if "  store " in line]

    wait_until(stored, f"the mailbox of {name}")
    assert len(stored()) == 1
    assert (
        sum(line.startswith("message ") for line in traced(sent, sent.ids[name]).splitlines()) == 1
    )
