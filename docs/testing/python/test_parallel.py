"""Tests that run side by side (`pytest -n 4`) on one server, all with the same subject."""

from __future__ import annotations

import pytest
from pytest_signpost import Mailbox
from shop import Shop


@pytest.mark.parametrize("number", range(8))
def test_each_sees_its_own_mail_only(shop: Shop, signpost: Mailbox, number: int) -> None:
    if number % 2:
        signpost.fault("451 4.3.0 not now", at="message", times=2)
    code = shop.log_in(signpost.address("bob"))

    (mail,) = signpost.wait_all(1, subject="Your code")
    assert mail.code == code
    assert len(signpost.messages()) == 1
