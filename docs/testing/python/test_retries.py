"""What the shop does when the mail server has a bad day. The faults hit this test's run only."""

from __future__ import annotations

import smtplib

import pytest
from pytest_signpost import Mailbox
from shop import Shop


def test_it_tries_again_after_451(shop: Shop, signpost: Mailbox) -> None:
    fault = signpost.fault("451 4.7.1 try again later", times=2)
    shop.sign_up(signpost.address())

    signpost.wait(subject="Confirm")
    assert fault.hits == 2
    assert len(signpost.messages()) == 1


def test_it_takes_550_for_an_answer(shop: Shop, signpost: Mailbox) -> None:
    fault = signpost.fault("550 5.1.1 no such user", recipient="nobody@*", repeat=True)

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        shop.sign_up(signpost.address("nobody"))
    assert fault.hits == 1
    signpost.expect_none(within=0)


def test_a_connection_lost_behind_the_final_dot_makes_a_copy_with_the_same_id(
    shop: Shop, signpost: Mailbox
) -> None:
    """The server has the message and the client does not know: it has to send it again."""
    signpost.fault(at="accepted", disconnect=True)
    shop.sign_up(signpost.address())

    first, second = signpost.wait_all(2)
    assert first.headers["Message-Id"] == second.headers["Message-Id"]
