"""What proves that a stack has verified a message: each stack's own fields, and none that say less.

The fields are those that each stack wrote in a run.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bench import junk_filter
from bench.end_to_end import stored
from bench.end_to_end.letters import Letter
from bench.end_to_end.stacks import PostfixOpenDkim, PostfixRspamd, Signpost, Stack

LETTER = Letter(0, "alice@d0.example", "bob@example.org", b"")
SIGNPOST = """\
Authentication-Results: mail.example.org; iprev=pass (client.example.net)
 policy.iprev=192.0.2.30; spf=pass reason="matched include:_spf.d0.example"
 smtp.mailfrom=alice@d0.example; dkim=pass header.d=d0.example header.i=@d0.example
 header.s=bench header.a=rsa-sha256 header.b=lI1lhItT; dmarc=pass (p=none dis=none)
 reason="aligned: DKIM for d0.example, SPF for d0.example" header.from=d0.example
"""
JUNK = "X-Signpost-Junk: no score=-2.7 threshold=5.0 (words 0.203; known author)\n"
OPENDKIM = """\
Authentication-Results: mail.example.org; dmarc=pass (p=none dis=none) header.from=d0.example
Authentication-Results: mail.example.org;
 dkim=pass (2048-bit key; unprotected) header.d=d0.example header.i=@d0.example
 header.a=rsa-sha256 header.s=bench header.b=LY4z2M8Y; dkim-atps=neutral
Received-SPF: Pass (mailfrom) identity=mailfrom; client-ip=192.0.2.30;
 helo=client.example.net; envelope-from=alice@d0.example; receiver=example.org
"""
RSPAMD = """\
Authentication-Results: mail.example.org;
 dkim=pass header.d=d0.example header.s=bench header.b="wCzF/MQe";
 spf=pass (mail.example.org: domain of alice@d0.example designates 192.0.2.30 as permitted
 sender) smtp.mailfrom=alice@d0.example; dmarc=pass (policy=none) header.from=d0.example
"""
WRITTEN: tuple[tuple[type[Stack], str], ...] = (
    (Signpost, SIGNPOST),
    (junk_filter.Without, SIGNPOST),
    (junk_filter.With, JUNK + SIGNPOST),
    (PostfixOpenDkim, OPENDKIM),
    (PostfixRspamd, RSPAMD),
)
# At an address at which anyone may appear, Signpost's own says `spf=none`.
LESS = ("none", "fail", "temperror")


def check(folder: Path, stack: type[Stack], header: str) -> None:
    path = folder / "new/letter"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{header}Message-ID: <letter-0000000@d0.example>\n\nText.\n")
    stored.check(stored.look(folder), [LETTER], stack.proof)


@pytest.mark.parametrize(("stack", "header"), WRITTEN)
def test_what_was_verified_is_proof(tmp_path: Path, stack: type[Stack], header: str) -> None:
    check(tmp_path, stack, header)


@pytest.mark.parametrize("less", LESS)
@pytest.mark.parametrize("method", ["spf", "dkim", "dmarc"])
@pytest.mark.parametrize(("stack", "header"), WRITTEN)
def test_nothing_less_is(
    tmp_path: Path, stack: type[Stack], header: str, method: str, less: str
) -> None:
    field = (
        "Received-SPF: Pass" if (stack, method) == (PostfixOpenDkim, "spf") else f"{method}=pass"
    )
    changed = re.sub(field, field[: -len("pass")] + less, header)
    assert changed != header
    with pytest.raises(RuntimeError, match="no b'"):
        check(tmp_path, stack, changed)


def test_a_verdict_about_words_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="X-Signpost-Junk"):
        check(tmp_path, junk_filter.With, SIGNPOST)


def test_another_domain_s_signature_is_none_of_the_author_s(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="dkim=pass"):
        check(tmp_path, Signpost, SIGNPOST.replace("header.d=d0.example", "header.d=d1.example"))
