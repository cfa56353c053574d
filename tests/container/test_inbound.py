"""What arrives is verified; the result stands on top of it and nothing else in it has changed."""

from __future__ import annotations

import base64
import random
import re
from dataclasses import dataclass

import pytest

from .conftest import ALICE
from .harness.messages import key_pair, letter
from .harness.shell import fresh, run
from .harness.signpost import PEERS, Signpost
from .harness.swaks import Swaks
from .harness.world import World

US = "mail.example.org"


@dataclass(frozen=True)
class Stored:
    """A message in a Maildir: what was put in front of it, lines ending in LF."""

    trace: bytes

    @property
    def results(self) -> str:
        """Our Authentication-Results field, unfolded, without its name."""
        fields = re.findall(rb"(?mi)^Authentication-Results:((?:.*\n)(?:[ \t].*\n)*)", self.trace)
        assert len(fields) == 1, self.trace.decode(errors="replace")
        return " ".join(fields[0].decode().split())

    def method(self, name: str) -> str:
        """What the field says of one method: "spf=pass …"."""
        found = [part.strip() for part in self.results.split(";") if f"{name}=" in part]
        assert len(found) == 1, self.results
        return found[0]


def arrive(
    world: World,
    signpost: Signpost,
    message: bytes,
    token: str,
    *,
    sender: str = "someone@outside.test",
    source: str | None = None,
    helo: str = "client.outside.test",
    kept: bytes | None = None,
) -> Stored:
    """Send a message in, from the allowed address unless another is given.

    Fails unless it is stored with every byte of it; `kept`: what is left of it if something of it
    must go.
    """
    source = source or world.allowed[0]
    world.swaks(
        signpost.v6 if ":" in source else signpost.v4,
        source=source,
        helo=helo,
        sender=sender,
        to=ALICE[0],
        message=message,
    ).accepted()
    stored = signpost.wait_for_mail(ALICE[0], token, timeout=60)
    expected = (message if kept is None else kept).replace(b"\r\n", b"\n")
    # No assert on the bytes themselves: a report of 27 MB helps nobody.
    same = stored.endswith(expected)
    assert same, f"changed on the way, from {stored[:2000]!r} to {expected[:2000]!r}"
    return Stored(stored[: -len(expected)])


class TestSpf:
    @pytest.mark.parametrize(
        ("sender", "source", "result"),
        [
            ("someone@outside.test", "allowed", "pass"),
            ("someone@outside.test", "stranger", "fail"),
            ("someone@spffail.test", "allowed", "fail"),
            ("someone@spfnone.test", "allowed", "none"),
            ("someone@nowhere.invalid", "allowed", "none"),
            ("someone@broken.test", "allowed", "temperror"),
        ],
    )
    @pytest.mark.parametrize("family", [0, 1], ids=["IPv4", "IPv6"])
    def test_by_the_envelope_sender(
        self,
        world: World,
        signpost: Signpost,
        family: int,
        sender: str,
        source: str,
        result: str,
    ) -> None:
        token = fresh("spf")
        address = getattr(world, source)[family]
        stored = arrive(
            world, signpost, letter(sender, token=token), token, sender=sender, source=address
        )
        spf = stored.method("spf")
        assert spf.startswith(f"spf={result}")
        assert "smtp.mailfrom=" in spf
        assert sender.partition("@")[2] in spf

    @pytest.mark.parametrize(("source", "result"), [("allowed", "pass"), ("stranger", "fail")])
    def test_by_helo_for_the_null_sender(
        self, world: World, signpost: Signpost, source: str, result: str
    ) -> None:
        token = fresh("spf")
        address = getattr(world, source)[0]
        stored = arrive(world, signpost, letter(token=token), token, sender="", source=address)
        assert stored.method("spf").startswith(f"spf={result}")
        assert "smtp.helo=client.outside.test" in stored.method("spf")

    def test_a_client_behind_dockers_gateway_is_unknown(
        self, world: World, signpost: Signpost
    ) -> None:
        """Docker shows a client of the host's own loopback at the network's gateway."""
        token = fresh("gateway")
        name = fresh("signpost-test-host")
        run(
            *("docker", "run", "--detach", "--rm", "--init", "--name", name, "--network", "host"),
            *("--entrypoint", "sleep", PEERS, "infinity"),
        )
        try:
            Swaks(name)(
                signpost.v4, sender="a@spffail.test", to=ALICE[0], message=letter(token=token)
            ).accepted()
        finally:
            run("docker", "rm", "--force", name)
        stored = Stored(signpost.wait_for_mail(ALICE[0], token).partition(b"\nFrom:")[0])
        assert stored.method("spf").startswith("spf=none")
        assert re.search(r"reason=|\(", stored.method("spf"))


@pytest.fixture(scope="module")
def key(world: World) -> tuple[bytes, str]:
    """A private key, and its selector in outside.test."""
    private, record = key_pair()
    selector = fresh("selector")
    world.ns.publish("outside.test", f"{selector}._domainkey.outside.test. 1 IN TXT {record}")
    return private, selector


class TestDkim:
    def test_pass(self, world: World, signpost: Signpost, key: tuple[bytes, str]) -> None:
        token = fresh("dkim")
        signed = world.sign(letter(token=token), "outside.test", key[1], key[0])
        dkim = arrive(world, signpost, signed, token).method("dkim")
        assert dkim.startswith("dkim=pass")
        assert "header.d=outside.test" in dkim
        assert f"header.s={key[1]}" in dkim

    def test_fail(self, world: World, signpost: Signpost, key: tuple[bytes, str]) -> None:
        token = fresh("dkim")
        signed = world.sign(letter(token=token), "outside.test", key[1], key[0])
        changed = signed.replace(b"Hello.", b"Hullo.")
        dkim = arrive(world, signpost, changed, token).method("dkim")
        assert dkim.startswith("dkim=fail")

    def test_none(self, world: World, signpost: Signpost) -> None:
        token = fresh("dkim")
        dkim = arrive(world, signpost, letter(token=token), token).method("dkim")
        assert dkim.startswith("dkim=none")

    def test_temperror(self, world: World, signpost: Signpost, key: tuple[bytes, str]) -> None:
        token = fresh("dkim")
        signed = world.sign(letter(token=token), "broken.test", key[1], key[0])
        dkim = arrive(world, signpost, signed, token).method("dkim")
        assert dkim.startswith("dkim=temperror")
        assert "header.d=broken.test" in dkim

    def test_permerror(self, world: World, signpost: Signpost, key: tuple[bytes, str]) -> None:
        token = fresh("dkim")
        signed = world.sign(letter(token=token), "outside.test", "absent", key[0])
        dkim = arrive(world, signpost, signed, token).method("dkim")
        assert dkim.startswith("dkim=permerror")

    def test_each_signature_has_a_result(
        self, world: World, signpost: Signpost, key: tuple[bytes, str]
    ) -> None:
        token = fresh("dkim")
        once = world.sign(letter(token=token), "outside.test", key[1], key[0])
        twice = world.sign(once, "outside.test", "absent", key[0])
        results = arrive(world, signpost, twice, token).results
        assert re.findall(r"dkim=(\w+)", results) == ["permerror", "pass"]


class TestAuthenticationResults:
    def test_it_stands_on_top_of_what_the_sender_wrote_and_bears_our_name(
        self, world: World, signpost: Signpost
    ) -> None:
        token = fresh("top")
        stored = arrive(world, signpost, letter(token=token), token)
        assert stored.results.startswith(f"{US};")
        # Above it stand only the trace fields that smtpd wrote after it.
        names = re.findall(rb"(?m)^([!-9;-~]+):", stored.trace)
        assert names.count(b"Authentication-Results") == 1
        assert set(names) <= {
            *(b"Return-Path", b"Delivered-To", b"X-Signpost-Delivered", b"Received"),
            b"Authentication-Results",
        }
        assert names.index(b"Authentication-Results") in (
            len(names) - 1,
            names.index(b"Received") - 1,
        )

    @pytest.mark.parametrize(
        "forged",
        [
            b"Authentication-Results: mail.example.org; spf=pass smtp.mailfrom=bank.test",
            b"AUTHENTICATION-RESULTS: MAIL.EXAMPLE.ORG; dkim=pass header.d=bank.test",
            b"Authentication-Results:\r\n mail.example.org\r\n ; dkim=pass header.d=bank.test",
            b"Authentication-Results: (hi) mail.example.org 1 ; dkim=pass header.d=bank.test",
            b'Authentication-Results: "mail.example.org"; dkim=pass header.d=bank.test',
            b"Authentication-Results : mail.example.org; dkim=pass header.d=bank.test",
        ],
    )
    def test_a_forged_one_is_removed(self, world: World, signpost: Signpost, forged: bytes) -> None:
        token = fresh("forged")
        kept = letter(token=token)
        stored = arrive(world, signpost, forged + b"\r\n" + kept, token, kept=kept)
        assert "bank.test" not in stored.trace.decode()

    def test_a_forged_one_deep_in_the_header_is_removed_and_nothing_else(
        self, world: World, signpost: Signpost
    ) -> None:
        token = fresh("forged")
        forged = b"Authentication-Results: mail.example.org; dkim=pass header.d=bank.test\r\n"
        kept = letter(token=token, fields=[b"X-One: 1", b"X-Two:\r\n\t2"])
        arrive(world, signpost, kept.replace(b"X-Two", forged + b"X-Two"), token, kept=kept)

    def test_anothers_stays(self, world: World, signpost: Signpost) -> None:
        token = fresh("others")
        theirs = b"Authentication-Results: mx.other.test; dkim=pass header.d=outside.test"
        arrive(world, signpost, letter(token=token, fields=[theirs]), token)

    def test_one_in_the_body_is_text(self, world: World, signpost: Signpost) -> None:
        token = fresh("text")
        body = b"Authentication-Results: mail.example.org; dkim=pass\r\n"
        arrive(world, signpost, letter(token=token, body=body), token)


BODIES = {
    "8-bit": b"caf\xe9 \xf0\x9f\x93\xae \x80\x81\xfe\xff\r\n",
    "dots": b".\r\n..\r\n.a\r\n...\r\n. \r\n\r\n.\r\n",
    "the end of data in it": b"a\r\n.\r\nMAIL FROM:<>\r\n",
    "empty": b"",
    "blank lines at the end": b"a\r\n\r\n\r\n\r\n",
    "white space at the ends": b" a \t\r\n\t\r\n \r\n",
    "a line of 998": b"x" * 998 + b"\r\n",
    "a line of 10,000": b"y" * 10_000 + b"\r\n",
    "control characters": bytes(c for c in range(1, 32) if c not in b"\r\n") + b"\x7f\r\n",
    "like a filter's own line": b"filter-dataline|1|2|.\r\nreport|0.7\r\n",
    "From at the start of a line": b"From here\r\n>From there\r\n",
}


class TestEveryByteIsKept:
    @pytest.mark.parametrize("name", BODIES)
    def test_in_the_body(self, world: World, signpost: Signpost, name: str) -> None:
        token = fresh("body")
        arrive(world, signpost, letter(token=token, body=BODIES[name]), token)

    @pytest.mark.parametrize(
        "fields",
        [
            [b"X-Long: " + b"z" * 3000],
            [b"X-Folded: a\r\n\tb\r\n  c", b"X-Empty:", b"x-lower:d"],
            [b"X-Space : before the colon"],
            [b"X-Eight: \xe4\xf6\xfc"],
            [f"X-Many-{i}: {i}".encode() for i in range(300)],
        ],
        ids=["long", "folded", "space", "8-bit", "many"],
    )
    def test_in_the_header(self, world: World, signpost: Signpost, fields: list[bytes]) -> None:
        token = fresh("header")
        subject = b"gr\xfc\xdfe \xe2\x82\xac"
        arrive(world, signpost, letter(token=token, subject=subject, fields=fields), token)

    def test_in_an_attachment_of_20_mb(self, world: World, signpost: Signpost) -> None:
        token = fresh("attachment")
        content = base64.encodebytes(random.Random(20).randbytes(20_000_000))
        body = (
            b"--x\r\nContent-Type: text/plain\r\n\r\nHere it is.\r\n--x\r\n"
            b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + content.replace(b"\n", b"\r\n")
            + b"--x--\r\n"
        )
        kind = b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"'
        arrive(world, signpost, letter(token=token, fields=[kind], body=body), token)
        # The other tests read this mailbox whole.
        signpost.exec("sh", "-c", f"grep -rl {token} /data/mail | xargs rm")

    def test_a_message_that_is_too_large_is_refused(self, world: World, signpost: Signpost) -> None:
        message = letter(body=b"x" * 76 + b"\r\n") + (b"y" * 76 + b"\r\n") * 480_000
        refused = world.swaks(signpost.v4, to=ALICE[0], message=message)
        assert 500 <= refused.code < 600, refused.transcript


SOMEONE = b"someone@outside.test"
# What smtpd would make another author of, and what it stores.
NAMES = {
    b"ceo, x <%s>": b'"ceo, x" <%s>',
    b"=?utf-8?Q?M=C3=BCller,_Hans?= <%s>": b"=?utf-8?Q?M=C3=BCller=2C_Hans?= <%s>",
    b'"Foo \\"Bar\\", Inc." <%s>': b"\"Foo 'Bar', Inc.\" <%s>",
    b"Foo: [Bar] <%s>": b'"Foo: [Bar]" <%s>',
    b"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?= <%s>": None,
    "\u5c71\u7530\u3000\u592a <%s>".encode(): None,
    b"Foo <%s >": None,
}


class TestTheAuthorsName:
    @pytest.mark.parametrize("name", NAMES, ids=lambda name: name.decode(errors="replace"))
    def test_it_is_stored_as_one_author(
        self, world: World, signpost: Signpost, name: bytes
    ) -> None:
        token = fresh("name")
        message = letter("NAME", token=token)
        came = message.replace(b"NAME", name % SOMEONE)
        kept = message.replace(b"NAME", (NAMES[name] or name) % SOMEONE)
        arrive(world, signpost, came, token, kept=kept)

    def test_two_are_refused(self, world: World, signpost: Signpost) -> None:
        message = letter("ceo, x <someone@outside.test>, y <ceo@example.org>")
        refused = world.swaks(signpost.v4, source=world.allowed[0], to=ALICE[0], message=message)
        assert refused.code == 550, refused.transcript
