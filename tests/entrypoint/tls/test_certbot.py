"""What certbot 4.0 prints when it fails, and what the log says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.config.environ import load
from entrypoint.config.settings import HostFacts
from entrypoint.tls.certbot import Result, command, read_result

NOW = 1_800_000_000.0  # 2027-01-15 08:00 UTC
HOST, STS = "mail.example.org", "mta-sts.example.org"
NAMES = (HOST, STS)
END = """Ask for help or search for solutions at https://community.letsencrypt.org. See the \
logfile /data/tls/acme/x/log/letsencrypt.log or re-run Certbot with -v for more details.
"""
UNAUTHORIZED = (
    """Saving debug log to /data/tls/acme/x/log/letsencrypt.log
Renewing an existing certificate for mail.example.org

Certbot failed to authenticate some domains (authenticator: standalone). The Certificate \
Authority reported these problems:
  Domain: mail.example.org
  Type:   unauthorized
  Detail: Non-200 status code from HTTP: http://mail.example.org:80/.well-known/x returned 404

Hint: The Certificate Authority failed to download the challenge files from the temporary \
standalone webserver started by Certbot on port 80. Ensure that the listed domains point here.

Some challenges have failed.
"""
    + END
)
# As certbot 4.0.0 and pebble have it, but for the hint.
SEVERAL = (
    """Renewing an existing certificate for mail.example.org and 2 more domains

Certbot failed to authenticate some domains (authenticator: webroot). The Certificate Authority \
reported these problems:
  Domain: mta-sts.example.org
  Type:   unauthorized
  Detail: not found

  Domain: mail.example.org
  Type:   connection
  Detail: no route to host

Some challenges have failed.
"""
    + END
)
LIMITED = (
    """Saving debug log to /x
An unexpected error occurred:
urn:ietf:params:acme:error:rateLimited :: There were too many requests of a given type :: too \
many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, \
retry after 2027-01-16 10:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/
"""
    + END
)
HOOK = """Hook '--manual-auth-hook' for mail.example.org ran with error output:
 signpost-dns: ACME_DNS_HOOK ended with status 3: no such zone
Hook '--manual-auth-hook' for mail.example.org reported error code 1

Certbot failed to authenticate some domains (authenticator: manual).
  Domain: mail.example.org
  Type:   dns
  Detail: NXDOMAIN
"""

CASES = [
    ("it is there", 0, "Successfully received certificate.\n", Result()),
    (
        "a challenge fails",
        1,
        UNAUTHORIZED,
        Result(
            "unauthorized: Non-200 status code from HTTP: "
            "http://mail.example.org:80/.well-known/x returned 404",
            blamed=(HOST,),
        ),
    ),
    (
        "two of three names fail, and the host's problem is told",
        1,
        SEVERAL,
        Result("connection: no route to host", blamed=(HOST, STS)),
    ),
    (
        "an order is refused because of a name that only its words tell",
        1,
        "An unexpected error occurred:\nError creating new order :: Cannot issue for "
        f'"{STS}": The ACME server refuses it\n{END}',
        Result(
            f'Error creating new order :: Cannot issue for "{STS}": The ACME server refuses it',
            blamed=(STS,),
        ),
    ),
    (
        "a name that is only a part of another one is not told",
        1,
        f"An unexpected error occurred:\nno issue for x.{HOST} nor {HOST}.test.\n{END}",
        Result(f"no issue for x.{HOST} nor {HOST}.test."),
    ),
    (
        "the server is down",
        1,
        "An unexpected error occurred:\n"
        f"ValueError: Requesting localhost/dir: Connection refused\n{END}",
        Result("ValueError: Requesting localhost/dir: Connection refused"),
    ),
    (
        "port 80 is taken",
        1,
        "Requesting a certificate for mail.example.org\nCould not bind TCP port 80 because it is "
        f"already in use by another process on this system.\n{END}",
        Result(
            "Could not bind TCP port 80 because it is already in use by another process on this "
            "system."
        ),
    ),
    (
        "the hook fails",
        1,
        HOOK,
        Result("ACME_DNS_HOOK ended with status 3: no such zone", blamed=(HOST,)),
    ),
    (
        "the server does not know us",
        1,
        f"An unexpected error occurred:\nAccount https://x/my-account/1 not found.\n{END}",
        Result("Account https://x/my-account/1 not found.", stranger=True),
    ),
    ("it is killed", -9, "", Result("certbot was ended by signal 9")),
    ("it says nothing", 3, "", Result("certbot exited with status 3")),
]


@pytest.mark.parametrize(
    ("status", "said", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_how_it_ended(status: int, said: str, expected: Result) -> None:
    assert read_result(status, said, NOW, NAMES) == expected


def test_a_rate_limit_says_when_the_server_may_be_asked_again() -> None:
    found = read_result(1, LIMITED, NOW, NAMES)
    assert found.problem.startswith("urn:ietf:params:acme:error:rateLimited")
    assert found.not_before == NOW + 26 * 3600
    assert found.blamed == ()


def test_a_rate_limit_that_does_not_is_given_a_day() -> None:
    said = "An unexpected error occurred:\nError: rateLimited :: too many new orders\n"
    assert read_result(1, said, NOW, NAMES).not_before == NOW + 86_400


def test_a_server_cannot_fill_the_log_nor_hold_us_up_for_ever() -> None:
    said = "An unexpected error occurred:\nrateLimited retry after 2999-01-01 00:00:00 " + "x" * 999
    found = read_result(1, said, NOW, NAMES)
    assert len(found.problem) < 350
    assert found.not_before == NOW + 7 * 86_400


def settings_of(**more: str) -> list[str]:
    environ = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:wonderland", **more}
    settings = load(environ | {"SSL_TYPE": "acme"}, host=HostFacts(ipv6=False))
    return command(settings, Path("/data/tls/acme/x"), NAMES)


def test_the_name_is_proved_on_port_80_unless_there_is_a_hook() -> None:
    asked = settings_of()
    assert "--standalone" in asked
    assert asked[asked.index("--cert-name") + 1] == HOST
    assert [asked[at + 1] for at, word in enumerate(asked) if word == "--domain"] == [*NAMES]
    assert "--email=alice@example.org" in asked


def test_where_the_web_service_has_the_port_it_answers() -> None:
    asked = settings_of(MTA_STS="testing")
    assert "--standalone" not in asked
    assert asked[asked.index("--webroot-path") + 1] == "/run/signpost/acme"


def test_it_is_all_names_or_none() -> None:
    """certbot would put a certificate without the host's own name in place of a good one."""
    assert "--allow-subset-of-names" not in settings_of(MTA_STS="testing")


def test_a_hook_is_run_by_ours_with_what_certbot_puts_in_its_environment() -> None:
    asked = settings_of(ACME_DNS_HOOK="/bin/echo some thing", DNS_SERVERS="192.0.2.53")
    assert "--standalone" not in asked
    hook = asked[asked.index("--manual-auth-hook") + 1]
    assert hook.endswith(
        "-m entrypoint.tls.dns_hook present --name-server 192.0.2.53 "
        '"$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION" /bin/echo some thing'
    )
