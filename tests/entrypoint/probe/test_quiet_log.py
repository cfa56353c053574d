"""What the health check's own sessions leave in the log, and that nobody else is left out."""

from __future__ import annotations

import pytest

from entrypoint.log_line import Event
from entrypoint.probe.login import ProbeLogin
from entrypoint.probe.quiet_log import QuietLog

LOGIN = ProbeLogin("health-0011", "the-password", "the-mark")
ONE, TWO = "00000000000000a1", "00000000000000a2"


def smtpd(*messages: str) -> list[Event]:
    return [("info", "smtpd", message) for message in messages]


def written(lines: list[Event], login: ProbeLogin | None = LOGIN) -> list[Event]:
    quiet = QuietLog(login)
    return [each for line in lines for each in quiet.sort(line)] + quiet.rest()


def session(number: str, address: str, said: str) -> list[Event]:
    return smtpd(
        f"{number} smtp connected address={address} host=localhost",
        f"{number} smtp tls ciphers=TLSv1.3:X:256",
        f'{number} smtp failed-command command="{said}" result="500 5.5.1 Invalid command"',
        f"{number} smtp authentication user={LOGIN.name} result=ok",
        f"{number} smtp disconnected reason=quit",
    )


def test_the_whole_session_is_left_out_and_the_mark_is_not_told() -> None:
    lines = written(session(ONE, "127.0.0.1", f"XPROBE {LOGIN.mark}"))
    assert [level for level, _, _ in lines] == ["debug"] * 5
    assert not any(LOGIN.mark in text for _, _, text in lines)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("192.0.2.1", f"XPROBE {LOGIN.mark}"),
        ("127.0.0.1", "XPROBE guessed"),
        ("127.0.0.1", f"RCPT TO:<{LOGIN.name}>"),
        ("[2001:db8::1]", f"MAIL FROM:<{LOGIN.name}>"),
    ],
)
def test_a_strangers_session_is_logged_whole_and_in_order(address: str, said: str) -> None:
    lines = session(ONE, address, said)
    assert written(lines) == lines


def test_a_busy_servers_log_has_the_beginning_and_not_the_mark() -> None:
    ours = session(ONE, "127.0.0.1", f"XPROBE {LOGIN.mark}")
    others = smtpd(*(f"{number:016x} smtp disconnected reason=quit" for number in range(30)))
    lines = written([ours[0], *others, *ours[1:]])
    said = [*others[:20], ours[0], *others[20:], ours[1]]
    assert [line for line in lines if line[0] == "info"] == said
    assert not any(LOGIN.mark in text for _, _, text in lines)


def test_sessions_are_told_apart() -> None:
    ours, other = session(ONE, "127.0.0.1", LOGIN.mark), session(TWO, "127.0.0.1", "EHLO x")
    mixed = [line for pair in zip(ours, other, strict=True) for line in pair]
    assert [line for line in written(mixed) if line[0] == "info"] == other


def test_what_was_held_back_comes_when_nothing_follows() -> None:
    held = smtpd(f"{ONE} smtp connected address=127.0.0.1 host=localhost")
    assert written(held) == held
    others = smtpd(*(f"line {number}" for number in range(40)))
    assert held[0] in written(held + others)[:-1]


def test_the_session_is_anybodys_again_when_it_has_ended() -> None:
    lines = session(ONE, "127.0.0.1", LOGIN.mark) + session(ONE, "192.0.2.1", "x")
    assert [level for level, _, _ in written(lines)] == ["debug"] * 5 + ["info"] * 5


def test_of_dovecot_only_a_login_that_was_right_is_left_out() -> None:
    quiet = QuietLog(LOGIN)

    def level(text: str) -> str:
        ((found, _, _),) = quiet.sort(("info", "dovecot", text))
        return found

    assert level(f"imap-login: Logged in: user=<{LOGIN.name}>, rip=127.0.0.1") == "debug"
    assert level(f"imap({LOGIN.name})<7><x>: Disconnected: Logged out") == "debug"
    assert level(f"imap-login: Login aborted: auth failed: user=<{LOGIN.name}>") == "info"
    assert level("imap-login: Logged in: user=<alice@example.org>") == "info"


def test_without_a_login_nothing_is_left_out() -> None:
    lines = session(ONE, "127.0.0.1", "")
    assert written(lines, None) == lines
