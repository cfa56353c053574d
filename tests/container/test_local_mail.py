"""smtpd's control socket is for root and Sieve: nobody else in the container sends or controls.

All of it under no-new-privileges, with what works through that socket. What that option hides, the
image's own set-gid programs, is looked at in the image.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .harness.imap import any_certificate, mailbox
from .harness.managesieve import ManageSieve
from .harness.messages import letter
from .harness.shell import CommandError, fresh, run, wait_until
from .harness.signpost import IMAGE, Signpost
from .harness.world import World

ALICE = ("alice@example.org", "alice-secret")
DASH = ("-x@example.org", "dash-secret")
OPTION = ("-rf@example.org", "option-secret")

ENVIRONMENT = {
    "MAIL_HOSTNAME": "mail.example.org",
    "DOMAINS": "example.org, example.net",
    "ACCOUNTS": "\n".join(f"{address}:{secret}" for address, secret in (ALICE, DASH)),
    "ALIASES": "\n".join(
        [
            "-info@example.org: -x@example.org, -reader@far.test",
            "lost@example.org: nobody@far.test",
            "@example.net: -x@example.org",
        ]
    ),
    "ENABLE_AUTOCONFIG": "yes",
    "ARC_SEAL": "yes",
    # Another Signpost's keys are published, too.
    "DKIM_SELECTOR": "local",
}
READY = """
from entrypoint.config.ports import SMTP_PORTS
from entrypoint.probe.ready import is_ready
raise SystemExit(not is_ready(SMTP_PORTS))
"""
SOCKET = "/run/smtpd.sock"
OTHERS = ("web", "verifier", "signer", "logins", "extra", "nobody", "vmail", "opensmtpd", "dovecot")

# As a user with the groups that its processes have: what comes of an attempt to connect, and of a
# message whose type no smtpd knows.
ATTACK = """
import os, pwd, socket, struct, sys
user = pwd.getpwnam(sys.argv[1])
os.setgroups([]); os.setgid(user.pw_gid); os.setuid(user.pw_uid)
link = socket.socket(socket.AF_UNIX)
try:
    link.connect("/run/smtpd.sock")
    link.sendall(struct.pack("<IIII", 0xdead, 16, 0, 0))
    print("connected")
except PermissionError:
    print("refused")
"""
# Every mode and group that the socket has from an end of smtpd until it has settled again.
WATCH = """
import glob, os, signal, sys, time
PATH = "/run/smtpd.sock"
first = os.stat(PATH).st_ctime_ns
if sys.argv[1] == "request":
    from entrypoint.supervise.restarts import request
    request("smtpd")
else:
    texts = {}
    for path in glob.glob("/proc/[0-9]*/status"):
        folder = path.removesuffix("status")
        try:
            texts[open(folder + "cmdline").read()] = (folder.split("/")[2], open(path).read())
        except OSError:
            continue
    ((control, status),) = [texts[each] for each in texts if each.startswith("smtpd: control")]
    owner = int(status.split("Uid:")[1].split()[0])
    if not os.fork():
        os.setresuid(owner, owner, owner)  # root may not signal others
        os.kill(int(control), signal.SIGKILL)
        os._exit(0)
seen, settled, end = set(), 0, time.monotonic() + 30
while time.monotonic() < end and settled < 5000:
    try:
        found = os.stat(PATH)
    except FileNotFoundError:
        continue
    seen.add((oct(found.st_mode & 0o777), found.st_gid))
    settled += found.st_ctime_ns != first and found.st_gid != 0
for mode, group in seen:
    print(mode, group)
"""


# swaks takes an address that begins with a dash for an option. Standard input: the message.
SEND = """
import smtplib, ssl, sys
host, source, sender, to, user, password = sys.argv[1:]
message = sys.stdin.buffer.read()
if user:
    context = ssl._create_unverified_context()
    session = smtplib.SMTP_SSL(host, 465, context=context, timeout=30)
    session.login(user, password)
else:
    session = smtplib.SMTP(host, 25, source_address=(source, 0), timeout=30)
session.sendmail(sender, [to], message)
session.quit()
"""


# As each user, with the groups of its name alone: what it may read of what not everybody may.
READABLE = """
import json, os, pwd, stat, sys
hidden = {}
for top, depth in (
    ("/data", 4), ("/run/signpost", 4), ("/var/spool/smtpd", 5), ("/var/spool/smtpd/filters", 6)
):
    for folder, _, names in os.walk(top):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            mode = os.lstat(path).st_mode
            if not stat.S_ISLNK(mode) and not stat.S_ISSOCK(mode) and not mode & 0o004:
                hidden[path] = "/".join(path.split("/")[:depth])
for name in sys.argv[1:]:
    if os.fork() == 0:
        user = pwd.getpwnam(name)
        os.setgroups([]); os.setresgid(*[user.pw_gid] * 3); os.setresuid(*[user.pw_uid] * 3)
        mine = {named for path, named in hidden.items() if os.access(path, os.R_OK)}
        print(json.dumps([name, sorted(mine)]), flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    signpost = world.signpost(ENVIRONMENT, place=150)
    with signpost:
        world.publish_keys(signpost, "example.org")
        yield signpost


def signers(world: World, message: bytes) -> set[tuple[str, str]]:
    """The domain and the result of each signature."""
    return {(domain, result) for domain, _, _, result in world.verify(message)}


def send(world: World, server: Signpost, to: str, sender: str = "someone@outside.test") -> str:
    """Send a letter in from outside; its token."""
    token = fresh("letter")
    command = ("python3", "-c", SEND, server.v4, world.allowed[0], sender, to, "", "")
    world.exec_client(*command, stdin=letter(sender, to=to, token=token))
    return token


def submit(world: World, server: Signpost, login: tuple[str, str], to: str) -> str:
    """Hand a letter in, with a login; its token."""
    token = fresh("letter")
    command = ("python3", "-c", SEND, server.v4, "", login[0], to, *login)
    world.exec_client(*command, stdin=letter(login[0], to=to, token=token))
    return token


@contextmanager
def script(server: Signpost, login: tuple[str, str], text: str) -> Iterator[None]:
    """Inside, the account has this Sieve script."""
    with ManageSieve(server.v4) as session:
        session.start_tls(any_certificate()).login(*login).activate(text)
    try:
        yield
    finally:
        with ManageSieve(server.v4) as session:
            session.start_tls(any_certificate()).login(*login).say(b'SETACTIVE ""')


def ready(server: Signpost) -> bool:
    return server.attempt("python", "-c", READY).returncode == 0


def socket_mode(server: Signpost) -> str:
    return server.exec("stat", "--format", "%a %U %G", SOCKET).strip()


# -- who may not -------------------------------------------------------------------------------


def test_no_program_of_the_image_gives_anybody_anothers_rights(image: None) -> None:
    found = run(
        *("docker", "run", "--rm", "--network", "none", "--entrypoint", "find", IMAGE),
        *("/", "-xdev", "-type", "f", "-perm", "/6000"),
    )
    assert found.decode().split() == []


@pytest.mark.parametrize("user", OTHERS)
def test_others_reach_neither_the_socket_nor_smtpd(server: Signpost, user: str) -> None:
    assert server.exec("python3", "-c", ATTACK, user).split() == ["refused"]


def test_others_hand_in_no_mail(world: World, server: Signpost) -> None:
    reader = f"{fresh('reader')}@far.test"
    message = f"From: ceo@example.org\nTo: {reader}\n\nSend money.\n".encode()
    for user in OTHERS:
        for program in ("/usr/sbin/sendmail", "sendmail"):
            sent = server.attempt(
                program, "-f", "ceo@example.org", reader, stdin=message, user=user
            )
            assert sent.returncode, (user, program, sent)
    assert server.exec("signpost", "queue", "list").strip() == "the queue is empty"
    assert not world.outside.received(reader)


def test_each_reads_its_own_secrets_and_nobody_elses(server: Signpost) -> None:
    """The table of docs/security.md; what the world may read is no secret."""
    users = (*OTHERS, "opensmtpq", "dovenull")
    lines = server.exec("python3", "-c", READABLE, *users).splitlines()
    assert dict(map(json.loads, lines)) == {
        "web": ["/run/signpost/web"],
        "verifier": [
            *("/data/arc/mail.example.org", "/run/signpost/marks", "/run/signpost/srs-secret"),
            "/var/spool/smtpd/filters/verifier",
        ],
        "signer": [
            *("/data/dkim/example.net", "/data/dkim/example.org"),
            *("/run/signpost/dkim-keys", "/run/signpost/guard", "/run/signpost/marks"),
            "/var/spool/smtpd/filters/signer",
        ],
        "logins": [
            *("/data/accounts/logins", "/run/signpost/guard", "/run/signpost/logins"),
            *("/run/signpost/logins.json", "/run/signpost/probe-login-digest.json"),
            "/var/spool/smtpd/filters/logins",
        ],
        "extra": [],
        "nobody": [],
        "vmail": ["/data/mail", "/run/signpost/marks", "/run/signpost/probe-home"],
        "opensmtpd": ["/run/signpost/tables"],
        "dovecot": ["/run/signpost/dovecot"],
        "opensmtpq": [
            f"/var/spool/smtpd/{name}"
            for name in ("incoming", "offline", "purge", "queue", "temporary")
        ],
        "dovenull": [],
    }


@pytest.mark.parametrize("end", ["request", "control process"])
def test_a_new_smtpds_socket_is_never_everybodys(server: Signpost, end: str) -> None:
    """Whoever may control smtpd may end it, too."""
    before = server.logs().count("portable starting")
    group = server.exec("getent", "group", "opensmtpq").split(":")[2]
    seen = set(server.exec("python", "-c", WATCH, end).splitlines())
    assert f"0o660 {group}" in seen
    assert seen <= {"0o600 0", f"0o600 {group}", "0o660 0", f"0o660 {group}"}
    wait_until(lambda: server.logs().count("portable starting") > before, "smtpd's start", 30)
    wait_until(lambda: ready(server), "smtpd's greeting", 30)
    assert socket_mode(server) == "660 root opensmtpq"


# -- what is not signed ------------------------------------------------------------------------


@pytest.mark.parametrize("sender", ["ceo@example.org", ""])
def test_what_root_hands_in_leaves_and_is_not_signed(
    world: World, server: Signpost, sender: str
) -> None:
    reader = f"{fresh('reader')}@far.test"
    message = f"From: ceo@example.org\nTo: {reader}\nSubject: x\n\nHello.\n".encode()
    server.exec("sendmail", "-f", sender, reader, stdin=message)
    received = world.outside.wait_for_mail(reader)
    assert (received.sender, signers(world, received.message)) == (sender, set())
    server.wait_for_log(r'not signed: local mail of no account, From: "example\.org"')


def test_a_bounce_is_signed(world: World, server: Signpost) -> None:
    sender = f"{fresh('writer')}@outside.test"
    send(world, server, "lost@example.org", sender)
    bounce = world.outside.wait_for_mail(sender)
    assert (bounce.sender, signers(world, bounce.message)) == ("", {("example.org", "pass")})


# -- what goes on working ----------------------------------------------------------------------


def test_without_smtpd_sendmail_says_that_nothing_was_sent(world: World, server: Signpost) -> None:
    """smtpd's own way is to send it later, and sendmail says with its status that it failed."""
    reader = f"{fresh('reader')}@far.test"
    server.exec("mv", SOCKET, f"{SOCKET}.away")
    try:
        sent = server.attempt("sendmail", "-f", "", reader, stdin=b"Subject: x\n\nHello.\n")
    finally:
        server.exec("mv", f"{SOCKET}.away", SOCKET)
    assert (sent.returncode, b"nothing was sent" in sent.stderr) == (75, True)
    assert server.exec("ls", "/var/spool/smtpd/offline").strip()
    server.exec("python", "-c", WATCH, "request")
    wait_until(lambda: ready(server), "smtpd's greeting", 30)
    assert server.exec("ls", "/var/spool/smtpd/offline").strip() == ""
    assert not world.outside.received(reader)


def test_all_that_needs_the_socket_works(world: World, server: Signpost) -> None:
    """smtpd has been started several times by now."""
    assert server.attempt("signpost", "health").returncode == 0
    assert server.exec("signpost", "queue", "list").strip() == "the queue is empty"
    assert "MDA running" in server.exec("smtpctl", "show", "status")
    findings = json.loads(server.attempt("signpost", "doctor", "--json").stdout)
    assert [found["status"] for found in findings if found["check"] == "queue"] == ["ok"]
    # smtpctl update table: the new account's mail is taken at once.
    address = f"{fresh('new')}@example.org"
    password = server.exec("signpost", "account", "add", address, "--generate").strip()
    with mailbox(server.v4, (address, password)) as box:
        box.wait_for(send(world, server, address))
    asker, reader = f"{fresh('asker')}@outside.test", f"{fresh('reader')}@far.test"
    text = f'require "vacation"; vacation "In the hills."; redirect "{reader}"; keep;'
    with script(server, ALICE, text):
        token = send(world, server, ALICE[0], asker)
        answer = world.outside.wait_for_mail(asker)
        assert signers(world, answer.message) == {("example.org", "pass")}
        world.outside.wait_for_mail(reader, token)


# -- a local part that begins with `-` ---------------------------------------------------------


@pytest.mark.parametrize(
    "to",
    [
        *("-x@example.org", "-X@Example.ORG", "-x+tag@example.org", "-x+-@example.org"),
        *("--@example.net", "-f@example.net", "-any+-tag@example.net", "-info@example.org"),
    ],
)
def test_an_account_with_a_dash_in_front_has_its_mail(
    world: World, server: Signpost, to: str
) -> None:
    with mailbox(server.v4, DASH) as box:
        box.wait_for(send(world, server, to))


def test_it_sends_and_has_its_bounces(world: World, server: Signpost) -> None:
    reader = f"-{fresh('reader')}@far.test"
    token = submit(world, server, DASH, reader)
    received = world.outside.wait_for_mail(reader, token)
    assert received.sender == DASH[0]
    assert signers(world, received.message) == {("example.org", "pass")}
    token = submit(world, server, DASH, "nobody@far.test")
    assert b"From: Mailer Daemon" in server.wait_for_mail(DASH[0], token)


def test_an_alias_leads_to_such_addresses(world: World, server: Signpost) -> None:
    token = send(world, server, "-info@example.org", "-s@outside.test")
    world.outside.wait_for_mail("-reader@far.test", token)


def test_its_scripts_answer_redirect_and_keep_what_is_refused(
    world: World, server: Signpost
) -> None:
    asker, reader = f"-{fresh('asker')}@outside.test", f"-{fresh('reader')}@far.test"
    text = (
        'require ["vacation", "fileinto", "mailbox"]; vacation "In the hills."; '
        f'redirect "{reader}"; redirect "-nobody@example.org"; fileinto :create "-Filed";'
    )
    with script(server, DASH, text), mailbox(server.v4, DASH) as box:
        token = send(world, server, DASH[0], asker)
        answer = world.outside.wait_for_mail(asker)
        assert signers(world, answer.message) == {("example.org", "pass")}
        assert world.outside.wait_for_mail(reader, token).sender == DASH[0]
        # With what could not be redirected: a message is stored once.
        box.wait_for(token, "-Filed")
        assert box.find(token) == []


def test_commands_take_it(world: World, server: Signpost) -> None:
    address, password = OPTION

    def say(*words: str, stdin: str = "") -> str:
        return server.exec("signpost", *words, stdin=stdin.encode())

    say("account", "add", "--quota", "1M", "--", address, stdin=f"{password}\n")
    phone = say("app-password", "add", "--", address, "-phone").split()[-1]
    say("alias", "add", "--", "-alias@example.org", address)
    with mailbox(server.v4, (address, phone)) as box:
        box.wait_for(send(world, server, "-alias@example.org"))
        assert b"1024" in box.session.getquotaroot("INBOX")[1][1][0]
    say("account", "quota", "--", address, "2M")
    say("account", "passwd", "--", address, stdin="another-secret\n")
    with mailbox(server.v4, (address, "another-secret")) as box:
        assert b"2048" in box.session.getquotaroot("INBOX")[1][1][0]
    say("app-password", "revoke", "--", address, "-phone")
    say("alias", "remove", "--", "-alias@example.org")
    say("account", "remove", "--delete-mail", "--yes", "--", address)
    with pytest.raises(CommandError, match=r"550, b.5\.1\.1 <-rf@example\.org>: no such user"):
        send(world, server, address)


def test_it_has_its_mail_without_dovecot(world: World, server: Signpost) -> None:
    server.environment |= {"ENABLE_IMAP": "no", "ENABLE_AUTOCONFIG": "no"}
    server.start()
    for to in ("-x@example.org", "-X+-tag@example.org", "-f@example.net"):
        server.wait_for_mail(DASH[0], send(world, server, to))
    assert server.attempt("signpost", "health").returncode == 0
    assert socket_mode(server) == "660 root opensmtpq"
