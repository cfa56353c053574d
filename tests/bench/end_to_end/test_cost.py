"""By which name a process's time and memory count."""

import pytest

from bench.end_to_end.cost import process_name

PYTHON = "/opt/signpost/bin/python"
CARRIED = f"{PYTHON} -m entrypoint.supervise.logpipe --format text --level info"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("smtpd: lookup", "smtpd: lookup"),
        ("/usr/sbin/smtpd -dF", "smtpd"),
        ("dovecot/lmtp", "dovecot/lmtp"),
        (f"{PYTHON} -m filters.inbound --spool /x", "filters.inbound"),
        (
            f"{CARRIED} --only-here opensmtpd,extra smtpd /start -dF",
            "entrypoint.supervise.logpipe smtpd",
        ),
        (
            f"{CARRIED} --user vmail --only-here vmail:entrypoint.junk junk setpriv python -m x",
            "entrypoint.supervise.logpipe junk",
        ),
        (f"{PYTHON} -m entrypoint.supervise.until_eof entrypoint.junk", "entrypoint.junk"),
        (f"{PYTHON} -m entrypoint.supervise.until_eof filters.logins /x --y", "filters.logins"),
    ],
)
def test_a_name_says_which_program_it_is(line: str, name: str) -> None:
    assert process_name(line) == name
