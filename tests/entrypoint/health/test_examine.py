"""How long a server is waited for."""

from __future__ import annotations

import pytest

from entrypoint.health.examine import patience
from entrypoint.probe.processes import Process


@pytest.mark.parametrize(
    ("program", "seconds"), [("smtpd", 1.0), ("dovecot", 1.0), ("junk", 7.0), ("metrics", 7.0)]
)
def test_who_is_stopped_is_the_cause_only_if_mail_needs_it(program: str, seconds: float) -> None:
    """A busy server may take longer to answer: it is not unhealthy for a stopped junk filter."""
    assert patience(7.0, [Process(program, program, "T", 1)]) == seconds
    assert patience(7.0, [Process(program, program, "S", 1)]) == 7.0
