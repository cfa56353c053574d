"""Lines of the log → samples: what is counted, and that no stranger's text makes one of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from entrypoint.metrics import words
from entrypoint.metrics.refusals import REASONS, kind_of, reason_of
from entrypoint.metrics.samples import samples_of

S = "609b76e3c486345d"
SOURCES = Path(__file__).parents[3] / "filters"


def samples(program: str, message: str, level: str = "info") -> list[str]:
    first, *found = samples_of(level, program, message)
    assert first == ("line", program, level)
    return [" ".join(each) for each in found]


@pytest.mark.parametrize(
    ("program", "message", "expected"),
    [
        ("smtpd", f"{S} smtp connected address=192.0.2.1 host=x", ["connection"]),
        (
            "smtpd",
            f"{S} smtp message msgid=d43fc6ac size=928 nrcpt=1 proto=ESMTP",
            ["accepted 928"],
        ),
        (
            "smtpd",
            f"{S} smtp envelope evpid=d43fc6ac0c10f33f from=<a@far.test> to=<Bob@Example.ORG>",
            ["recipient example.org"],
        ),
        (
            "smtpd",
            f'{S} smtp failed-command result="550 5.7.1 <a@b>: relaying denied; log in" command=""',
            ["rejected relay permanent"],
        ),
        (
            "smtpd",
            f"{S} mda delivery evpid=921a9c1b0c10f33f from=<a@b.test> to=<c@d.test> "
            "rcpt=<c@d.test> user=vmail delay=0s result=TempFail stat=Error",
            ["delivery local tempfail"],
        ),
        (
            "smtpd",
            f"{S} mta delivery evpid=30308bd43321643b from=<a@b.test> to=<c@d.test> rcpt=<-> "
            'source="-" relay="far.test" delay=0s result="PermFail" stat="no"',
            ["delivery relay permfail"],
        ),
        (
            "smtpd",
            "relay: Expire for 30308bd43321643b: from=<a@b.test>, to=<c@d.test>, rcpt=<->, "
            "delay=4d, stat=x",
            ["queue expired"],
        ),
        ("smtpd", f"{S} smtp authentication user=a@b.test result=permfail", ["login smtp fail"]),
        (
            "inbound",
            f"session={S} msgid=d43fc6ac client=192.0.2.1 author=far.test spf=pass dkim=none "
            'dmarc=fail disposition=quarantine reason="x" from="a@far.test" message-id="<a@b>"',
            [
                "disposition quarantine",
                "verified dkim none",
                "verified dmarc fail",
                "verified spf pass",
            ],
        ),
        (
            "submission",
            f"session={S} msgid=30308bd4 login=a@example.org author=example.org "
            'signed=mail,mail-ed25519 from="a@example.org" message-id=""',
            ["signed example.org mail", "signed example.org mail-ed25519"],
        ),
        (
            "submission",
            f'session={S} domain=example.org could not be signed (1 so far): "OSError"',
            ["unsigned example.org"],
        ),
        (
            "submission",
            f'session={S} login=a@example.org script=redirect from="" message-id=""',
            [],
        ),
        (
            "dovecot",
            "imap-login: Logged in: method=PLAIN, client=192.0.2.1, TLS, session=<a>, login=<a@b>",
            ["login imap ok"],
        ),
        (
            "dovecot",
            "managesieve-login: Login aborted: Connection closed (auth failed, 1 attempts in 2 "
            "secs) (auth_failed): method=PLAIN, client=192.0.2.1, TLS, session=<a>, login=<a@b>",
            ["login managesieve fail"],
        ),
        # Who connects and leaves, as each health check does, has not tried to log in.
        (
            "dovecot",
            "imap-login: Login aborted: Connection closed (no auth attempts in 0 secs) "
            "(no_auth_attempts): client=127.0.0.1, TLS, session=<a>, login=<>",
            [],
        ),
        (
            "dovecot",
            "lmtp(a@b.test)<71><aj>: sieve: failed to store into mailbox 'INBOX': full",
            ["store-error"],
        ),
        (
            "logins",
            "blocked 192.0.2.1 for 10 minutes after failed logins (time 1) at any login",
            ["block client"],
        ),
        (
            "logins",
            'blocked 192.0.2.1 for 10 minutes after failed logins (time 1) at login="a@b.test"',
            ["block login"],
        ),
        ("logins", "540 failed logins at a@b.test from 90 networks: for now", ["block account"]),
        (
            "junk",
            "msgid=d43fc6ac login=a@b.test junk=yes score=5.5 threshold=5.0 (words 0.998)",
            ["junk score yes"],
        ),
        ("junk", "msgid=- login=a@b.test junk=no (sent from this server)", ["junk from-here no"]),
        ("junk", "a@b.test: no verdicts: file is not a database", []),
        ("maintenance", "anything", []),
    ],
)
def test_a_line_counts(program: str, message: str, expected: list[str]) -> None:
    assert sorted(samples(program, message)) == sorted(expected)


@pytest.mark.parametrize(
    ("reply", "reason", "kind"),
    [
        ("550 5.1.1 <x@example.org>: no such user here", "recipient", "permanent"),
        ("451 4.7.1 greylisted: try again in 60 seconds, once is enough", "greylist", "temporary"),
        ("554 5.7.1 192.0.2.1 is listed by zen.example: spam", "blocklist", "permanent"),
        ("550 5.7.26 refused by the DMARC policy of far.test: p=reject", "dmarc", "permanent"),
        ("550 5.7.26 <a@b> is forwarded, and the author fails DMARC of x", "dmarc-forward", ""),
        ("550 5.7.26 the author cannot be verified: two", "author", "permanent"),
        ("451 4.7.5 far.test cannot be verified now, try again later: x", "dns", "temporary"),
        ("552 5.2.2 <a@b>: the mailbox is full", "mailbox-full", "permanent"),
        ("452 4.3.1 there is no room in the mail queue, please try", "no-room", "temporary"),
        ("421 4.7.0 too many failed logins from your network, try", "blocked-login", "temporary"),
        ("421 4.7.0 too many unknown recipients, try the others again", "guessing", "temporary"),
        ("535 Authentication failed", "login", "permanent"),
        ("530 5.5.1 Invalid command: Must issue an AUTH command first", "login-needed", ""),
        ("550 5.7.1 <b@c> is not an address of a@c", "sender", "permanent"),
        ("451 4.7.1 a@b has sent too much mail, try again later", "rate-limit", "temporary"),
        ("554 5.4.6 <a@b>: a mail loop", "loop", "permanent"),
        ("521 5.5.2 a message ends in <CR><LF>.<CR><LF>, without", "message-end", "permanent"),
        ("451 4.3.0 the mail filter could not do its work", "filter", "temporary"),
        ("500 5.5.1 Invalid command: Command unrecognized", "syntax", "permanent"),
        ("599 anything else", "other", "permanent"),
        ("", "other", "permanent"),
    ],
)
def test_a_refusal_has_a_reason(reply: str, reason: str, kind: str) -> None:
    assert reason_of(reply) == reason
    assert not kind or kind_of(reply) == kind


def test_every_refusal_of_the_filters_has_a_reason() -> None:
    """Whoever writes a new reply gives it one."""
    sources = (path for path in SOURCES.rglob("*.py") if "capture" not in path.parts)
    found = [
        match
        for path in sources
        for match in re.findall(
            r'(?:Reject|Disconnect)\(\s*(\d{3}),\s*f?"([^"]+)"', path.read_text()
        )
    ]
    assert len(found) > 20
    for code, text in found:
        example = re.sub(r"<\{[^}]*\}>", "<a@b>", text)
        example = re.sub(r"\{[^}]*\}", "example.org", example)
        assert reason_of(f"{code} {example}") in REASONS, text


@pytest.mark.parametrize(
    "text",
    [
        "x\nrejected dmarc permanent\nx",
        "x rejected dmarc permanent",
        "a@example.org",
        "é\x00\x1b[31m",
        '" result="550 5.7.26 refused by the DMARC policy',
        "y" * 9000,
    ],
)
def test_what_strangers_write_makes_no_sample_and_no_address_gets_through(text: str) -> None:
    lines = [
        ("smtpd", f"{S} smtp envelope evpid=d43fc6ac0c10f33f from=<a@b.test> to=<v@{text}>"),
        ("smtpd", f'{S} smtp failed-command result="550 5.1.1 <{text}>" command="{text}"'),
        ("smtpd", f"{S} smtp authentication user={text} result=ok"),
        ("inbound", f"session={S} spf={text} disposition={text} from={text}"),
        ("submission", f"session={S} author={text} signed={text},mail"),
        ("submission", f"session={S} domain={text} could not be signed: x"),
        ("dovecot", f"imap-login: Logged in: client=1.2.3.4, session=<a>, login=<{text}>"),
        ("logins", f"blocked {text} for 3 minutes"),
        ("junk", f"msgid=d43fc6ac login={text} junk={text} score={text} threshold=5.0 ({text})"),
    ]
    for program, message in lines:
        for sample in samples_of("info", program, message):
            assert "@" not in "".join(sample)
            assert all(re.fullmatch(r"[!-~]{1,255}", word) for word in sample), sample


def test_no_reason_is_called_other() -> None:
    assert words.OTHER not in REASONS
