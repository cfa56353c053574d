"""Which senders smtpd can rewrite: against its own srs.c, said in Python."""

from __future__ import annotations

import itertools

import pytest

from filters.srs import can_rewrite

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
