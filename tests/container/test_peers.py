"""The peers do what the other tests take for granted; without this, their passes mean nothing."""

from __future__ import annotations

import pytest

from .harness.messages import key_pair, letter
from .harness.peers import Outside
from .harness.shell import fresh
from .harness.world import World

LOGIN = (Outside.user, Outside.password)


@pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
def test_postfix_keeps_a_message_as_it_was_sent_and_says_who_sent_it(
    world: World, family: int
) -> None:
    recipient = fresh("someone") + "@far.test"
    message = letter(body=b".one dot\r\n..two\r\n.\r\n\xe4\xff\r\n")
    world.swaks(
        world.address(25)[family],
        source=world.allowed[family],
        sender="a@outside.test",
        to=recipient,
        message=message,
    ).accepted()
    received = world.outside.wait_for_mail(recipient)
    assert received.sender == "a@outside.test"
    assert received.message.endswith(message)
    assert world.allowed[family].encode() in received.message


def test_the_null_sender_stays_null(world: World) -> None:
    recipient = fresh("someone") + "@far.test"
    world.swaks(world.address(25)[0], sender="", to=recipient).accepted()
    assert world.outside.wait_for_mail(recipient).sender == ""


def test_every_recipient_is_named(world: World) -> None:
    recipients = [fresh("one") + "@far.test", fresh("two") + "@far.test"]
    world.swaks(world.address(25)[0], to=recipients).accepted()
    for recipient in recipients:
        assert world.outside.wait_for_mail(recipient)


def test_swaks_tells_a_refusal_from_an_acceptance(world: World) -> None:
    refused = world.swaks(world.address(25)[0], to="nobody@far.test")
    assert refused.exit_code == 24
    assert refused.code == 550
    assert refused.reply_to("RCPT TO").text.startswith("5.1.1")


def test_postfix_defers_when_it_is_told_to(world: World) -> None:
    with world.outside.deferring():
        assert world.swaks(world.address(25)[0], to="x@far.test", quit_after="RCPT").code == 450
    assert world.swaks(world.address(25)[0], to="x@far.test", quit_after="RCPT").code == 250


@pytest.mark.parametrize(
    ("port", "security"), [(587, "starttls"), (465, "implicit"), (2587, "starttls"), (2525, "none")]
)
def test_the_relay_host_wants_the_right_password(world: World, port: int, security: str) -> None:
    server = world.address(25)[0]

    def attempt(login: tuple[str, str] | None) -> int:
        return world.swaks(
            server,
            port=port,
            security=security,  # type: ignore[arg-type]
            to="x@far.test",
            login=login,
            quit_after="RCPT",
        ).code

    assert attempt(LOGIN) == 250
    assert attempt((Outside.user, "wrong")) == 535
    assert attempt(None) == 554


def test_the_name_server_answers_for_everything(world: World) -> None:
    def status(name: str) -> bytes:
        return world.exec_client("dig", name, "TXT")

    assert b"NOERROR" in status("outside.test")
    assert b"SERVFAIL" in status("broken.test")
    assert b"NXDOMAIN" in status("nowhere.invalid")
    assert world.ns.ask("example.org", "MX") == ["10 mail.example.org."]


def test_mail_dkim_agrees_with_itself(world: World) -> None:
    selector = fresh("selector")
    private, record = key_pair()
    world.ns.publish("outside.test", f"{selector}._domainkey.outside.test. 1 IN TXT {record}")
    signed = world.sign(letter(), "outside.test", selector, private)
    assert world.verify(signed) == [("outside.test", selector, "rsa-sha256", "pass")]
    ((_, _, _, result),) = world.verify(signed.replace(b"Hello.", b"Hullo."))
    assert result == "fail (body has been altered)"
