"""Which senders smtpd can rewrite: against its own srs.c, said in Python."""

from __future__ import annotations

import base64
import hashlib
import itertools
import random
from pathlib import Path

import pytest

from filters.srs import DAYS, RewrittenSenders, can_rewrite

SIZE = 256


def _printed(text: str) -> str | None:
    """What snprintf leaves in a buffer of SIZE; None where smtpd gives up."""
    return text if len(text) < SIZE else None


def rewritten(sender: str, ours: str) -> str | None:
    """srs_encode of OpenSMTPD 7.6.0p1 with HHHH as each hash and TT as the time; None where it
    returns its argument, or what lies within it.
    """
    if sender[:5].lower() == "srs0=":
        local, _, domain = sender[5:].rpartition("@")
        text = _printed(f"{domain}=={local}@{ours}")
        return None if text is None else _printed(f"SRS1=HHHH={text}")
    if sender[:5].lower() == "srs1=":
        local, _, _ = sender[5:].rpartition("@")
        text = _printed(f"{local}@{ours}")
        if text is None or len(text) < 5 or text[4] not in "=+-":
            return None
        return _printed(f"SRS1=HHHH={text[5:]}")
    local, _, domain = sender.rpartition("@")
    text = _printed(f"TT={domain}={local}@{ours}")
    return None if text is None else _printed(f"SRS0=HHHH={text}")


PREFIXES = [
    "",
    "SRS0=",
    "srs0=HHHH=TT=",
    "SRS1=",
    "Srs1=HHHH=",
    "SRS1=HHHH+",
    "SRS1=HHHH-",
    "SRS2=",
]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("ours", ["e.org", "x" * 120, "x" * 235, "x" * 253])
@pytest.mark.parametrize("domain", ["d.test", "y" * 100, "y" * 253])
def test_as_smtpd_itself_would(prefix: str, ours: str, domain: str) -> None:
    seen = set()
    for size in range(256):
        sender = f"{prefix}{'l' * size}@{domain}"
        fits = rewritten(sender, ours) is not None
        assert can_rewrite(sender, ours) is fits, sender
        seen.add(fits)
    assert False in seen


@pytest.mark.parametrize(
    ("local", "domain", "ours", "fits"),
    [
        (20, 200, 11, True),
        (64, 160, 11, True),
        (20, 209, 11, True),
        (20, 210, 11, False),
        (64, 180, 11, False),
        (1, 230, 11, False),
        (1, 1, 238, True),
        (1, 2, 238, False),
    ],
)
def test_senders_that_were_seen_on_smtpd(local: int, domain: int, ours: int, fits: bool) -> None:
    assert can_rewrite(f"{'l' * local}@{'d' * domain}", "o" * ours) is fits


@pytest.mark.parametrize(
    "rest", ["", "a", "abcd", "abcde", "HHHH=", "HHHHx=a==b", "=====", "a=b=c"]
)
def test_an_srs1_sender_without_a_hash(rest: str) -> None:
    for ours in ("", "e.org", "-.org", "a-b.example"):
        assert can_rewrite(f"SRS1={rest}@c.test", ours) is (
            rewritten(f"SRS1={rest}@c.test", ours) is not None
        )


def test_the_null_sender_is_never_rewritten() -> None:
    assert all(can_rewrite("", "o" * size) for size in itertools.chain((0, 253), (255, 400)))


# -- bounces to rewritten senders --------------------------------------------------------------

SECRET = "0123456789abcdef"
TODAY = 20_780
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
OURS = "example.org"


def stamp(day: int) -> str:
    return BASE32[day % 1024 >> 5] + BASE32[day & 31]


def hash_of(text: str, secret: str = SECRET) -> str:
    return base64.urlsafe_b64encode(hashlib.sha1((secret + text).encode()).digest())[:4].decode()


def srs0(sender: str, ours: str = OURS, *, day: int = TODAY, secret: str = SECRET) -> str:
    """srs0_encode of OpenSMTPD 7.6.0p1."""
    local, _, domain = sender.rpartition("@")
    text = f"{stamp(day)}={domain}={local}@{ours}"
    return f"SRS0={hash_of(text, secret)}={text}"


def srs1(sender: str, ours: str = OURS) -> str:
    """srs1_encode_srs0 and srs1_encode_srs1."""
    local, _, domain = sender[5:].rpartition("@")
    text = f"{domain}=={local}@{ours}" if sender[3] == "0" else f"{local[5:]}@{ours}"
    return f"SRS1={hash_of(text)}={text}"


def senders(today: int = TODAY, secret: str = SECRET) -> RewrittenSenders:
    return RewrittenSenders(secret, lambda: today * 86_400 + 3_600)


OUT = "someone@outside.test"
FAR = "SRS0=aB3/=" + stamp(TODAY - 1) + "=start.test=x-1@mid.test"
FURTHER = "SRS1=zZz+=mid.test==aB3/=" + stamp(TODAY) + "=start.test=x@third.test"
OTHER_SEPARATORS = "SRS0=Q9q8+" + stamp(TODAY) + "-start.test=x=y@mid.test"


@pytest.mark.parametrize(
    ("made", "sender"),
    [
        *((srs0(each), each) for each in (OUT, "a=b+c-d@outside.test", "1@xn--bcher-kva.test")),
        *((srs1(each), each) for each in (FAR, OTHER_SEPARATORS)),
        (srs1(FURTHER), f"SRS0=aB3/={stamp(TODAY)}=start.test=x@mid.test"),
    ],
)
def test_an_address_that_was_sent_in_small_letters_is_restored(made: str, sender: str) -> None:
    local, _, domain = made.rpartition("@")
    told = senders()
    assert told.sender(made) == sender
    assert told.sender(made) is not None
    assert told.restored(made) == made
    for spelled in (
        made.lower(),
        made.upper(),
        f"{local.lower()}@{domain}",
        f"{local}@{domain.upper()}",
        f"{local}@Example.Org",
        made.lower().replace("srs", "Srs"),
        f"{local.lower()}@{domain.upper()}",
    ):
        assert told.restored(spelled) == made, spelled
        assert spelled == made or told.sender(spelled) is None
    # smtpd takes no notice of the tag's capitals, nor of the separator behind the hash.
    assert told.sender("srs" + made[3:]) == told.sender(made)
    assert told.restored(made[:9] + "+" + made[10:]) == made
    assert told.sender(made[:9] + "-" + made[10:]) == told.sender(made)


@pytest.mark.parametrize("sender", ["Some.One@outside.test", "someone@Outside.test"])
def test_the_capitals_of_the_sender_are_lost(sender: str) -> None:
    made, told = srs0(sender), senders()
    assert told.sender(made) is not None
    assert told.restored(made.replace("@example.org", "@EXAMPLE.ORG")) == made
    assert told.restored(made.lower()) is None
    assert told.restored(made.upper()) is None


def test_what_never_was_a_rewritten_sender_here() -> None:
    told = senders()
    good = srs0(OUT)
    for wrong in (
        *("", "someone@outside.test", "srs0@example.org", "SRS0=@example.org", "srs0=abcd=@x"),
        srs0(OUT, secret="another-secret"),
        good.replace("someone", "victim"),
        good.replace("outside.test", "victim.test"),
        good.replace("example.org", "example.net"),
        good.replace("SRS0=", "SRS1="),
        good.replace("SRS0=", "SRS2="),
        good.replace("SRS0=", "SRS0+"),
        good.replace("SRS0=", "SRS0=="),
        f'"{good}"',
        srs1(FAR).replace("mid.test", "victim.test"),
        srs1("SRS0=abcdef=" + stamp(TODAY) + "=a.test=x@mid.test"),
        srs1("SRS0=abcd=a.test=x@mid.test"),
        f"SRS0={hash_of('x@example.org')}=x@example.org",
        f"SRS0={hash_of('')}=",
        "SRS0=\u0130\u0131\u017f\u212a=" + good[10:],
    ):
        assert told.sender(wrong) is None, wrong
        assert told.restored(wrong) is None, wrong
        assert told.restored(wrong.lower()) is None, wrong


@pytest.mark.parametrize("today", [TODAY, 1024 * 20, 1024 * 20 + 5, 1024 * 21 - 1])
def test_how_long_a_rewritten_sender_takes_bounces(today: int) -> None:
    told = senders(today)
    for age in range(-40, 60):
        for made in (srs0(OUT, day=today - age), srs1(FAR.replace(FAR[10:12], stamp(today - age)))):
            assert (told.sender(made) is not None) is (-1 <= age <= DAYS), age
            assert (told.restored(made.lower()) == made) is (-1 <= age <= DAYS), age


def test_smtpd_has_the_same_days() -> None:
    template = Path(__file__).parents[2] / "templates/smtpd.conf.j2"
    assert f"\nsrs ttl {DAYS}d\n" in template.read_text("utf-8")


def test_any_capitals_of_the_hash_are_found() -> None:
    """Among many senders every spelling of a hash occurs."""
    told, chooser = senders(), random.Random(1)
    for number in range(500):
        made = srs0(f"user{number}@outside.test")
        spelled = "".join(chooser.choice((char.lower(), char.upper())) for char in made)
        assert told.restored(spelled) == made
