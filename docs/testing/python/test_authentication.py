"""What the world's mail servers will make of the shop's mail, with the DNS it is going to have."""

from __future__ import annotations

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from pytest_signpost import Mailbox
from shop import Shop

DMARC = {"TXT": ["v=DMARC1; p=reject"]}


def test_without_the_mail_servers_address_in_spf_it_is_rejected(
    shop: Shop, signpost: Mailbox
) -> None:
    signpost.zone({"shop.example": {"TXT": ["v=spf1 -all"]}, "_dmarc.shop.example": DMARC})
    shop.sign_up(signpost.address())

    verdict = signpost.wait().verdict
    assert (verdict.spf, verdict.dmarc, verdict.disposition) == ("fail", "fail", "reject")


def test_with_its_signature_it_is_delivered(
    shop: Shop, signpost: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    record = "v=DKIM1; p=" + "".join(public.decode().split("\n")[1:-2])
    signpost.zone(
        {
            "shop.example": {"TXT": ["v=spf1 -all"]},
            "s1._domainkey.shop.example": {"TXT": [record]},
            "_dmarc.shop.example": DMARC,
        }
    )

    def sign(message: bytes) -> bytes:
        signature: bytes = dkim.sign(message, b"s1", b"shop.example", pem)
        return signature + message

    monkeypatch.setattr(shop, "sign", sign)
    shop.sign_up(signpost.address())

    verdict = signpost.wait().verdict
    assert verdict.dkim == ["pass"]
    assert (verdict.dmarc, verdict.disposition) == ("pass", "none")


def test_while_the_name_servers_are_down(shop: Shop, signpost: Mailbox) -> None:
    signpost.zone({"shop.example": "SERVFAIL", "_dmarc.shop.example": "SERVFAIL"})
    shop.sign_up(signpost.address())

    assert signpost.wait().verdict.dmarc == "temperror"
