"""smtpd's own field on top, and what smtpd would have refused."""

import pytest

from filters.capture.received import reject_as_smtpd, without_received

PLAIN = (
    b"Received: from far.example (far.example [192.0.2.1])\r\n"
    b"\tby mail.example.org (OpenSMTPD) with ESMTP id 74535b3b\r\n"
    b"\tfor <bob@b.example>;\r\n"
    b"\tFri, 27 Nov 2026 00:49:40 +0000 (UTC)\r\n"
)
MASKED = (
    b"Received: \r\n"
    b"\tby mail.test (OpenSMTPD) with ESMTPSA id 74535b3b (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO);"
    b"\r\n\tFri, 27 Nov 2026 00:49:40 +0000 (UTC)\r\n"
)


@pytest.mark.parametrize("field", [PLAIN, MASKED], ids=["plain", "masked"])
@pytest.mark.parametrize(
    "sent",
    [
        b"Subject: x\r\n\r\nbody\r\n",
        b"Received: from a (b [192.0.2.9])\r\n\tby c;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n\r\n",
        b"\tfolded: first\r\n\r\n",
        b"\r\nbody\r\n",
        b"",
    ],
)
def test_what_the_client_sent_stays_to_the_byte(field: bytes, sent: bytes) -> None:
    assert without_received(field + sent) == sent


@pytest.mark.parametrize(
    "odd", [b"", b"Subject: x\r\n\r\n", b"Received: by x\r\n\r\n", b"Received: by x;\r\n\tnow"]
)
def test_what_has_no_such_field_stays(odd: bytes) -> None:
    assert without_received(odd) == odd


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"Subject: x\r\n\r\nbody without: colons\r\nno colon\r\n", None),
        (b"Subject: x\r\n folded\r\n\r\n", None),
        (b"\r\nno colon\r\n", None),
        (b"Subject: x\r\n", None),
        (b"no colon here\r\n\r\nbody\r\n", 550),
        (b"Subject: x\r\nhello\r\nmore: x\r\n\r\n", 550),
        # Received, the field before, takes nine bytes of smtpd's buffer.
        (b"x" * 1_014 + b": x\r\n\r\n", 550),
        (b"x" * 1_013 + b": x\r\n\r\n", None),
        (b"From:" + b"x" * 65_535 + b"\r\n\r\n", 550),
        (b"From:" + b"x" * 32_767 + b"\r\n " + b"x" * 32_765 + b"\r\n\r\n", None),
        (b"cc:" + b"x" * 32_767 + b"\r\n " + b"x" * 32_766 + b"\r\n\r\n", 550),
        (b"X-Test-Run:" + b"x" * 32_767 + b"\r\n " + b"x" * 65_000 + b"\r\n\r\n", None),
        (b"Subject: x\r\n\r\n" + b"y" * 65_485 + b"\r\n", None),
        (b"Subject: x\r\n\r\n" + b"y" * 65_486 + b"\r\n", 554),
        (b"Subject: x\r\n\r\n." + b"y" * 65_484 + b"\r\nz\r\n", 554),
        (b"Subject: x\r\n\r\n" + b"y\r\n" * 90_000, None),
    ],
)
def test_what_smtpd_refuses_is_refused(sent: bytes, code: int | None) -> None:
    refused = reject_as_smtpd(PLAIN + sent)
    assert (refused.code if refused else None) == code
