"""The corpus of a seed: kind, topic, sender and words of each message, drawn in that order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from bench.junk.corpus.attachments import attachment, calendar, picture
from bench.junk.corpus.disguise import disguised, disguises
from bench.junk.corpus.draw import Draw
from bench.junk.corpus.example import Example
from bench.junk.corpus.headers import header
from bench.junk.corpus.kinds import KINDS, NEVER_TRAINED, Kind
from bench.junk.corpus.letter import Letter, Paragraph, Writer
from bench.junk.corpus.markup import plain, rich
from bench.junk.corpus.mime import Part, multipart, text_part
from bench.junk.corpus.sender import Sender, ham_sender, spam_sender
from bench.junk.corpus.world import worlds

# Of all messages of a seed, those to train with first. Whoever changes a word, a share or the order
# of two draws changes what every figure was measured with, and is to measure all of them again.
DIGESTS = {
    1: "fc4207622423757262b3ccfc821b38df4137418d24c0c7b4f355038aa025fef1",
    2: "c73b60b15f304a10e870f156377a289bc85f4c55c8f8ffc5c6f7ae5faad369ac",
    3: "d85ea3780d0c657064c9b969fada048bdf56261b7af6f91f5f82141618f60107",
}
SEEDS = tuple(DIGESTS)
TRAIN = {"ham": 400, "spam": 200}
TEST = {"ham": 1000, "spam": 1000}
GERMAN = (0.58, 0.45)
# Layouts of mail of people and of companies, in ham and in spam.
LAYOUTS = {
    "person": (
        {"plain": 62, "alternative": 28, "html": 6, "picture": 4},
        {"plain": 48, "alternative": 27, "html": 20, "picture": 5},
    ),
    "company": (
        {"plain": 15, "alternative": 52, "html": 28, "picture": 5},
        {"plain": 14, "alternative": 34, "html": 43, "picture": 9},
    ),
}
PERSONAL = {"thread", "list", "cron", "fortune", "seo", "dating", "salad", "invitation"}
ENCODINGS = (
    {"quoted-printable": 44, "7bit": 22, "8bit": 20, "base64": 14},
    {"quoted-printable": 40, "7bit": 18, "8bit": 16, "base64": 26},
)


def part_of_corpus(seed: int, part: str) -> Iterator[Example]:
    """Messages of `train` or of `test`, in order of time and mixed as they would arrive."""
    sizes = {"train": TRAIN, "test": TEST}[part]
    labels = Draw("order", seed, part).shuffled(
        [spam for name, count in sizes.items() for spam in [name == "spam"] * count]
    )
    for number, spam in enumerate(labels):
        yield _example(seed, part, spam, number, number * 500 // len(labels))


def digest(examples: Iterable[Example]) -> str:
    """One value for all that they are."""
    total = hashlib.sha256()
    for example in examples:
        total.update(repr((example.name, example.spam, example.facts.record())).encode())
        total.update(example.message)
    return total.hexdigest()


def _example(seed: int, part: str, spam: bool, number: int, when: int) -> Example:
    draw = Draw("message", seed, part, number, spam)
    world = worlds(seed)[part == "test"]
    weights = {
        name: (rules.spam if spam else rules.ham)
        for name, rules in KINDS.items()
        if part == "test" or name not in NEVER_TRAINED
    }
    kind = draw.weighted(weights)
    rules = KINDS[kind]
    brand = draw.one(world.brands) if rules.about == "brand" else None
    theme = brand.theme if brand else draw.one(
        world.themes if rules.about == "theme" else world.campaigns
    )  # fmt: skip
    topic = brand.name if brand else theme
    german = draw.chance(GERMAN[spam])
    if brand and draw.chance(0.9):
        german = brand.language == "de"
    language = "de" if german else "en"
    sender = (spam_sender if spam else ham_sender)(draw, world, kind, topic, brand)
    writer = Writer(draw, world, sender, spam=spam, language=language, topic=topic, theme=theme)
    how = disguises(draw, spam)
    letter = writer.letter(kind, rules)
    if "hidden" in how:
        at = draw.one((0, len(letter.paragraphs)))
        before, after = letter.paragraphs[:at], letter.paragraphs[at:]
        letter = letter._replace(paragraphs=(*before, writer.hidden(), *after))
    root = _body(draw, sender, letter, kind, rules, spam, how)
    # Held-out mail is later than what was trained with.
    moment = when + (500 if part == "test" else 0)
    head = header(draw, sender, _subject(draw, letter, how), root, spam=spam, number=moment)
    name = f"{part}-{number:04}"
    label = f"{kind}/{topic}"
    return Example(
        name, spam, kind, label, language, sender.facts, head.encode() + b"\n" + root.body
    )


def _subject(draw: Draw, letter: Letter, how: frozenset[str]) -> str:
    """The subject, disguised half as often as the text."""
    return disguised(draw, letter.subject, how) if draw.chance(0.5) else letter.subject


def _body(
    draw: Draw,
    sender: Sender,
    letter: Letter,
    kind: str,
    rules: Kind,
    spam: bool,
    how: frozenset[str],
) -> Part:
    who = "person" if kind in PERSONAL else "company"
    layout = "picture" if kind == "image" else draw.weighted(LAYOUTS[who][spam])
    encoding = draw.weighted(ENCODINGS[spam])
    charset = draw.weighted({"utf-8": 8, "iso-8859-1": 2, "us-ascii": 1, "windows-1252": 0.7})
    paragraphs = tuple(
        Paragraph(role, text if role in {"hidden", "small"} else disguised(draw, text, how))
        for role, text in letter.paragraphs
    )
    if layout == "picture" and draw.chance(0.5 if kind == "image" else 0.25):
        paragraphs = paragraphs[-2:]  # the picture says the rest

    def text(form: str) -> Part:
        style = Draw("style", sender.style)
        if form == "plain":
            body = plain(paragraphs, style)
        else:
            body = rich(paragraphs, style, draw, how)
            if layout == "picture":
                body = body.replace("</body>", '<img src="cid:picture" alt=""></body>')
        return text_part(draw, body, form, charset, encoding)

    if layout in {"plain", "html"}:
        root = text(layout)
    elif layout == "alternative":
        root = multipart(draw, "alternative", (text("plain"), text("html")))
    else:
        root = multipart(draw, "related", (text("html"), picture(draw)), '; type="text/html"')
    extra = [
        calendar(draw, letter)
        if kind == "invitation" and draw.chance(0.7)
        else attachment(draw, spam)
        for _ in range(draw.chance(rules.attachment[spam]))
    ]
    return multipart(draw, "mixed", (root, *extra)) if extra else root
