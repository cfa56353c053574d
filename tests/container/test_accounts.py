"""Accounts, aliases and app passwords that change while the server runs: each counts at once."""

from __future__ import annotations

import imaplib
import json
import poplib
import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ..entrypoint.certificates import Authority
from .harness.imap import any_certificate, mailbox
from .harness.managesieve import ManageSieve, SieveError
from .harness.messages import letter
from .harness.shell import fresh, wait_until
from .harness.signpost import Signpost
from .harness.world import World

ALICE = ("alice@example.org", "alice-has-a-secret")
FILED = ("filed@example.org", "filed-has-a-secret")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def server(world: World, image: None, files: Path) -> Iterator[Signpost]:
    (files / "domains").write_text("example.org\n")
    environment = {
        "MAIL_HOSTNAME": "mail.example.org",
        "DOMAINS_FILE": "/mnt/domains",
        "ACCOUNTS": f"{':'.join(ALICE)}:quota=5G\n",
        "ENABLE_POP3": "yes",
    }
    mounts = {"/mnt/domains": files / "domains"}
    with world.signpost(environment, place=120, mounts=mounts) as server:
        yield server


def command(server: Signpost, line: str, stdin: str = "") -> str:
    return server.exec("signpost", *line.split(), stdin=stdin.encode()).strip()


def refusal(server: Signpost, line: str) -> str:
    done = server.attempt("signpost", *line.split())
    assert done.returncode == 1, done
    return done.stderr.decode()


def login(world: World, server: Signpost, address: str, password: str) -> int:
    return world.swaks(
        server.v4,
        port=465,
        security="implicit",
        login=(address, password),
        quit_after="AUTH",
    ).code


def recipient(world: World, server: Signpost, address: str) -> int:
    return world.swaks(server.v4, to=address, quit_after="RCPT").code


def arrives(world: World, server: Signpost, to: str, at: str) -> bool:
    token = fresh("arrives")
    world.swaks(server.v4, to=to, message=letter(to=to, token=token)).accepted()
    return bool(server.wait_for_mail(at, token))


def added(server: Signpost) -> tuple[str, str]:
    """A new account and its password."""
    address = f"{fresh('new')}@example.org"
    return address, command(server, f"account add {address} --generate")


class Open:
    """Sessions of every kind, as mail programs leave them open."""

    def __init__(self, server: Signpost, login: tuple[str, str]) -> None:
        self.idle, self.imap = (self.imap_session(server, login) for _ in range(2))
        self.idle.send(b"i IDLE\r\n")
        assert self.idle.readline() == b"+ idling\r\n"
        self.pop = poplib.POP3_SSL(server.v4, context=any_certificate(), timeout=10)
        self.pop.user(login[0])
        self.pop.pass_(login[1])
        self.sieve = ManageSieve(server.v4).start_tls(any_certificate()).login(*login)

    @staticmethod
    def imap_session(server: Signpost, login: tuple[str, str]) -> imaplib.IMAP4_SSL:
        """A session on 993 with INBOX selected."""
        session = imaplib.IMAP4_SSL(server.v4, 993, ssl_context=any_certificate(), timeout=10)
        session.login(*login)
        session.select()
        return session

    def __enter__(self) -> Open:
        return self

    def __exit__(self, *exception: object) -> None:
        for session in (self.idle, self.imap):
            session.shutdown()
        self.pop.close()
        self.sieve.__exit__(None, None, None)

    def answer(self) -> list[str]:
        """Those that still do."""
        found = []
        try:
            self.idle.send(b"DONE\r\n")
            if self._told().startswith(b"i OK"):
                self.idle.send(b"i IDLE\r\n")
                found += ["idle"] if self._told() == b"+ idling\r\n" else []
        except OSError:
            pass
        for name, ask in (
            ("imap", self.imap.noop),
            ("pop", self.pop.noop),
            ("sieve", lambda: self.sieve.say(b"NOOP")),
        ):
            try:
                ask()
                found.append(name)
            except (OSError, imaplib.IMAP4.error, poplib.error_proto, SieveError):
                pass
        return found

    def _told(self) -> bytes:
        """What the idle one is answered, after what came into the mailbox meanwhile."""
        while (line := self.idle.readline()).startswith(b"* "):
            pass
        return line


ALL = ["idle", "imap", "pop", "sieve"]


def test_an_account_is_there_at_once(world: World, server: Signpost) -> None:
    address = f"{fresh('dave')}@example.org"
    assert recipient(world, server, address) == 550
    command(server, f"account add {address}", "a: secret | of dave\n")
    assert login(world, server, address, "a: secret | of dave") == 235
    assert login(world, server, address, "a: secret | of Dave") == 535
    assert recipient(world, server, address) == 250
    assert arrives(world, server, address, address)
    token = fresh("own")
    message = letter(address, to=ALICE[0], token=token)
    server.submit(
        world.swaks, (address, "a: secret | of dave"), to=ALICE[0], message=message
    ).accepted()
    assert server.wait_for_mail(ALICE[0], token)
    server.wait_for_log(rf"info maintenance: account {address} added$")


def test_another_password_counts_at_once(world: World, server: Signpost) -> None:
    address, old = added(server)
    assert login(world, server, address, old) == 235
    new = command(server, f"account passwd {address} --generate")
    assert login(world, server, address, old) == 535
    assert login(world, server, address, new) == 235


@pytest.fixture(scope="module")
def phones(world: World, server: Signpost) -> dict[str, str]:
    """App passwords that have logged in, by their accounts: one that was added, and Alice's."""
    address, own = added(server)
    found = {}
    for who in (address, ALICE[0]):
        found[who] = command(server, f"app-password add {who} phone")
        laptop = command(server, f"app-password add {who} laptop")
        assert login(world, server, who, found[who]) == 235
        command(server, f"app-password revoke {who} laptop")
        assert login(world, server, who, laptop) == 535
        assert login(world, server, who, found[who]) == 235
    assert login(world, server, address, own) == 235
    return found


def test_app_passwords_log_in_and_end_at_once(
    world: World, server: Signpost, phones: dict[str, str]
) -> None:
    assert len(phones) == 2
    assert login(world, server, *ALICE) == 235
    server.wait_for_log(rf"info maintenance: account {ALICE[0]}: app password phone added$")


@pytest.mark.parametrize(
    "line", ["account passwd {} --generate", "app-password revoke {} phone", "account remove {}"]
)
def test_open_sessions_end_with_what_they_came_with(server: Signpost, line: str) -> None:
    login = added(server)
    phone = command(server, f"app-password add {login[0]} phone")
    with (
        Open(server, login) as by_its_own,
        Open(server, (login[0], phone)) as by_phone,
        Open(server, ALICE) as another_s,
    ):
        command(server, f"app-password add {login[0]} laptop")
        assert [by_its_own.answer(), by_phone.answer()] == [ALL, ALL]
        done = server.attempt("signpost", *line.format(login[0]).split())
        assert f"info: {login[0]}: 8 open sessions ended: " in done.stderr.decode()
        assert [by_its_own.answer(), by_phone.answer()] == [[], []]
        assert another_s.answer() == ALL
    if "revoke" in line:
        with Open(server, login) as again:
            assert again.answer() == ALL


def test_no_mail_is_lost_when_sessions_end(world: World, server: Signpost) -> None:
    login = added(server)
    enough = threading.Event()
    stored: list[str] = []
    cut = 0

    def store() -> None:
        nonlocal cut
        while not enough.is_set():
            session = imaplib.IMAP4_SSL(server.v4, 993, ssl_context=any_certificate(), timeout=10)
            try:
                session.login(*login)
                while not enough.is_set():
                    token = fresh("stored")
                    message = letter(login[0], to=login[0], token=token) + b"x" * 100_000
                    if session.append("INBOX", "", "", message)[0] == "OK":  # type: ignore[arg-type]
                        stored.append(token)
            except (OSError, imaplib.IMAP4.error):
                cut += 1
            finally:
                session.shutdown()

    storing = threading.Thread(target=store)
    storing.start()
    sent = []
    try:
        for _ in range(6):
            command(server, f"app-password add {login[0]} other")
            token = fresh("sent")
            message = letter(to=login[0], token=token)
            world.swaks(server.v4, to=login[0], message=message).accepted()
            sent.append(token)
            command(server, f"app-password revoke {login[0]} other")
    finally:
        enough.set()
        storing.join()
    assert cut >= 6
    assert len(stored) > 6
    with mailbox(server.v4, login) as mine:
        for token in (*sent, *stored):
            assert len(mine.find(token)) == 1 if token in stored else mine.wait_for(token)


def test_an_alias_leads_somewhere_at_once_and_no_longer(world: World, server: Signpost) -> None:
    alias = f"{fresh('team')}@example.org"
    assert recipient(world, server, alias) == 550
    command(server, f"alias add {alias} {ALICE[0]}")
    assert arrives(world, server, alias, ALICE[0])
    # Who stands behind an alias may write as it.
    done = server.submit(
        world.swaks, ALICE, to=ALICE[0], sender=alias, message=letter(alias, to=ALICE[0])
    )
    done.accepted()
    command(server, f"alias remove {alias}")
    assert recipient(world, server, alias) == 550


def test_a_removed_account_is_gone_and_its_mail_is_not(world: World, server: Signpost) -> None:
    address, password = added(server)
    assert arrives(world, server, address, address)
    command(server, f"junk train {address} spam -", "Subject: junk\n\nBuy this.\n")
    command(server, f"account remove {address}")
    assert recipient(world, server, address) == 550
    assert login(world, server, address, password) == 535
    assert server.read_mail(address)
    local = address.partition("@")[0]
    # What its junk filter has learned goes with the mail.
    assert "wordlist.db" in server.files("ls", f"/data/mail/example.org/{local}/junk")
    command(server, f"account add {address}", "another secret")
    assert login(world, server, address, password) == 535
    command(server, f"account remove {address} --delete-mail --yes")
    assert not server.read_mail(address)
    assert local not in server.files("ls", "/data/mail/example.org")


@pytest.mark.parametrize("imap", ["yes", "no"])
def test_mail_that_waits_for_an_account_bounces_once_that_is_removed(
    world: World, image: None, imap: str
) -> None:
    environment = {
        "DOMAINS": "example.org",
        "ACCOUNTS": ":".join(ALICE),
        "ENABLE_IMAP": imap,
        "DEFAULT_QUOTA": "1G",
    }
    with world.signpost(environment, place=122) as server:
        odd = "warning{}: DEFAULT_QUOTA: a quota has no effect with ENABLE_IMAP=no; "
        assert (odd.format(" signpost") in server.logs()) == (imap == "no")
        checked = server.attempt("signpost", "check").stderr.decode()
        assert (odd.format("") in checked) == (imap == "no")
        folder = "/data/mail/example.org"
        gone, stays = (f"{name}@example.org" for name in ("Gone", "stays"))
        tokens = {address: fresh("waits") for address in (gone, stays)}
        for address, token in tokens.items():
            command(server, f"account add {address} --generate")
            # In the place of its folder, so that nothing can be delivered for now.
            block = f"{folder}/{address.lower().partition('@')[0]}"
            server.exec("sh", "-c", f"mkdir -p {folder} && touch {block}", user="vmail")
            to = address.replace("@", "+x@")
            message = letter(ALICE[0], to=to, token=token)
            server.submit(world.swaks, ALICE, to=to, message=message).accepted()
            server.wait_for_log(rf"(?i)mda delivery .* to=<{re.escape(to)}> .*result=TempFail")
        command(server, f"account remove {gone}")
        server.exec("sh", "-c", f"rm {folder}/gone {folder}/stays", user="vmail")
        command(server, "queue flush")
        bounce = server.wait_for_mail(ALICE[0], tokens[gone])
        assert b"<gone@example.org>: there is no such account any more" in bounce
        assert re.search(rb"(?i)Final-Recipient: rfc822; ?gone", bounce)
        assert re.search(rb"(?m)^Status: 5\.", bounce)
        assert server.wait_for_mail("stays@example.org", tokens[stays])
        wait_until(lambda: not server.exec("smtpctl", "show", "queue").strip(), "an empty queue")
        assert not [mail for mail in server.read_mail(ALICE[0]) if tokens[stays].encode() in mail]
        # Nothing is stored for whoever is gone.
        assert server.exec("ls", folder, user="vmail").split() == ["alice", "stays"]


def test_the_environment_s_accounts_stay(world: World, server: Signpost) -> None:
    for line in ("remove", "remove --delete-mail --yes", "passwd", "quota 1G"):
        verb, *rest = line.split()
        words = " ".join(["account", verb, ALICE[0], *rest])
        assert "ACCOUNTS has this address, and wins" in refusal(server, words)
    assert login(world, server, *ALICE) == 235


def test_mail_flows_while_accounts_change(world: World, server: Signpost) -> None:
    enough = threading.Event()
    sent: list[str] = []
    refused: list[str] = []

    def send() -> None:
        while not enough.is_set():
            token = fresh("flow")
            message = letter(ALICE[0], to=ALICE[0], token=token)
            done = server.submit(world.swaks, ALICE, to=ALICE[0], message=message)
            if done.exit_code == 0:
                sent.append(token)
            else:
                refused.append(done.transcript)

    senders = [threading.Thread(target=send) for _ in range(2)]
    for sender in senders:
        sender.start()
    try:
        for _ in range(6):
            address, _ = added(server)
            alias = f"{fresh('flow')}@example.org"
            command(server, f"alias add {alias} {address}")
            command(server, f"app-password add {ALICE[0]} {alias[:30]}")
            command(server, f"alias remove {alias}")
            command(server, f"account remove {address}")
    finally:
        enough.set()
        for sender in senders:
            sender.join()
    assert not refused, refused[0]
    assert len(sent) > 5
    for token in sent:
        server.wait_for_mail(ALICE[0], token)
    assert not re.search(r"result=(Temp|Perm)Fail", server.logs())


def test_a_file_that_changes_is_read_without_a_restart(
    world: World, server: Signpost, files: Path
) -> None:
    (files / "domains").write_text("example.org\nexample.net\n")
    server.wait_for_log(r"domain example.net added; publish its records: signpost dns example.net$")
    assert server.dkim_records("example.net")
    command(server, "account add zoe@example.net", "zoe's secret")
    assert login(world, server, "zoe@example.net", "zoe's secret") == 235
    assert arrives(world, server, "zoe@example.net", "zoe@example.net")
    message = letter("zoe@example.net", to=ALICE[0], token=fresh("zoe"))
    server.submit(
        world.swaks, ("zoe@example.net", "zoe's secret"), to="zoe@far.test", message=message
    ).accepted()
    assert b"d=example.net" in world.outside.wait_for_mail("zoe@far.test", timeout=30).message
    # A mistake is told, and what was live stays.
    (files / "domains").write_text("example.org\nexa_mple.net\n")
    server.wait_for_log(
        r"error maintenance: the change is not live: DOMAINS_FILE: not a domain name"
    )
    assert recipient(world, server, "zoe@example.net") == 250
    # Whoever lives in a domain that is no longer ours is passed over, and comes back with it.
    (files / "domains").write_text("example.org\n")
    server.wait_for_log(
        r"warning maintenance: .*accounts.json: passed over: zoe@example.net: an account"
    )
    assert recipient(world, server, "zoe@example.net") == 550
    assert login(world, server, "zoe@example.net", "zoe's secret") == 535
    (files / "domains").write_text("example.org\nexample.net\n")
    wait_until(lambda: recipient(world, server, "zoe@example.net") == 250, "zoe's return")


def test_the_last_use_of_an_app_password_is_listed(
    world: World, server: Signpost, phones: dict[str, str]
) -> None:
    """It is written once a minute, which the tests between have taken."""

    def used() -> bool:
        rows = [
            row
            for who in phones
            for row in json.loads(command(server, f"app-password list {who} --json"))
            if row["name"] == "phone"
        ]
        assert len(rows) == 2
        return all(row["last_used"] for row in rows)

    wait_until(used, "the last use", 90)
    for who, phone in phones.items():
        command(server, f"app-password revoke {who} phone")
        assert login(world, server, who, phone) == 535


def test_everything_outlasts_a_restart(world: World, server: Signpost) -> None:
    address, password = added(server)
    phone = command(server, f"app-password add {ALICE[0]} {fresh('phone')}")
    alias = f"{fresh('kept')}@example.org"
    command(server, f"alias add {alias} {address}")

    def all_there() -> None:
        assert login(world, server, address, password) == 235
        assert login(world, server, ALICE[0], phone) == 235
        assert login(world, server, *ALICE) == 235
        assert arrives(world, server, alias, address)

    server.restart()
    all_there()
    server.start()  # another container with the same volumes
    all_there()


def test_whoever_checks_logins_is_watched_and_started_again(world: World, server: Signpost) -> None:
    def signal(name: str) -> None:
        server.processes("sh", "-c", f"pkill -{name} -f '^python .*until_eof filters.logins'")

    signal("STOP")
    sick = server.attempt("signpost", "health")
    signal("CONT")
    assert sick.returncode == 1
    assert b"logins cannot be checked" in sick.stdout
    signal("KILL")
    wait_until(lambda: login(world, server, *ALICE) == 235, "a login")
    assert server.attempt("signpost", "health").returncode == 0


def test_no_password_is_in_clear_in_any_file_or_log(world: World, server: Signpost) -> None:
    address, password = added(server)
    phone = command(server, f"app-password add {ALICE[0]} {fresh('phone')}")
    assert login(world, server, address, password) == 235
    assert login(world, server, ALICE[0], phone) == 235
    folders = ("/data", "/etc", "/run", "/tmp", "/var", "/opt")
    for secret in (ALICE[1], password, phone, "zoe's secret"):
        found = server.attempt("grep", "-rlF", "--devices=skip", secret, *folders)
        assert found.returncode == 1, (found.stdout, found.stderr)
        assert secret not in server.logs()
    status = server.files("stat", "-c", "%a %U", "/data/accounts/accounts.json")
    assert status.split() == ["600", "root"]


def test_accounts_of_a_file_change_with_it(world: World, image: None, tmp_path: Path) -> None:
    accounts, aliases = tmp_path / "accounts", tmp_path / "aliases"
    accounts.write_text(":".join(FILED) + "\n")
    aliases.write_text("info@example.org: filed@example.org\n")
    environment = {
        "DOMAINS": "example.org",
        "ACCOUNTS_FILE": "/mnt/accounts",
        "ALIASES_FILE": "/mnt/aliases",
    }
    mounts = {"/mnt/accounts": accounts, "/mnt/aliases": aliases}
    with world.signpost(environment, place=121, mounts=mounts) as server:
        assert login(world, server, *FILED) == 235
        before = server.exec("cat", "/run/signpost/logins.json")
        accounts.write_text(":".join(FILED) + "\nnext@example.org:next-has-a-secret\n")
        aliases.write_text("info@example.org: next@example.org\n")
        wait_until(
            lambda: login(world, server, "next@example.org", "next-has-a-secret") == 235, "the next"
        )
        assert login(world, server, *FILED) == 235
        (hashed,) = re.findall(r'"hash": "(.*)"', before)
        assert hashed in server.exec("cat", "/run/signpost/logins.json")
        # Passwords are live before smtpd's tables.
        server.wait_for_log(r"alias info@example\.org changed: next@example\.org")
        assert arrives(world, server, "info@example.org", "next@example.org")
        following = Open.imap_session(server, ("next@example.org", "next-has-a-secret"))
        first = Open.imap_session(server, FILED)
        accounts.write_text("next@example.org:another-secret\n")
        for name, session in (("next@example.org", following), (FILED[0], first)):
            server.wait_for_log(rf"info maintenance: {name}: 1 open session ended: ")
            assert session.readline().startswith(b"* BYE ")
            session.shutdown()
        wait_until(lambda: login(world, server, *FILED) == 535, "the end of the first")
        assert login(world, server, "next@example.org", "another-secret") == 235
        assert recipient(world, server, FILED[0]) == 550
        logs = server.logs()
        assert len(re.findall(r"account next@example.org added$", logs, re.MULTILINE)) == 1
        for secret in (FILED[1], "next-has-a-secret", "another-secret"):
            assert secret not in logs


def test_a_broken_certificate_hinders_a_start_and_no_running_server(
    world: World, image: None, tmp_path: Path
) -> None:
    (tmp_path / "ca").mkdir()
    own, accounts = tmp_path / "own", tmp_path / "accounts"
    own.mkdir()
    later = datetime.now(UTC) + timedelta(days=90)
    pair = Authority.make(tmp_path / "ca").pair("mail.example.org", later)
    for name, content in zip(("cert.pem", "key.pem"), pair, strict=True):
        (own / name).write_bytes(content)
    accounts.write_text(":".join(FILED) + "\n")
    environment = {
        "DOMAINS": "example.org",
        "ACCOUNTS_FILE": "/mnt/accounts",
        "SSL_TYPE": "manual",
        "SSL_CERT_PATH": "/own/cert.pem",
        "SSL_KEY_PATH": "/own/key.pem",
    }
    mounts = {"/mnt/accounts": accounts, "/own": own}
    with world.signpost(environment, place=123, mounts=mounts) as server:
        (own / "cert.pem").write_text("broken")
        address, password = added(server)
        assert login(world, server, address, password) == 235
        accounts.write_text(":".join(FILED) + "\nnext@example.org:next-has-a-secret\n")
        server.wait_for_log(r"info maintenance: account next@example.org added$")
        for line in ("keys list", "dns", "account list", "alias list", "blocked list"):
            command(server, line)
        done = server.attempt("signpost", "check")
        assert done.returncode == 2
        assert b"error: SSL_CERT_PATH: no PEM certificate in this file" in done.stderr
        # A start tells all that is wrong at once.
        server.environment["MESSAGE_SIZE_LIMIT"] = "huge"
        server.launch()
        wait_until(lambda: not server.running(), "its end")
        assert server.exit_code() == 2
        assert re.search(r"error: MESSAGE_SIZE_LIMIT: .*\nerror: SSL_CERT_PATH: ", server.logs())


def test_an_alias_of_the_environment_leads_to_an_account_that_is_kept(
    world: World, image: None
) -> None:
    environment = {
        "DOMAINS": "example.org",
        "ACCOUNTS": ":".join(ALICE),
    }
    with world.signpost(environment, place=124) as server:
        command(server, "account add dave-x@example.org --generate")
        server.environment |= {
            "ALIASES": "info@example.org: dave-x@example.org\n",
            "POSTMASTER_ADDRESS": "dave-x@example.org",
        }
        server.start()
        for address in ("info@example.org", "postmaster@example.org"):
            assert arrives(world, server, address, "dave-x@example.org")
        assert "the configuration is good" in command(server, "check")
        said = refusal(server, "account remove dave-x@example.org")
        assert "info@example.org of ALIASES and POSTMASTER_ADDRESS point here" in said
        # What is kept no longer fits, and that ends no start.
        server.environment["RECIPIENT_DELIMITER"] = "-"
        server.start()
        server.wait_for_log(r"warning signpost: .*passed over: ALIASES: info@example.org: an alias")
        server.wait_for_log(r"warning signpost: .*passed over: POSTMASTER_ADDRESS: nobody takes")
        assert recipient(world, server, "info@example.org") == 550
        assert arrives(world, server, "postmaster@example.org", ALICE[0])
