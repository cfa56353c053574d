"""From nothing configured to a stop: what is said, what is kept, what is kept secret."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import pytest

from .harness.messages import letter
from .harness.shell import CommandError, attempt, fresh, run, wait_until
from .harness.signpost import IMAGE, Signpost
from .harness.world import World

ALICE = ("alice@example.org", "alice-has-a-secret")
RELAY_SECRET = "relay-has-a-secret"
SRS_SECRET = "srs-has-a-secret-of-some-length"
CONFIGURED = {
    "DOMAINS": "example.org example.net",
    "ACCOUNTS": ":".join(ALICE),
    "SRS_SECRET": SRS_SECRET,
}


@pytest.fixture(scope="module")
def configured(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(CONFIGURED) as signpost:
        yield signpost


@pytest.fixture(scope="module")
def demo(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost({}, place=102) as signpost:
        yield signpost


@pytest.fixture(scope="module")
def login(demo: Signpost) -> tuple[str, str]:
    found = demo.wait_for_log(
        r"demo account (postmaster@signpost\.test) password: ([A-Za-z0-9]{20})$"
    )
    return found[1], found[2]


class TestNothingConfigured:
    def test_the_account_is_the_first_thing_that_has_to_do_with_a_password(
        self, demo: Signpost, login: tuple[str, str]
    ) -> None:
        before, _, after = demo.logs().partition(login[1])
        assert before.lower().count("password") == 1
        assert login[1] not in after

    def test_its_password_logs_in_and_its_mail_arrives(
        self, world: World, demo: Signpost, login: tuple[str, str]
    ) -> None:
        token = fresh("demo")
        message = letter(login[0], token=token)
        demo.submit(world.swaks, login, to=login[0], message=message).accepted()
        assert demo.wait_for_mail(login[0], token)

    def test_mail_to_other_domains_is_refused_with_the_reason(
        self, world: World, demo: Signpost, login: tuple[str, str]
    ) -> None:
        refused = demo.submit(world.swaks, login, to="someone@far.test").outcome
        assert refused.code == 550
        assert "DOMAINS" in refused.text

    def test_the_log_shows_the_records_and_what_to_set_next(self, demo: Signpost) -> None:
        log = demo.logs()
        assert "_domainkey.signpost.test" in log
        assert re.search(r"set .*DOMAINS", log)

    def test_the_password_is_the_same_after_a_restart_or_told_anew(
        self, world: World, demo: Signpost, login: tuple[str, str]
    ) -> None:
        demo.restart()
        told = re.findall(r"demo account \S+ password: (\w{20})", demo.logs())
        demo.submit(world.swaks, (login[0], told[-1]), to=login[0]).accepted()


# And what smtpd and Dovecot make anew when they begin.
WRITTEN_BY_A_START = (
    *("smtpd.conf", "supervisord.conf", "dovecot.conf", "mailname", "mailboxes", "virtuals"),
    *("dkim-keys", "addresses.json", "logins.json", "srs-secret", "ports", "probe-login.json"),
    *("smtpd.sock", "master.pid", "auth-login", "lmtp"),
)


class TestASecondStart:
    def test_it_touches_nothing_and_says_that_the_server_runs(
        self, world: World, configured: Signpost
    ) -> None:
        def seen() -> str:
            names = [word for name in WRITTEN_BY_A_START for word in ("-o", "-name", name)][1:]
            return configured.exec(
                *("find", "/run", "-maxdepth", "3", "(", *names, ")", "-printf", "%p %i %C@\\n")
            )

        # `docker exec` has the container's own environment, or another.
        for options in ((), ("--env=DOMAINS=!",), ("--env=ENABLE_IMAP=no",)):
            before = seen()
            assert len(before.splitlines()) >= len(WRITTEN_BY_A_START)
            done = attempt("docker", "exec", *options, configured.container, "signpost", "start")
            assert (done.returncode, done.stdout) == (1, b"")
            assert b"the server runs in this container already; nothing was chan" in done.stderr
            assert seen() == before
        wait_until(lambda: not configured.attempt("signpost", "health").returncode, "health")
        token = fresh("still")
        configured.submit(
            world.swaks, ALICE, to=ALICE[0], message=letter(ALICE[0], token=token)
        ).accepted()
        assert configured.wait_for_mail(ALICE[0], token)


def test_an_id_that_nothing_has_is_no_success(configured: Signpost) -> None:
    for action in ("show", "flush", "remove"):
        for identifier in ("0123456789abcdef", "01234567"):
            done = configured.attempt("signpost", "queue", action, identifier)
            assert (done.returncode, done.stdout) == (1, b"")
            assert f"nothing waits with the id {identifier};".encode() in done.stderr


def test_keys_check_says_what_every_key_is_doing(configured: Signpost) -> None:
    done = configured.attempt("signpost", "keys", "check")
    for domain in ("example.org", "example.net"):
        assert re.search(
            rf"(?m)^{domain}\n  mail +rsa +signs since .*\n  mail-ed25519 +ed25519 +signs since ",
            done.stdout.decode(),
        )


class TestRestart:
    def test_queued_mail_is_kept_and_sent(self, world: World, configured: Signpost) -> None:
        recipient = fresh("patient") + "@far.test"
        with world.outside.deferring():
            configured.submit(world.swaks, ALICE, to=recipient, message=letter(ALICE[0])).accepted()
            configured.wait_for_log(rf"mta delivery.*{recipient}.*TempFail")
            configured.restart()
            listed = configured.exec("signpost", "queue", "list")
            assert re.search(rf"(?m)^[0-9a-f]{{16}} 0h00m \w+ <.*> -> <{recipient}> 4", listed)
        configured.exec("signpost", "queue", "flush")
        mail = world.outside.wait_for_mail(recipient, timeout=30)
        assert b"DKIM-Signature" in mail.message

    def test_an_upgrade_keeps_keys_and_mail(self, world: World, configured: Signpost) -> None:
        token = fresh("kept")
        configured.submit(
            world.swaks, ALICE, to=ALICE[0], message=letter(ALICE[0], token=token)
        ).accepted()
        assert configured.wait_for_mail(ALICE[0], token)
        records = configured.exec("signpost", "dns", "example.org")
        configured.start()  # another container with the same volumes
        assert configured.exec("signpost", "dns", "example.org") == records
        assert configured.wait_for_mail(ALICE[0], token)

    def test_an_image_with_other_numbers_for_its_users_takes_the_volumes_over(
        self, world: World, configured: Signpost
    ) -> None:
        """What smtpd and Dovecot would refuse: folders of users that are nobody's here."""
        token, recipient = fresh("claimed"), fresh("patient") + "@far.test"
        configured.submit(
            world.swaks, ALICE, to=ALICE[0], message=letter(ALICE[0], token=token)
        ).accepted()
        assert configured.wait_for_mail(ALICE[0], token)
        with world.outside.deferring():
            configured.submit(world.swaks, ALICE, to=recipient, message=letter(ALICE[0])).accepted()
            configured.wait_for_log(rf"mta delivery.*{recipient}.*TempFail")
            for path in ("/var/spool/smtpd/queue", "/var/spool/smtpd/offline", "/data/mail"):
                configured.exec("chown", "-R", "54321:54321", path)
            configured.start()
            assert recipient in configured.exec("signpost", "queue", "list")
        configured.exec("signpost", "queue", "flush")
        assert world.outside.wait_for_mail(recipient, timeout=30)
        again = fresh("claimed")
        configured.submit(
            world.swaks, ALICE, to=ALICE[0], message=letter(ALICE[0], token=again)
        ).accepted()
        assert configured.wait_for_mail(ALICE[0], again)
        assert configured.wait_for_mail(ALICE[0], token)

    def test_sigterm_ends_it_within_ten_seconds(self, configured: Signpost) -> None:
        try:
            assert configured.stop() < 10
            assert configured.exit_code() == 0
        finally:
            configured.start()


def test_a_program_that_cannot_be_kept_running_ends_the_container(
    world: World, image: None
) -> None:
    with world.signpost(CONFIGURED, place=103) as signpost:

        def kill() -> bool:
            # It may end while we join its processes.
            with contextlib.suppress(CommandError):
                signpost.processes("sh", "-c", "pkill -KILL -x smtpd || true")
            return not signpost.running()

        wait_until(kill, "the container to end", 60)
        assert signpost.exit_code() != 0
        assert re.search(r"smtpd cannot be kept running.*signal 9", signpost.logs())


class TestSecrets:
    def test_no_process_has_one_in_its_environment(self, configured: Signpost) -> None:
        # Only what the entrypoint left: not the command that looks.
        environs = configured.processes("sh", "-c", "cat /proc/[0-9]*/environ")
        assert b"PATH=" in environs
        for secret in (ALICE[1], SRS_SECRET):
            assert secret.encode() not in environs
        assert b"ACCOUNTS" not in environs

    def test_no_file_and_no_log_has_a_password_in_clear(self, configured: Signpost) -> None:
        folders = ("/data", "/etc", "/run", "/tmp", "/var", "/opt")
        found = configured.attempt("grep", "-rlF", "--devices=skip", ALICE[1], *folders)
        assert found.returncode == 1, (found.stdout, found.stderr)  # nothing found, all read
        assert ALICE[1] not in configured.logs()

    def test_render_and_check_mask_secrets(self, configured: Signpost) -> None:
        for command in ("render", "check"):
            done = configured.attempt("signpost", command)
            assert done.returncode == 0, done.stderr
            printed = done.stdout + done.stderr
            assert ALICE[1].encode() not in printed
            assert SRS_SECRET.encode() not in printed

    def test_a_signing_key_is_readable_by_the_signer_alone(self, configured: Signpost) -> None:
        keys = configured.files("grep", "-rl", "PRIVATE KEY", "/data").splitlines()
        assert len(keys) >= 3  # two domains' signing keys and the certificate's
        found = {key: configured.files("stat", "-c", "%a %u", key).split() for key in keys}
        assert {mode for mode, _ in found.values()} <= {"400", "600"}, found
        # The signing keys are the signer's, and it is not root.
        signing = [owner for key, (_, owner) in found.items() if "/dkim/" in key]
        assert len(signing) == 4  # RSA and Ed25519 of each domain
        assert len(set(signing)) == 1
        assert "0" not in signing

    def test_the_filters_run_as_users_of_their_own(self, configured: Signpost) -> None:
        processes = configured.processes("ps", "-eo", "uid,args").decode()
        users = {
            name: set(re.findall(rf"(?m)^ *(\d+) .*filters\.{name}", processes))
            for name in ("inbound", "submission")
        }
        assert all(users.values()), processes
        assert not users["inbound"] & users["submission"]
        assert "0" not in users["inbound"] | users["submission"]


def refused(**environment: str) -> str:
    """Start with a bad configuration, which must end it with 2; what it said."""
    options = [f"--env={name}={value}" for name, value in environment.items()]
    done = attempt("docker", "run", "--rm", "--network", "none", *options, IMAGE)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 2, said
    assert done.stdout == b""
    return said


@pytest.mark.usefixtures("image")
class TestBadConfiguration:
    @pytest.mark.parametrize(
        ("environment", "said"),
        [
            ({"DOMAINS": "no domain!"}, "DOMAINS: "),
            ({"DOMAINS": "example.org"}, "ACCOUNTS: "),
            ({"DKIM_SELECTR": "x"}, "DKIM_SELECTR: unknown variable; did you mean DKIM_SELECTOR?"),
            ({"DOMAINS": "example.org", "DOMAINS_FILE": "/x"}, "DOMAINS_FILE"),
            ({"SRS_SECRET_FILE": "/no/such/file"}, "SRS_SECRET_FILE: "),
            ({"ACCOUNTS": "alice@elsewhere.test:x"}, "ACCOUNTS"),
            ({"ALIASES": "a@example.org: nobody@example.org"}, "ALIASES"),
            ({"ALIASES": "a@example.org: b@example.org\nb@example.org: a@example.org"}, "ALIASES"),
            ({"MAIL_HOSTNAME": 'mail"\nlisten on all'}, "MAIL_HOSTNAME: "),
            ({"SSL_TYPE": "manual"}, "SSL_CERT_PATH"),
            ({"RELAY_USER": "me"}, "RELAY_"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
    )
    def test_each_mistake_is_told_by_its_message(
        self, environment: dict[str, str], said: str
    ) -> None:
        base = (
            {}
            if "DOMAINS" in environment
            else {
                "DOMAINS": "example.org",
                "ACCOUNTS": "alice@example.org:x-x-x",
            }
        )
        assert said in refused(**{**base, **environment})

    def test_all_of_them_at_once_and_no_secret(self) -> None:
        said = refused(
            DOMAINS="example.org",
            ACCOUNTS="alice@example.net:" + ALICE[1],
            MESSAGE_SIZE_LIMIT="huge",
            SPF="perhaps",
            RELAY_PASSWORD=RELAY_SECRET,
        )
        for variable in ("ACCOUNTS", "MESSAGE_SIZE_LIMIT", "SPF", "RELAY_"):
            assert re.search(rf"(?m)^\W*(\S+ )?{variable}", said), said
        assert ALICE[1] not in said
        assert RELAY_SECRET not in said


@pytest.mark.usefixtures("image")
def test_the_records_are_there_before_the_first_start() -> None:
    volume = fresh("signpost-test-records")
    options = ("--rm", "--network", "none", f"--volume={volume}:/data")
    environment = [f"--env={name}={value}" for name, value in CONFIGURED.items()]
    try:
        first = attempt("docker", "run", *options, *environment, IMAGE, "dns")
        assert first.returncode == 0, first.stderr
        assert first.stdout.count(b"._domainkey.") == 4
        assert b"mail.example.org: its A and AAAA records are not listed" in first.stderr
        assert b"no volume" not in first.stderr
        # They are the keys that a start finds, and that sign.
        run("docker", "run", *options, *environment, "--detach", "--name", volume, IMAGE)
        wait_until(lambda: b"signpost ready" in _logged(volume), "the server to be ready", 60)
        assert run("docker", "exec", volume, "signpost", "dns") == first.stdout
    finally:
        attempt("docker", "rm", "--force", "--volumes", volume)
        attempt("docker", "volume", "rm", volume)


def _logged(container: str) -> bytes:
    done = attempt("docker", "logs", container)
    return done.stdout + done.stderr


@pytest.mark.usefixtures("image")
def test_commands_that_need_no_settings_read_none() -> None:
    for option in ("--help", "--version"):
        run("docker", "run", "--rm", "--env=DOMAINS=!", IMAGE, option)


@pytest.mark.usefixtures("image")
def test_plain_docker_run_says_that_its_state_is_temporary() -> None:
    name = fresh("signpost-test-plain")
    run("docker", "run", "--detach", "--name", name, "--network", "none", IMAGE)
    try:
        wait_until(
            lambda: b"temporary" in (done := attempt("docker", "logs", name)).stdout + done.stderr,
            "the word about its state",
        )
    finally:
        run("docker", "rm", "--force", "--volumes", name)
