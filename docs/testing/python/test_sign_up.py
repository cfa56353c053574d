"""What a customer gets."""

from __future__ import annotations

from pytest_signpost import Mailbox
from shop import Shop


def test_a_link_to_confirm(shop: Shop, signpost: Mailbox) -> None:
    shop.sign_up(signpost.address("alice"))

    mail = signpost.wait(subject="Confirm", to="alice")
    assert mail.link("confirm").startswith("https://shop.example/confirm?token=")
    assert mail.links == [mail.link()]  # the text part has the same
    assert mail.envelope.sender == "orders@shop.example"


def test_a_code_to_log_in(shop: Shop, signpost: Mailbox) -> None:
    code = shop.log_in(signpost.address("bob"))

    assert signpost.wait(to="bob").code == code


def test_the_second_of_two_codes(shop: Shop, signpost: Mailbox) -> None:
    first = shop.log_in(signpost.address("bob"))
    assert signpost.wait(to="bob").code == first
    signpost.clear()  # or the next wait would find that one again
    second = shop.log_in(signpost.address("bob"))

    assert signpost.wait(to="bob").code == second


def test_nobody_else_gets_mail(shop: Shop, signpost: Mailbox) -> None:
    shop.sign_up(signpost.address("alice"))

    signpost.wait(to="alice")
    signpost.expect_none(to="bob", within=0.1)


def test_with_a_login_and_no_tls(shop: Shop, signpost: Mailbox) -> None:
    shop.login = ("shop", "any password will do")
    shop.log_in(signpost.address("bob"))

    mail = signpost.wait()
    assert mail.login == "shop"
    assert mail.tls is None
