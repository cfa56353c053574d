"""The door is guarded: failed logins, rates of sending, DNS blocklists, greylisting."""

from __future__ import annotations

import imaplib
import itertools
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from filters.guard.account_limit import MOST_AT_ONCE
from filters.guard.login_guard import NETWORK_LIMIT, PAIR_LIMIT

from .conftest import ALICE, BOB, CAROL, STANDARD
from .harness.imap import mailbox
from .harness.load import CLIENTS
from .harness.messages import letter
from .harness.shell import fresh, run, wait_until
from .harness.signpost import PEERS, Signpost
from .harness.swaks import Conversation, Swaks
from .harness.world import World

# Addresses of AS112, which sends no mail: public ones, which the tests' own network has none of.
LISTED, LISTED_V6 = "192.31.196.66", "2620:4f:8000::66"
COMPLAINED_OF, SOMEBODY, SOMEBODY_NEAR = "192.31.196.67", "192.31.196.25", "192.31.196.26"
PUBLIC = (LISTED, LISTED_V6, COMPLAINED_OF, SOMEBODY, SOMEBODY_NEAR)

GUARDED = {
    **STANDARD,
    "DNSBL": "bl.test, broken.test, silent.test",
    "GREYLIST": "2s",
    "MESSAGE_RATELIMIT": "10/m",
    "ENABLE_POP3": "yes",
}

# Hands questions on to the name server, and loses those about silent.test.
FORWARDER = """
import socket, sys, threading
door = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
door.bind((sys.argv[1], 53))
def hand_on(question, client):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.settimeout(5)
        out.sendto(question, (sys.argv[2], 53))
        door.sendto(out.recv(65535), client)
while True:
    question, client = door.recvfrom(65535)
    if b"\\x06silent\\x04test" not in question.lower():
        threading.Thread(target=hand_on, args=(question, client)).start()
"""

IMAP = """
import imaplib, socket, ssl, sys
source, host, login, *passwords = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
class From(imaplib.IMAP4_SSL):
    def _create_socket(self, timeout):
        link = socket.create_connection((host, 993), 30, (source, 0))
        return context.wrap_socket(link)
for password in passwords:
    session = From(host, 993, ssl_context=context)
    try:
        print(session.login(login, password)[0])
    except imaplib.IMAP4.error:
        print("NO")
    session.logout()
"""

# A line a guess, by POP3 or ManageSieve.
OTHERS = """
import base64, poplib, socket, ssl, sys
protocol, source, host, login, *passwords = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
class From(poplib.POP3_SSL):
    def _create_socket(self, timeout):
        return context.wrap_socket(socket.create_connection((host, 995), 30, (source, 0)))
def pop3(password):
    session = From(host, 995, context=context)
    try:
        session.user(login)
        session.pass_(password)
        return "OK"
    except poplib.error_proto:
        return "NO"
    finally:
        session.close()
def sieve(password):
    with socket.create_connection((host, 4190), 30, (source, 0)) as link:
        def answer():
            for line in link.makefile("rb", buffering=0):
                if (word := line.split()[0].decode()) in ("OK", "NO", "BYE"):
                    return word
        answer()
        link.sendall(b"STARTTLS\\r\\n")
        answer()
        link = context.wrap_socket(link)
        answer()
        coded = base64.b64encode(f"\\0{login}\\0{password}".encode())
        link.sendall(b'AUTHENTICATE "PLAIN" "' + coded + b'"\\r\\n')
        return answer()
for password in passwords:
    print({"pop3": pop3, "sieve": sieve}[protocol](password))
"""

# Guesses until smtpd ends the session.
GUESSES = """
import base64, socket, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
link = context.wrap_socket(socket.create_connection((sys.argv[1], 465), 30))
lines = link.makefile("r")
def reply():
    while (line := lines.readline())[3:4] == "-":
        pass
    return line[:3]
def say(text):
    link.sendall(text.encode() + b"\\r\\n")
    return reply()
def coded(text):
    return base64.b64encode(text.encode()).decode()
reply(), say("EHLO x")
for number in range(50):
    guess = f"guess {number}"
    if sys.argv[2] == "plain":
        answer = say("AUTH PLAIN " + coded(f"\\0bob@example.net\\0{guess}"))
    elif (answer := say("AUTH LOGIN")) == "334":
        say(coded("bob@example.net"))
        answer = say(coded(guess))
    print(answer)
    if answer != "535":
        break
"""


@pytest.fixture(scope="module")
def forwarder(world: World) -> Iterator[str]:
    """A name server that one zone's questions are lost at."""
    address, client = world.client[0], world.swaks.container
    run(
        *("docker", "exec", "--detach", client),
        *("python3", "-c", FORWARDER, address, world.address(53)[0]),
    )
    for public in PUBLIC:
        length = "128" if ":" in public else "32"
        world.exec_client("ip", "address", "replace", f"{public}/{length}", "dev", "eth0")
    yield address
    # Others of this client's tests are name servers, too.
    world.exec_client("pkill", "--full", "silent.*test")


def find_the_way(signpost: Signpost) -> None:
    """Signpost's network knows where the public addresses are."""
    for network in ("192.31.196.0/24", "2620:4f:8000::/48"):
        run(
            *("docker", "run", "--rm", "--network", f"container:{signpost.container}"),
            *("--cap-add", "NET_ADMIN", "--entrypoint", "ip", PEERS),
            *("route", "replace", network, "dev", "eth0"),
        )


@pytest.fixture(scope="module")
def guarded(world: World, image: None, forwarder: str) -> Iterator[Signpost]:
    with world.signpost({**GUARDED, "DNS_SERVERS": forwarder}) as signpost:
        find_the_way(signpost)
        yield signpost


@pytest.fixture
def lifted(guarded: Signpost) -> Iterator[Signpost]:
    """Nobody is blocked before a test, nor after it."""
    guarded.attempt("signpost", "blocked", "lift", "all")
    yield guarded
    guarded.attempt("signpost", "blocked", "lift", "all")


# -- failed logins ---------------------------------------------------------------------------


def log_in(
    swaks: Swaks, signpost: Signpost, source: str | None, login: tuple[str, str]
) -> Conversation:
    return swaks(
        signpost.v6 if source and ":" in source else signpost.v4,
        port=465,
        security="implicit",
        source=source,
        login=login,
        quit_after="AUTH",
    )


def fail(world: World, signpost: Signpost, source: str, login: str, times: int) -> None:
    for number in range(times):
        assert log_in(world.swaks, signpost, source, (login, f"guess {number}")).code == 535


def submit(world: World, signpost: Signpost, source: str, login: tuple[str, str]) -> Conversation:
    return world.swaks(
        signpost.v4,
        port=587,
        security="starttls",
        source=source,
        login=login,
        sender=login[0],
        to="someone@far.test",
        message=letter(login[0]),
    )


def imap(world: World, signpost: Signpost, source: str, login: str, *passwords: str) -> list[str]:
    said = world.exec_client("python3", "-c", IMAP, source, signpost.v4, login, *passwords)
    return said.decode().split()


def other(
    world: World, signpost: Signpost, protocol: str, source: str, login: str, *passwords: str
) -> list[str]:
    command = ("python3", "-c", OTHERS, protocol, source, signpost.v4, login, *passwords)
    return world.exec_client(*command).decode().split()


def blocked(signpost: Signpost) -> list[tuple[str, str | None]]:
    lines = signpost.exec("signpost", "blocked", "list", "--json").splitlines()
    return [(each["network"], each["login"]) for each in map(json.loads, lines)]


def test_an_attacker_is_blocked_and_the_owner_is_not(world: World, lifted: Signpost) -> None:
    attacker, home = world.stranger[0], world.allowed[0]
    log_in(world.swaks, lifted, home, ALICE).accepted()

    fail(world, lifted, attacker, ALICE[0], PAIR_LIMIT)

    # Wrong or right.
    for port in (465, 587):
        refused = world.swaks(
            lifted.v4,
            port=port,
            security="implicit" if port == 465 else "starttls",
            source=attacker,
            login=ALICE,
            quit_after="AUTH",
        )
        assert refused.outcome.command.startswith("AUTH"), refused.transcript
        assert refused.code == 421
        assert "failed logins" in refused.outcome.text
    assert imap(world, lifted, attacker, *ALICE) == ["NO"]
    # The others go on: at home, and where nobody has been seen before.
    submit(world, lifted, home, ALICE).accepted()
    log_in(world.swaks, lifted, world.client[0], ALICE).accepted()
    assert imap(world, lifted, home, *ALICE) == ["OK"]
    # Mail from other servers is not concerned: port 25 has no logins.
    assert world.swaks(lifted.v4, source=attacker, quit_after="FIRST-EHLO").exit_code == 0

    assert blocked(lifted) == [(attacker, ALICE[0])]
    assert re.search(
        rf"^{attacker}  {ALICE[0]}  (9|10)m left", lifted.exec("signpost", "blocked"), re.MULTILINE
    )
    lifted.wait_for_log(rf"blocked {attacker} for 10 minutes .* at login=\"{ALICE[0]}\"")


def test_a_block_outlasts_a_restart_and_can_be_lifted(world: World, lifted: Signpost) -> None:
    attacker = world.stranger[0]
    fail(world, lifted, attacker, ALICE[0], PAIR_LIMIT)
    lifted.restart()
    find_the_way(lifted)
    assert log_in(world.swaks, lifted, attacker, ALICE).code == 421
    assert blocked(lifted) == [(attacker, ALICE[0])]

    assert lifted.attempt("signpost", "blocked", "lift", "192.0.2.99").returncode == 1
    assert "let in again" in lifted.exec("signpost", "blocked", "lift", attacker)
    log_in(world.swaks, lifted, attacker, ALICE).accepted()
    assert lifted.exec("signpost", "blocked", "list") == "nobody is blocked\n"


def test_failures_over_imap_and_smtp_are_counted_together(world: World, lifted: Signpost) -> None:
    attacker = world.stranger[0]
    guesses = [f"guess {number}" for number in range(PAIR_LIMIT - 1)]
    # A phone with an old password is not an attack: the same wrong one counts once.
    assert set(imap(world, lifted, attacker, BOB[0], *["old"] * PAIR_LIMIT)) == {"NO"}
    assert blocked(lifted) == []
    assert set(imap(world, lifted, attacker, BOB[0], *guesses[:-1])) == {"NO"}
    assert blocked(lifted) == []
    fail(world, lifted, attacker, BOB[0].upper(), 1)
    wait_until(lambda: blocked(lifted) == [(attacker, BOB[0])], "the block")
    assert imap(world, lifted, attacker, *BOB) == ["NO"]
    assert imap(world, lifted, attacker, *CAROL) == ["OK"]
    assert imap(world, lifted, world.client[0], *BOB) == ["OK"]


@pytest.mark.parametrize("protocol", ["pop3", "sieve"])
def test_failures_over_pop3_and_sieve_count_as_well(
    world: World, lifted: Signpost, protocol: str
) -> None:
    attacker = world.stranger[0]
    log_in(world.swaks, lifted, attacker, CAROL).accepted()
    assert other(world, lifted, protocol, world.client[0], *BOB) == ["OK"]
    guesses = [f"{protocol} {number}" for number in range(PAIR_LIMIT)]
    assert other(world, lifted, protocol, attacker, BOB[0], *guesses) == ["NO"] * PAIR_LIMIT
    wait_until(lambda: blocked(lifted) == [(attacker, BOB[0])], "the block")
    assert other(world, lifted, protocol, attacker, *BOB) == ["NO"]
    assert log_in(world.swaks, lifted, attacker, BOB).code == 535
    log_in(world.swaks, lifted, attacker, CAROL).accepted()
    assert other(world, lifted, protocol, world.client[0], *BOB) == ["OK"]


def test_at_a_shared_address_only_those_stay_who_were_there_before(
    world: World, lifted: Signpost
) -> None:
    office = world.client[0]
    log_in(world.swaks, lifted, office, ALICE).accepted()
    for number in range(NETWORK_LIMIT):
        fail(world, lifted, office, f"user{number}@example.org", 1)
    wait_until(lambda: (office, None) in blocked(lifted), "the block")

    submit(world, lifted, office, ALICE).accepted()
    assert imap(world, lifted, office, *ALICE) == ["OK"]
    assert imap(world, lifted, office, *CAROL) == ["NO"]
    # Though her password is right: who guesses there shall not learn which one is.
    refused = log_in(world.swaks, lifted, office, CAROL)
    assert (refused.outcome.command.startswith("AUTH"), refused.code) == (True, 535)
    log_in(world.swaks, lifted, world.allowed[0], CAROL).accepted()


def test_an_ipv6_client_is_its_whole_64(world: World, lifted: Signpost) -> None:
    fail(world, lifted, world.stranger[1], BOB[0], PAIR_LIMIT)
    wait_until(lambda: blocked(lifted), "the block")
    ((network, login),) = blocked(lifted)
    assert (network.endswith("::/64"), login) == (True, BOB[0])
    assert log_in(world.swaks, lifted, world.client[1], BOB).code == 421
    log_in(world.swaks, lifted, world.client[0], BOB).accepted()


def test_hopping_within_an_ipv6_network_is_seen(world: World, lifted: Signpost) -> None:
    """A new /64 for every other guess, all of them in one /48."""
    home = world.allowed[0]
    log_in(world.swaks, lifted, home, ALICE).accepted()
    hops = [f"2620:4f:8000:{number << 4:x}::66" for number in range(90)]
    script = "for each; do ip address replace $each/128 dev eth0 nodad; done"
    world.exec_client("sh", "-c", script, "sh", *hops)

    seen = guess(world.swaks.container, lifted, 60, 3, login=ALICE[0], sources=hops)
    assert seen["guesses"]["smtp"].get("535", 0) <= MOST_AT_ONCE + 1, seen
    assert seen["guesses"]["smtp"]["421"] > 0, seen
    assert sum(map(sum, (each.values() for each in seen["guesses"].values()))) == 2 * len(hops)
    wait_until(lambda: ("2620:4f:8000::/48", None) in blocked(lifted), "the block of the /48")
    refused = log_in(world.swaks, lifted, hops[0], BOB)
    assert (refused.code, "failed logins" in refused.outcome.text) == (421, True)
    lifted.wait_for_log(rf"[0-9]+ failed logins at {ALICE[0]} from [0-9]+ networks: ")

    # The owner at home, with a password that nobody has looked at yet, too; and one elsewhere.
    assert imap(world, lifted, home, ALICE[0], "mistyped", ALICE[1]) == ["NO", "OK"]
    log_in(world.swaks, lifted, home, ALICE).accepted()
    # smtpd does not say who asks: the attacker would read 535 from this, too.
    assert log_in(world.swaks, lifted, home, (ALICE[0], "mistyped again")).code == 421
    log_in(world.swaks, lifted, home, ALICE).accepted()
    log_in(world.swaks, lifted, world.client[1], BOB).accepted()


@contextmanager
def host() -> Iterator[Swaks]:
    """A client on the machine itself, which Docker shows at the network's gateway."""
    name = fresh("signpost-test-host")
    run(
        *("docker", "run", "--detach", "--rm", "--init", "--name", name, "--network", "host"),
        *("--entrypoint", "sleep", PEERS, "infinity"),
    )
    try:
        yield Swaks(name)
    finally:
        run("docker", "rm", "--force", name)


def guess(
    container: str, signpost: Signpost, rate: float, seconds: float, **words: object
) -> dict[str, Any]:
    """Guesses, and logins beside them: see clients/guessing.py."""
    host = signpost.v6 if ":" in str(words.get("sources")) else signpost.v4
    told = (host, str(rate), str(seconds), json.dumps(words))
    program = (CLIENTS / "guessing.py").read_bytes()
    said = run("docker", "exec", "-i", container, "python3", "-", *told, stdin=program)
    found: dict[str, Any] = json.loads(said)
    return found


def test_a_flood_of_guesses_at_the_gateway_is_not_looked_at_and_keeps_nobody_out(
    world: World, lifted: Signpost
) -> None:
    """The owner and a colleague come from the same address, over a restart of what remembers."""
    with host() as swaks:
        log_in(swaks, lifted, None, ALICE).accepted()
        log_in(swaks, lifted, None, CAROL).accepted()
        first = guess(swaks.container, lifted, 100, 3, login=ALICE[0], right=[ALICE, CAROL])
        lifted.exec("pkill", "-KILL", "-f", "filters.logins", user="logins")
        wait_until(lambda: log_in(swaks, lifted, None, CAROL).exit_code == 0, "logins again")
        again = guess(swaks.container, lifted, 100, 3, login=ALICE[0], right=[ALICE, CAROL])
        nobody = guess(swaks.container, lifted, 50, 1, login="nobody@example.org")
    for seen in (first, again):
        smtp, mail = seen["guesses"]["smtp"], seen["guesses"]["imap"]
        assert set(smtp) <= {"535", "421"}, seen
        assert set(mail) <= {"AUTHENTICATIONFAILED", "UNAVAILABLE"}, seen
        looked_at = smtp.get("535", 0) + mail.get("AUTHENTICATIONFAILED", 0)
        assert MOST_AT_ONCE <= looked_at <= MOST_AT_ONCE + 1, seen
        assert smtp["421"] + mail["UNAVAILABLE"] >= 300 - MOST_AT_ONCE - 1, seen
        for protocol, login in itertools.product(("smtp", "imap"), (ALICE[0], CAROL[0])):
            answers = {each[2] for each in seen["logins"] if each[:2] == [protocol, login]}
            assert answers == {"235" if protocol == "smtp" else "OK"}, seen
        assert max(each[3] for each in seen["logins"]) < 2, seen
    # A login that nobody has looks the same.
    assert set(nobody["guesses"]["smtp"]) == {"535", "421"}
    assert set(nobody["guesses"]["imap"]) == {"AUTHENTICATIONFAILED", "UNAVAILABLE"}
    assert blocked(lifted) == []
    lifted.wait_for_log(rf"[0-9]+ failed logins at {ALICE[0]} from 1 network: ")


def test_without_the_program_that_counts_mail_goes_on(world: World, lifted: Signpost) -> None:
    """It is the one that knows the passwords, too, so that logins wait for it; port 25 does not."""
    lifted.exec("pkill", "-STOP", "-f", "filters.logins", user="logins")
    try:
        assert log_in(world.swaks, lifted, world.allowed[0], ALICE).code == 421  # by PAM
        # A mail program must not take it for a wrong password (RFC 5530).
        with pytest.raises(imaplib.IMAP4.error, match="UNAVAILABLE"), mailbox(lifted.v4, ALICE):
            pass
        lifted.wait_for_log("nobody counts failed logins")
        assert world.swaks(lifted.v4, quit_after="FIRST-EHLO").exit_code == 0
    finally:
        lifted.exec("pkill", "-CONT", "-f", "filters.logins", user="logins")
    wait_until(
        lambda: log_in(world.swaks, lifted, world.allowed[0], ALICE).exit_code == 0,
        "logins to work again",  # smtpd's PAM rests for five seconds from a late answer
        10,
    )


@pytest.mark.parametrize("method", ["plain", "login"])
def test_a_session_does_not_guess_for_ever(world: World, lifted: Signpost, method: str) -> None:
    said = world.exec_client("python3", "-c", GUESSES, lifted.v4, method).decode().split()
    assert said == ["535", "535", "535", "421"]


# -- how much an account sends ---------------------------------------------------------------


def to_many(world: World, signpost: Signpost, login: tuple[str, str], count: int) -> Conversation:
    return world.swaks(
        signpost.v4,
        port=587,
        security="starttls",
        login=login,
        sender=login[0],
        to=[f"r{number}@far.test" for number in range(count)],
        message=letter(login[0]),
    )


def answers_to_rcpt(said: Conversation) -> list[int]:
    return [reply.code for reply in said.replies if reply.command.startswith("RCPT")]


def test_the_rate_limit_is_met_and_resets(world: World, guarded: Signpost) -> None:
    begin = time.monotonic()
    assert answers_to_rcpt(to_many(world, guarded, CAROL, 6).accepted()) == [250] * 6
    met = to_many(world, guarded, CAROL, 6)
    # Six seconds a recipient, which a busy machine may take.
    more = answers_to_rcpt(met).count(250) - 4
    assert 0 <= more <= (time.monotonic() - begin) / 6, met.transcript
    assert answers_to_rcpt(met) == [250] * (4 + more) + [451] * (2 - more), met.transcript
    assert "4.7.1" in met.reply_to("RCPT").text
    guarded.wait_for_log(
        rf"login={CAROL[0]} has met its rate limit \(10 recipients within a minute"
    )
    # Nobody else is concerned.
    to_many(world, guarded, BOB, 1).accepted()

    guarded.restart()
    find_the_way(guarded)
    assert 451 in answers_to_rcpt(to_many(world, guarded, CAROL, 10))

    wait_until(lambda: to_many(world, guarded, CAROL, 1).exit_code == 0, "the reset", 15)


def test_what_is_not_sent_does_not_count(world: World, guarded: Signpost) -> None:
    for _ in range(3):
        gone = world.swaks(
            guarded.v4,
            port=587,
            security="starttls",
            login=ALICE,
            sender=ALICE[0],
            to=[f"r{number}@far.test" for number in range(8)],
            quit_after="RCPT",
        )
        assert answers_to_rcpt(gone) == [250] * 8
    assert answers_to_rcpt(to_many(world, guarded, ALICE, 8)) == [250] * 8


# -- DNS blocklists --------------------------------------------------------------------------


def knock(world: World, signpost: Signpost, source: str) -> Conversation:
    return world.swaks(
        signpost.v6 if ":" in source else signpost.v4, source=source, quit_after="FIRST-EHLO"
    )


def test_a_client_that_is_listed_is_told_so(world: World, guarded: Signpost) -> None:
    refused = knock(world, guarded, LISTED)
    assert (refused.outcome.command, refused.code) == ("", 554), refused.transcript
    text = f"5.7.1 {LISTED} is listed by bl.test: sent spam, see https://bl.test/66"
    assert refused.outcome.text == text
    guarded.wait_for_log(rf"client={LISTED} refused: listed by bl.test")
    assert knock(world, guarded, LISTED_V6).code == 554


def test_a_list_that_is_silent_or_broken_refuses_nobody(world: World, guarded: Signpost) -> None:
    assert knock(world, guarded, SOMEBODY).exit_code == 0
    assert knock(world, guarded, COMPLAINED_OF).exit_code == 0
    guarded.wait_for_log(r"DNSBL bl.test is of no use at the moment")
    # Three questions to it are lost, and it is left alone.
    wait_until(
        lambda: (
            knock(world, guarded, SOMEBODY).exit_code == 0
            and "DNSBL silent.test is of no use at the moment" in guarded.logs()
        ),
        "silent.test to be given up",
        60,
    )


def test_a_client_of_ones_own_network_is_not_asked_for(world: World, guarded: Signpost) -> None:
    reverse = ".".join(reversed(world.stranger[0].split(".")))
    world.ns.publish("bl.test", f"{reverse}.bl.test. 1 IN A 127.0.0.2")
    assert knock(world, guarded, world.stranger[0]).exit_code == 0


def test_who_logs_in_is_not_asked_for(world: World, lifted: Signpost) -> None:
    log_in(world.swaks, lifted, LISTED, ALICE).accepted()


# -- greylisting -----------------------------------------------------------------------------


def arrive(
    world: World, signpost: Signpost, token: str, *, source: str, sender: str, to: str = ALICE[0]
) -> Conversation:
    return world.swaks(
        signpost.v4, source=source, sender=sender, to=to, message=letter(sender, token=token)
    )


def test_greylisted_mail_arrives_on_retry(world: World, guarded: Signpost) -> None:
    token, sender = fresh("grey"), "someone@spfnone.test"
    first = arrive(world, guarded, token, source=SOMEBODY, sender=sender)
    assert first.outcome.command.startswith("RCPT"), first.transcript
    assert first.code == 451
    assert first.outcome.text.startswith("4.7.1 greylisted")

    guarded.restart()  # the state is a file
    find_the_way(guarded)
    # Another host of the same network may be the one that tries again.
    wait_until(
        lambda: arrive(world, guarded, token, source=SOMEBODY_NEAR, sender=sender).exit_code == 0,
        "the retry to be let in",
    )
    guarded.wait_for_mail(ALICE[0], token)
    # From now on there is no wait, whoever it is for.
    arrive(world, guarded, token, source=SOMEBODY, sender=sender, to=BOB[0]).accepted()


def test_who_is_no_recipient_is_told_so_at_once(world: World, guarded: Signpost) -> None:
    refused = arrive(world, guarded, "x", source=SOMEBODY, sender="a@far.test", to="no@example.org")
    assert refused.code == 550


def test_mail_from_ones_own_network_does_not_wait(world: World, guarded: Signpost) -> None:
    token = fresh("own")
    arrive(world, guarded, token, source=world.client[0], sender="p@spfnone.test").accepted()


def test_a_broken_database_stops_no_mail(world: World, guarded: Signpost) -> None:
    path = "/var/spool/smtpd/filters/verifier/greylist.sqlite"
    guarded.exec("sh", "-c", f"for f in {path}*; do echo broken >$f; done; chmod 0 {path}*")
    sender = f"{fresh('someone')}@spfnone.test"
    wait_until(
        lambda: arrive(world, guarded, "x", source=SOMEBODY, sender=sender).exit_code == 0,
        "mail to be let in",
    )
