"""Paths of MAIL and RCPT, as OpenSMTPD 7.6 was seen to take them."""

import pytest

from filters.smtpd import Request, Session
from filters.smtpd.path import address_of
from filters.smtpd.wire import Report

PATHS = [
    ("alice@example.org", "alice@example.org"),
    ("<alice@example.org>", "alice@example.org"),
    ("", ""),
    ("<>", ""),
    ("alice", "alice"),
    ("@far.test:alice@example.org", "alice@example.org"),
    ("<@far.test:alice@example.org>", "alice@example.org"),
    ("@a.test,@b.test:alice@example.org", "alice@example.org"),
    ("x:alice@example.org", "alice@example.org"),
    (":alice@example.org", "alice@example.org"),
    ("x:alice", "alice"),
    # The first colon; what is left is refused by smtpd.
    ("a:b:alice@example.org", "b:alice@example.org"),
    ("alice@[IPv6:2001:db8::1]", "alice@[IPv6:2001:db8::1]"),
    ("@far.test:alice@[IPv6:2001:db8::1]", "alice@[IPv6:2001:db8::1]"),
]


@pytest.mark.parametrize(("path", "address"), PATHS)
def test_a_path_is_the_address_that_smtpd_makes_of_it(path: str, address: str) -> None:
    assert address_of(path) == address
    assert Request((0, 7), "rcpt-to", "s", "t", path.encode()).address == address


@pytest.mark.parametrize(("path", "address"), PATHS)
def test_a_transaction_has_addresses_and_no_paths(path: str, address: str) -> None:
    session = Session("s")
    fields = (b"01234567", b"ok", path.encode())
    for event in ("tx-mail", "tx-rcpt"):
        session.apply(Report((0, 7), "smtp-in", event, "s", fields))
    assert session.transaction is not None
    assert (session.transaction.sender, session.transaction.recipients) == (address, [address])
