"""What a test can ask of its mailbox, with a server."""

from __future__ import annotations

import smtplib
import threading
import time
from email.message import EmailMessage
from typing import Any

import pytest
from pytest_signpost import Mailbox, NoMessageError, SignpostError, UnexpectedMessageError


def send(mailbox: Mailbox, *to: str, subject: str = "Hello", text: str = "a text") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Shop <shop@shop.example>", to[0], subject
    mail.set_content(text)
    mail.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="a.pdf")
    with mailbox.smtp.connect() as smtp:
        smtp.send_message(mail, to_addrs=to)


def test_a_message(signpost: Mailbox) -> None:
    alice = signpost.address("alice")
    send(signpost, alice, signpost.address("bob"), text="Go to https://shop.example/a, code 482913")
    mail = signpost.wait()
    assert (mail.subject, mail.sender, mail.to) == ("Hello", "shop@shop.example", (alice,))
    assert mail.envelope.sender == "shop@shop.example"
    assert mail.envelope.recipients == (alice, signpost.address("bob"))
    assert mail.run == signpost.run
    assert mail.links == ["https://shop.example/a"]
    assert (mail.link("/a").words, mail.codes, mail.code) == ("", ["482913"], "482913")
    assert mail.headers["Subject"] == ["Hello"]
    assert mail.raw.startswith(b"From: Shop <shop@shop.example>\r\n")
    assert mail.client["Port"] == 1025
    assert mail.verdict.spf == "none"
    (attachment,) = mail.attachments
    assert (attachment.name, attachment.type) == ("a.pdf", "application/pdf")
    assert (attachment.content, attachment.size) == (b"%PDF-1.7", 8)


def test_a_link_or_code_that_is_missing_is_named(signpost: Mailbox) -> None:
    send(signpost, signpost.address(), text="Go to https://shop.example/a")
    mail = signpost.wait()
    with pytest.raises(
        AssertionError, match=r"no link with '/b' in <Message 'Hello'.*shop\.example/a"
    ):
        mail.link("/b")
    with pytest.raises(AssertionError, match=r"no one-time code .*Go to"):
        assert mail.code


def test_each_kind_of_wish(signpost: Mailbox) -> None:
    send(signpost, signpost.address("alice"), subject='An "odd" one', text="Grüße")
    send(signpost, signpost.address("bob"), subject="Another")
    wishes: list[dict[str, Any]] = [
        {"subject": 'an "odd" one'},
        {"to": "alice"},
        {"to": signpost.address("alice")},
        {"text": "grüße"},
        {"query": "-subject:another"},
        {"subject": "odd", "sender": "shop@shop.example", "to": "alice"},
    ]
    for wish in wishes:
        assert signpost.wait(**wish).subject == 'An "odd" one', wish
    assert [mail.subject for mail in signpost.messages()] == ['An "odd" one', "Another"]
    assert [mail.subject for mail in signpost.messages(to="bob")] == ["Another"]
    with pytest.raises(ValueError, match="no letter and no digit"):
        signpost.wait(subject='"!"')
    with pytest.raises(TypeError, match="not found by 'titel'"):
        signpost.wait(titel="Hello")


def test_it_waits_no_longer_than_needed(signpost: Mailbox) -> None:
    late = threading.Timer(0.3, send, (signpost, signpost.address()))
    late.start()
    begin = time.monotonic()
    signpost.wait(timeout=30)
    assert 0.3 <= time.monotonic() - begin < 10
    late.join()


def test_several(signpost: Mailbox) -> None:
    for subject in ("one", "two", "three"):
        send(signpost, signpost.address(), subject=subject)
    assert [mail.subject for mail in signpost.wait_all(3)] == ["one", "two", "three"]
    with pytest.raises(NoMessageError, match=r"4 messages did not come .* in 0.1 s"):
        signpost.wait_all(4, timeout=0.1)
    signpost.clear()
    signpost.expect_none(within=0)


def test_what_has_come_instead_is_said(signpost: Mailbox) -> None:
    send(signpost, signpost.address("alice"), subject="Welcome")
    with pytest.raises(NoMessageError) as error:
        signpost.wait(subject="Your bill", to="bob", timeout=0.05)
    said = str(error.value)
    assert "a message with subject 'Your bill', to 'bob' did not come" in said
    assert f"'Welcome' from shop@shop.example to {signpost.address('alice')}" in said


def test_what_other_runs_have_is_said_when_this_one_has_nothing(signpost: Mailbox) -> None:
    other = Mailbox(signpost.server, f"other-{signpost.run}")
    send(other, other.address("alice"))
    try:
        with pytest.raises(NoMessageError) as error:
            signpost.wait(timeout=0.05)
    finally:
        other.close()
    said = str(error.value)
    assert "Nothing has come to this run.\nThe newest of other runs:\n  '" in said
    assert f"Of this run is what goes to an address such as {signpost.address()}." in said


def test_what_must_not_come(signpost: Mailbox) -> None:
    signpost.expect_none(within=0.05)
    send(signpost, signpost.address())
    signpost.expect_none(subject="Welcome", within=0.05)
    with pytest.raises(UnexpectedMessageError, match=r"a message has come .*\n  'Hello' from"):
        signpost.expect_none(within=30)


def test_a_sub_address_and_a_field_of_the_header_are_of_the_run(signpost: Mailbox) -> None:
    send(signpost, signpost.address("alice", "shop.example"))
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "a@a.example", "b@b.example", "By the header"
    mail["X-Test-Run"] = signpost.run
    with signpost.smtp.connect() as smtp:
        smtp.send_message(mail)
    assert [mail.subject for mail in signpost.wait_all(2)] == ["Hello", "By the header"]


def test_a_fault_is_of_this_run(signpost: Mailbox) -> None:
    other = Mailbox(signpost.server, f"other-{signpost.run}")
    fault = signpost.fault("451 4.7.1 later", at="message", sender="shop@*", times=2)
    send(other, other.address())
    for _ in range(2):
        with pytest.raises(smtplib.SMTPDataError) as error:
            send(signpost, signpost.address())
        assert error.value.smtp_code == 451
    send(signpost, signpost.address())
    assert fault.hits == 2
    fault.clear()
    with pytest.raises(SignpostError, match="is gone"):
        assert fault.hits
    other.close()


def test_a_script_and_its_end(signpost: Mailbox) -> None:
    signpost.fault(script=[{"reply": "451 4.0.0 one"}, {"reply": "452 4.0.0 two"}], repeat=True)
    codes = []
    for _ in range(3):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as error:
            send(signpost, signpost.address())
        codes += [code for code, _ in error.value.recipients.values()]
    assert codes == [451, 452, 451]
    signpost.clear_faults()
    send(signpost, signpost.address())


def test_a_fault_before_the_first_recipient_is_everyones(signpost: Mailbox) -> None:
    with pytest.raises(ValueError, match="at 'mail-from' no recipient is known"):
        signpost.fault("451 4.0.0 no", at="mail-from")
    sender = f"shop@{signpost.run}"
    fault = signpost.fault("451 4.0.0 no", at="mail-from", sender=sender, everyone=True)
    with signpost.smtp.connect() as smtp, pytest.raises(smtplib.SMTPSenderRefused):
        smtp.sendmail(sender, [signpost.address()], "Subject: x\r\n\r\n")
    assert fault.hits == 1
    signpost.close()
    with pytest.raises(SignpostError, match="is gone"):
        assert fault.hits
    fault.clear()


def test_what_cannot_be_a_fault_is_said(signpost: Mailbox) -> None:
    with pytest.raises(SignpostError, match="400"):
        signpost.fault("250 ok")
    with pytest.raises(TypeError, match="does not match subject"):
        signpost.fault("451 4.0.0 no", subject="Hello")


def test_a_zone_is_of_this_run(signpost: Mailbox) -> None:
    other = Mailbox(signpost.server, f"other-{signpost.run}")
    signpost.zone({"shop.example": {"TXT": ["v=spf1 -all"]}})
    send(other, other.address())
    send(signpost, signpost.address())
    verdict = signpost.wait().verdict
    assert verdict.spf == "fail"
    assert verdict.dns["shop.example", "TXT"] == ["v=spf1 -all"]
    assert other.wait().verdict.spf == "none"
    signpost.clear()
    signpost.zone(None)
    send(signpost, signpost.address())
    assert signpost.wait().verdict.spf == "none"
    other.close()


def test_what_cannot_be_a_zone_is_said(signpost: Mailbox) -> None:
    with pytest.raises(SignpostError, match=r"400 line \d+.*300"):
        signpost.zone({"shop.example": {"A": ["192.0.2.300"]}})
