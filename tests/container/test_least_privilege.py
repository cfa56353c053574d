"""What the server and its parts may do: no more than they need."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from entrypoint.config.variables import VARIABLES

from .harness.deprived import CAPABILITIES, SERVICE, Deprived
from .harness.messages import letter
from .harness.shell import fresh, run
from .harness.signpost import Signpost
from .harness.world import World

ALICE = ("alice@example.org", "alice-has-a-secret")
# A value for each variable that the log never shows, and what of it is the secret.
SECRETS = {
    "ACCOUNTS": (":".join(ALICE), ALICE[1]),
    "RELAY_PASSWORD": ("relay-has-a-secret", "relay-has-a-secret"),
    "SRS_SECRET": ("srs-has-a-secret-of-some-length", "srs-has-a-secret"),
    # Files of secrets, not secrets; that they are named nowhere is asked for all the same.
    "DKIM_KEYS": ("example.org:own:/keys/own.pem", "/keys/own.pem"),
}
FILTER = ("/etc/marking.py", Path(__file__).parent / "filters/marking.py")
OTHERS = {
    "DOMAINS": "example.org",
    "DKIM_KEY_TYPES": "rsa",
    "RELAY_HOST": "relay.far.test",
    "RELAY_USER": "somebody",
    "ARC_SEAL": "yes",
    "ENABLE_AUTOCONFIG": "yes",
    "ENABLE_POP3": "yes",
    "DOCTOR_EVERY": "1h",
    "TRACE_DAYS": "1",
    "METRICS_PORT": "9154",
    "JUNK_FILTER": "yes",
    "EXTRA_FILTERS_INBOUND": f"/opt/signpost/bin/python {FILTER[0]}",
}
# Linux's numbers (capabilities(7)) of those in compose.yaml.
NUMBERS = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "SETGID": 6, "SETUID": 7, "SYS_CHROOT": 18}


@pytest.fixture(scope="module")
def server(
    world: World, image: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Signpost]:
    """With every secret there is, and every part."""
    own = tmp_path_factory.mktemp("keys") / "own.pem"
    key = rsa.generate_private_key(65537, 2048)
    own.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    environment = OTHERS | {name: value for name, (value, _) in SECRETS.items()}
    environment["DNS_SERVERS"] = world.address(53)[0]
    mounts: dict[str, Path] = {"/keys/own.pem": own, FILTER[0]: FILTER[1]}
    # The engine's name server finds nobody who answers.
    dns = world.client[0]
    with world.signpost(environment, place=141, mounts=mounts, dns=dns) as signpost:
        token = fresh("least")
        message = letter(ALICE[0], token=token)
        signpost.submit(world.swaks, ALICE, to=ALICE[0], message=message).accepted()
        signpost.wait_for_mail(ALICE[0], token)
        yield signpost


class TestSecrets:
    def test_each_variable_that_holds_one_is_tried(self) -> None:
        secret = {name for each in VARIABLES.values() if each.secret for name in each.names}
        assert secret == set(SECRETS)

    def test_no_process_has_one_in_its_environment_or_command_line(self, server: Signpost) -> None:
        said = server.processes("sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline")
        shown = server.processes("ps", "-eo", "args").decode()
        for part in ("entrypoint.supervise", "filters.inbound", FILTER[0], "filters.logins"):
            assert part in shown  # they are looked at
        for name, (_, secret) in SECRETS.items():
            assert secret.encode() not in said, name
            assert f"{name}=".encode() not in said

    def test_nor_has_the_log_where_a_login_is_refused_unseen(self, server: Signpost) -> None:
        server.exec("/opt/signpost/bin/python", "-c", REFUSED_LOGINS, ALICE[1])
        done = r'smtp failed-command result="500 [^"]*unrecognized" command="\(\.\.\.\)"'
        server.wait_for_log(done)
        assert ALICE[1] not in server.logs()
        for secret in (f"\0{ALICE[0]}\0{ALICE[1]}", ALICE[1]):
            assert b64encode(secret.encode()).decode() not in server.logs()


# On 25, and before STARTTLS; LOGIN by a client that takes no notice of answers.
REFUSED_LOGINS = """
import base64, smtplib, sys
word = lambda text: base64.b64encode(text.encode()).decode()
for port in (25, 587):
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as smtp:
        smtp.ehlo()
        plain = word(f"\\0alice@example.org\\0{sys.argv[1]}")
        name, secret = word("alice@example.org"), word(sys.argv[1])
        for line in (f"AUTH PLAIN {plain}", "AUTH LOGIN", name, secret):
            print(smtp.docmd(line))
"""
READS = """
for path; do
    if [ -d "$path" ]; then ls "$path/" >/dev/null 2>&1; else head -c1 "$path" >/dev/null 2>&1; fi
    [ $? = 0 ] && echo "$path"
done; true
"""
PRIVATE = {
    "DKIM keys": "/data/dkim/example.org",
    "ARC key": "/data/arc/mail.example.org",
    "mail": "/data/mail/example.org/alice/Maildir",
    "certificate's key": "/run/signpost/tls/key.pem",
    "passwords": "/run/signpost/logins.json",
    "right passwords": "/var/spool/smtpd/filters/logins/right-passwords.json",
    "relay password": "/run/signpost/tables/relaysecrets",
    "SRS secret": "/run/signpost/srs-secret",
    "queue": "/var/spool/smtpd/queue",
    "everything": "/run/signpost/environment.json",
    "journal": "/data/journal",
    "stored secrets": "/data/secrets",
    "smtpd.conf": "/run/signpost/smtpd.conf",
}
MAY_READ: dict[str, set[str]] = {
    "signer": {"DKIM keys"},
    "verifier": {"ARC key", "SRS secret"},
    "logins": {"passwords", "right passwords"},
    "vmail": {"mail"},
    "opensmtpd": {"relay password"},
    "opensmtpq": {"queue"},
    "dovecot": set(),
    "dovenull": set(),
    "web": set(),
    "extra": set(),
    "target": set(),
    "metrics": set(),
}
# Each USER[:GROUP]: the sockets that it can connect to; whose processes it can look into, and so
# has their memory, too (ptrace(2) asks the same).
WALK = """
import grp, json, os, pathlib, pwd, socket, stat, sys

def reached(path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_UNIX, kind) as end:
            error = end.connect_ex(path)
        if error == 91:  # EPROTOTYPE
            continue
        return error in (0, 111)  # ECONNREFUSED: nobody listens now
    return False

sockets, files = [], []
for top in ("/run", "/data", "/var", "/tmp", "/dev", "/etc", "/opt", "/usr"):
    for folder, _, names in os.walk(top):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            mode = os.lstat(path).st_mode
            if stat.S_ISSOCK(mode):
                sockets.append(path)
            elif stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISFIFO(mode):
                files.append(path)
numbers = [each for each in os.listdir("/proc") if each.isdigit()]
owners = {each: pwd.getpwuid(os.stat(f"/proc/{each}").st_uid).pw_name for each in numbers}
private = json.loads(sys.argv[1])
for user in sys.argv[2:]:
    if os.fork():
        os.wait()
        continue
    name, *added = user.replace(",", ":").split(":")
    entry = pwd.getpwnam(name)
    groups = [each.gr_gid for each in grp.getgrall() if name in each.gr_mem]
    os.setgroups(groups + [grp.getgrnam(each).gr_gid for each in added])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    seen = set()
    for number in numbers:
        try:
            pathlib.Path(f"/proc/{number}/environ").read_bytes()
            seen.add(pwd.getpwuid(os.stat(f"/proc/{number}").st_uid).pw_name)
        except OSError:
            pass
    found = [path.replace("/run/dovecot/", "") for path in sockets if reached(path)]
    writable = {path for path in files if os.access(path, os.W_OK)}
    # Whole trees.
    tops = [path for path in writable if os.path.dirname(path) not in writable]
    said = {"user": user, "sockets": found, "processes": sorted(seen), "writable": tops}
    said["reads"] = [name for name, path in private.items() if os.access(path, os.R_OK)]
    print(json.dumps(said), flush=True)
    os._exit(0)
"""
# The processes of those users that have further groups, with an IMAP session of alice's.
GROUPS = """
import grp, imaplib, json, pathlib, pwd, ssl, sys

box = imaplib.IMAP4_SSL("127.0.0.1", 993, ssl_context=ssl._create_unverified_context(), timeout=30)
box.login(*sys.argv[1:])
box.select()
found = {}
for status in pathlib.Path("/proc").glob("[0-9]*/status"):
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    user = pwd.getpwuid(int(lines["Uid"].split()[0])).pw_name
    numbers = lines["Gid"].split() + lines["Groups"].split()
    groups = {grp.getgrgid(int(each)).gr_name for each in numbers}
    if user != "root" and groups != {user}:
        found[f"{user}:" + ",".join(sorted(groups - {user}))] = lines["Name"].strip()
print(json.dumps(found))
"""
MORE_GROUPS = {"vmail:dovecot", "vmail:dovecot,opensmtpq", "dovecot:login-checks"}
_GROUP_DOVECOT = {"dict", "dict-async", "imap-hibernate", "stats-writer"}
_WRITTEN_TO = "/run/signpost/junk/written-to"
_VMAIL = {"anvil", "auth-userdb", "dns-client", "indexer", "lmtp"}
_VMAIL |= {"/run/signpost/junk/verdict", _WRITTEN_TO}
_DOVECOT = _GROUP_DOVECOT | {
    *("auth-client", "auth-login", "auth-worker", "imap-urlauth-worker", "indexer-worker"),
}
MAY_CONNECT: dict[str, set[str]] = {
    "signer": {"quota-status-submission", "/run/signpost/guard/socket", _WRITTEN_TO},
    "verifier": {"quota-status-inbound"},
    "logins": {"/run/signpost/logins/socket", "/run/signpost/guard/socket"},
    "vmail": _VMAIL,
    "vmail:dovecot": _VMAIL | _GROUP_DOVECOT,
    "vmail:dovecot,opensmtpq": _VMAIL | _GROUP_DOVECOT | {"/run/smtpd.sock"},
    "opensmtpd": set(),
    "opensmtpq": {"/run/smtpd.sock"},
    "dovecot": _DOVECOT,
    "dovecot:login-checks": _DOVECOT | {"/run/signpost/logins/socket"},
    "dovenull": {
        *("login/dns-client", "login/imap", "login/login", "login/pop3", "login/sieve"),
        *("login/stats-writer", "token-login/imap-urlauth", "token-login/tokenlogin"),
    },
    "web": set(),
    "extra": set(),
    "target": set(),
    "metrics": set(),
}
_SPOOL = "/var/spool/smtpd"
# Besides /tmp, and what is everybody's in a Debian.
MAY_WRITE: dict[str, set[str]] = {
    "signer": {
        *("/data/dkim/example.org", "/run/signpost/dkim/example.org"),
        *("/run/signpost/metrics/signer", f"{_SPOOL}/filters/signer"),
    },
    "verifier": {
        *("/data/arc/mail.example.org", "/run/signpost/metrics/verifier"),
        f"{_SPOOL}/filters/verifier",
    },
    "logins": {
        *("/data/accounts/logins", "/run/signpost/guard", "/run/signpost/logins"),
        f"{_SPOOL}/filters/logins",
    },
    "vmail": {"/data/mail", "/run/signpost/junk", "/run/signpost/probe-home"},
    "opensmtpq": {
        f"{_SPOOL}/{name}" for name in ("incoming", "offline", "purge", "queue", "temporary")
    },
}
_EVERYBODYS = {"/tmp", "/var/tmp", "/run/lock", "/dev/mqueue", "/dev/shm"}
Reach = dict[str, dict[str, set[str]]]


@pytest.fixture(scope="module")
def reach(server: Signpost) -> Reach:
    """What each user finds open, without and with the further groups of some processes."""
    users = [*MAY_READ, *MORE_GROUPS, "root"]
    private = json.dumps(PRIVATE)
    printed = server.exec("/opt/signpost/bin/python", "-c", WALK, private, *users)
    found = {}
    for line in printed.splitlines():
        about = json.loads(line)
        found[about.pop("user")] = {key: set(value) for key, value in about.items()}
    return found


class TestUsers:
    @pytest.mark.parametrize("user", MAY_READ)
    def test_each_reads_what_its_part_needs(self, server: Signpost, user: str) -> None:
        printed = server.exec("sh", "-c", READS, "reads", *PRIVATE.values(), user=user)
        found = {name for name, path in PRIVATE.items() if path in printed.splitlines()}
        assert found == MAY_READ[user]

    @pytest.mark.parametrize("user", [*MAY_READ, *sorted(MORE_GROUPS)])
    def test_each_reaches_the_sockets_of_its_part(self, reach: Reach, user: str) -> None:
        assert reach[user]["sockets"] == MAY_CONNECT[user]

    @pytest.mark.parametrize("user", MAY_READ)
    def test_each_writes_to_the_state_of_its_part(self, reach: Reach, user: str) -> None:
        assert reach[user]["writable"] - _EVERYBODYS == MAY_WRITE.get(user, set())

    @pytest.mark.parametrize("user", MAY_READ)
    def test_none_looks_into_a_process_of_another(self, reach: Reach, user: str) -> None:
        assert reach[user]["processes"] <= {user}

    def test_no_socket_is_left_out(self, reach: Reach) -> None:
        found = reach["root"]["sockets"]
        assert len(found) > 25
        # Those that nobody but root may ask.
        assert {"/run/signpost/maintenance.socket", "master"} <= found
        for user, sockets in MAY_CONNECT.items():
            assert sockets <= found, user

    def test_no_process_has_other_groups(self, server: Signpost) -> None:
        found = json.loads(server.exec("/opt/signpost/bin/python", "-c", GROUPS, *ALICE))
        assert set(found) == MORE_GROUPS, found

    @pytest.mark.parametrize("user", sorted(MORE_GROUPS))
    def test_who_has_more_groups_reads_and_writes_no_more(self, reach: Reach, user: str) -> None:
        name = user.partition(":")[0]
        assert reach[user]["reads"] == MAY_READ[name]
        more = {f"{_SPOOL}/offline"} if "opensmtpq" in user else set()
        assert reach[user]["writable"] - _EVERYBODYS == MAY_WRITE.get(name, set()) | more

    def test_no_user_is_left_out(self, server: Signpost) -> None:
        """Those of Debian's packages and ours have numbers of their own, from 100 on."""
        entries = [line.split(":") for line in server.exec("cat", "/etc/passwd").splitlines()]
        users = {name for name, _, number, *_ in entries if 100 <= int(number) < 60_000}
        assert users == set(MAY_READ)

    def test_all_of_it_is_there(self, server: Signpost) -> None:
        printed = server.files("sh", "-c", READS, "reads", *PRIVATE.values()).splitlines()
        printed += server.exec("sh", "-c", READS, "reads", *PRIVATE.values()).splitlines()
        assert set(PRIVATE.values()) == set(printed)

    def test_no_process_has_more_than_its_user(self, server: Signpost) -> None:
        most = sum(1 << NUMBERS[name] for name in CAPABILITIES)
        # Some have ended when they are looked at.
        looks = "grep -HE '^(Name|Uid|Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs):' /proc/[0-9]*/status; true"
        own = set(server.exec("sh", "-c", "echo /proc/[0-9]*").split())
        processes: dict[str, dict[str, str]] = {}
        for line in server.processes("sh", "-c", looks).decode().splitlines():
            path, name, value = line.split(":", 2)
            processes.setdefault(path, {})[name] = value.split()[0]
        seen = [each for path, each in processes.items() if path.rpartition("/")[0] in own]
        assert len(seen) > 20
        for each in seen:
            if each["Name"] in {"grep", "sh"}:  # who looks
                continue
            assert int(each["CapBnd"], 16) | most == most, each
            assert each["NoNewPrivs"] == "1", each
            if each["Uid"] != "0":
                assert int(each["CapEff"], 16) == int(each["CapPrm"], 16) == 0, each


WITH_CAPABILITIES = """
import os
for folder, _, names in os.walk("/usr"):
    for path in (f"{folder}/{name}" for name in names):
        if not os.path.islink(path) and "security.capability" in os.listxattr(path):
            print(path)
"""


class TestImage:
    def test_nothing_gives_who_runs_it_the_rights_of_another(self, server: Signpost) -> None:
        assert server.exec("find", "/", "-xdev", "-type", "f", "-perm", "/6000") == ""
        assert server.exec("/opt/signpost/bin/python", "-c", WITH_CAPABILITIES) == ""

    def test_nothing_of_pip_is_left(self, server: Signpost) -> None:
        names = r".*/(pip[0-9.]*|pip-[^/]*|ensurepip)"
        looks = ("find", "/opt", "/usr", "-xdev", "-regextype", "posix-extended", "-regex", names)
        assert server.exec(*looks) == ""

    def test_nothing_can_be_written_but_state_and_what_a_start_makes(
        self, server: Signpost
    ) -> None:
        tries = "for each in /etc /usr /opt/signpost /var/lib /root; do touch $each/x; done"
        refused = server.attempt("sh", "-c", f"{tries} 2>&1")
        assert refused.stdout.count(b"Read-only file system") == 5
        # Folders that everybody may write to: a tmpfs is one until it is told otherwise.
        looks = "find / -xdev -type d -perm -o+w; stat -c '%n %a' /run /tmp"
        found = server.exec("sh", "-c", f"{looks} 2>/dev/null").splitlines()
        assert found[-2:] == ["/run 755", "/tmp 1777"]
        assert set(found[:-2]) <= {"/tmp", "/var/tmp", "/var/lock", "/run/lock"}


class TestNameServers:
    """DNS_SERVERS, where /etc/resolv.conf is the engine's and cannot be written."""

    LOOK_UP = "import socket; print(socket.getaddrinfo('client.outside.test', 25)[0][4][0])"

    def test_health_knows_them(self, server: Signpost) -> None:
        assert "127.0.0.11" in server.exec("cat", "/etc/resolv.conf")
        done = server.attempt("signpost", "health")
        assert done.returncode == 0, done.stdout

    @pytest.mark.parametrize("where", ["main thread", "another thread"])
    def test_who_asks_the_c_library_asks_them(self, server: Signpost, where: str) -> None:
        begin = (
            "f()" if where == "main thread" else "import threading as t; t.Thread(target=f).start()"
        )
        python = ("/usr/bin/python3", "-c", f"def f(): {self.LOOK_UP}\n{begin}")
        quick = "RES_OPTIONS=timeout:1 attempts:1"
        preload = "LD_PRELOAD=/usr/local/libexec/resolv_conf.so"
        assert re.match(r"10\.|fd", server.exec("env", quick, preload, *python))
        assert server.attempt("env", quick, *python).stdout == b""

    def test_every_program_of_the_server_does(self, server: Signpost) -> None:
        count = "ls /proc | grep -c '^[0-9]'"
        loaded = "grep -l resolv_conf.so /proc/[0-9]*/maps | wc -l"
        numbers = server.processes("sh", "-c", f"{count}; {loaded}").split()
        # All but Dovecot, which gives its processes an environment of its own, and who looks.
        assert int(numbers[1]) >= 12, numbers

    @pytest.mark.parametrize("program", ["-m filters.inbound", FILTER[0]])
    def test_a_filter_does_and_has_no_other_library(self, server: Signpost, program: str) -> None:
        pattern = f"^/opt/signpost/bin/python {program}"
        (number,) = server.exec("pgrep", "-f", pattern).split()
        maps = server.processes("cat", f"/proc/{number}/maps").decode()
        loaded = set(re.findall(r"/usr/local/libexec/(\S+)", maps))
        assert loaded == {"resolv_conf.so"}


HOG = "held = []\nwhile True: held.append(bytearray(b'x' * 10_000_000))"
CROWD = "for each in $(seq 200); do sleep 1 & done; wait"


class TestLimits:
    """What a limit does is in the log; nothing inside is told."""

    @pytest.fixture(autouse=True)
    def narrowed(self, server: Signpost) -> Iterator[None]:
        def update(memory: str, processes: int) -> None:
            limits = (f"--memory={memory}", f"--memory-swap={memory}", f"--pids-limit={processes}")
            run("docker", "update", *limits, server.container)

        update("700m", 150)
        yield
        update("5g", 4096)

    def test_that_memory_has_ended_a_process_is_said(self, server: Signpost) -> None:
        assert server.attempt("/usr/bin/python3", "-c", HOG).returncode == 137
        server.wait_for_log(r"error signpost: the container's memory limit \(\d+ bytes\) has ended")

    def test_that_a_process_could_not_be_started_is_said(self, server: Signpost) -> None:
        server.attempt("sh", "-c", CROWD)
        server.wait_for_log(r"error signpost: the container's limit of processes \(150\) has kept")


def test_the_shipped_service_is_as_narrow_as_it_is_said_to_be() -> None:
    assert SERVICE["read_only"] is True
    assert SERVICE["cap_drop"] == ["ALL"]
    assert set(SERVICE["cap_add"]) == set(NUMBERS)
    assert SERVICE["security_opt"] == ["no-new-privileges:true"]
    assert SERVICE["sysctls"] == {"net.ipv4.ip_unprivileged_port_start": 0}
    limits = SERVICE["deploy"]["resources"]["limits"]
    assert set(limits) == {"memory", "pids"}
    mounts = [each for each in SERVICE["volumes"] if isinstance(each, dict)]
    assert [(each["type"], each["target"]) for each in mounts] == [
        ("tmpfs", "/run"),
        ("tmpfs", "/tmp"),
    ]


@pytest.mark.usefixtures("image")
def test_without_any_one_capability_the_server_does_not_work() -> None:
    """The short form, all at once; each with each scene: reliability/test_capabilities.py."""
    environment = {"DOMAINS": "example.org", "ACCOUNTS": ":".join(ALICE)}
    with ExitStack() as stack, ThreadPoolExecutor(len(CAPABILITIES)) as at_once:
        servers = {
            name: stack.enter_context(Deprived(environment, {name})) for name in CAPABILITIES
        }
        works = dict(zip(servers, at_once.map(start_twice, servers.values()), strict=True))
        assert not any(works.values()), works


# A start takes four seconds, and more while five others are tried.
PATIENCE = 15.0


def start_twice(server: Deprived) -> bool:
    """Whether it is healthy after its start, and after a restart in place."""
    server.launch()
    if not server.is_ready(1, PATIENCE) or server.attempt("signpost", "health").returncode:
        return False
    server.restart()
    return server.is_ready(2, PATIENCE) and not server.attempt("signpost", "health").returncode
