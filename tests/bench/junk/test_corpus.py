"""The corpus of mail that is made: that it is what it says, and that it gives no class away."""

import email
import email.policy
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from email.message import EmailMessage
from functools import cache
from itertools import islice

import pytest

from bench.junk.corpus.disguise import INVISIBLE, SHARES
from bench.junk.corpus.example import Example
from bench.junk.corpus.kinds import COMMON, KINDS, NEVER_TRAINED
from bench.junk.corpus.make import SEEDS, TEST, TRAIN, digest, part_of_corpus

# Of the first 25 messages of each part; bench/junk/corpus/make.py has those of all messages, and
# says what a change means.
FIRST = {
    (1, "train"): "f374fa0300aa6460c12bc2cd2fc51fbf",
    (1, "test"): "cf0df5ab4c77961220122d7a2381b28a",
    (2, "train"): "c032c5bb54dabb75057e50887964bea7",
    (2, "test"): "93585a6e69f429bc8dcb6abb229eb18d",
    (3, "train"): "dd2034850d74a569febc8d313decf4c7",
    (3, "test"): "730d09a058d3a40ecbeacd1a44d6b971",
}
CLASSES = {True: "spam", False: "ham"}
_word = re.compile(r"[^\W_]+")


def parsed(example: Example) -> EmailMessage:
    message = email.message_from_bytes(example.message, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def texts(message: EmailMessage) -> Iterator[str]:
    for part in message.walk():
        if part.get_content_maintype() == "text":
            yield part.get_content()


@cache
def trained() -> tuple[tuple[Example, EmailMessage, str], ...]:
    """What seed 1 trains with: each message, parsed, and all of its text."""
    examples = [(one, parsed(one)) for one in part_of_corpus(1, "train")]
    return tuple((one, message, "\n".join(texts(message))) for one, message in examples)


@pytest.mark.parametrize(("seed", "part"), FIRST)
def test_everybody_measures_with_the_same_messages(seed: int, part: str) -> None:
    assert digest(islice(part_of_corpus(seed, part), 25)).startswith(FIRST[seed, part])


def test_there_are_as_many_as_it_says() -> None:
    assert TRAIN == {"ham": 400, "spam": 200}
    assert min(TEST.values()) >= 1000
    assert SEEDS == (1, 2, 3)
    assert Counter(CLASSES[one.spam] for one, _, _ in trained()) == TRAIN
    assert len({one.message for one, _, _ in trained()}) == len(trained())


@pytest.mark.parametrize("spam", CLASSES)
def test_a_third_of_either_class_is_what_companies_send(spam: bool) -> None:
    kinds = [one.kind for one, _, _ in trained() if one.spam == spam]
    assert set(kinds) >= COMMON == {"receipt", "newsletter", "reset", "invoice"}
    assert sum(kind in COMMON for kind in kinds) >= len(kinds) / 3
    shares = {name: kind.spam if spam else kind.ham for name, kind in KINDS.items()}
    assert sum(shares[name] for name in COMMON) > sum(shares.values()) / 3


@pytest.mark.parametrize("spam", CLASSES)
def test_both_languages_are_written_in_both_classes(spam: bool) -> None:
    languages = Counter(one.language for one, _, _ in trained() if one.spam == spam)
    assert set(languages) == {"de", "en"}
    assert min(languages.values()) > languages.total() / 3


def test_no_topic_is_both_trained_and_held_out() -> None:
    learned = {one.topic.partition("/")[2] for one, _, _ in trained()}
    held_out = {one.topic.partition("/")[2] for one in islice(part_of_corpus(1, "test"), 100)}
    assert len(learned) > 50
    assert not held_out & learned
    assert not NEVER_TRAINED & {one.kind for one, _, _ in trained()}


def test_a_parser_takes_every_message_without_complaint() -> None:
    for example, message, text in trained()[:150]:
        assert b"\r" not in example.message
        assert example.message.partition(b"\n\n")[0].isascii(), example.name
        for part in message.walk():
            assert not part.defects, (example.name, part.defects)
            assert not any(field.defects for field in part.values()), example.name
        assert message["From"].addresses, example.name
        assert message["Date"].datetime, example.name
        assert text, example.name


def in_encoding(name: str) -> Callable[[EmailMessage, str], bool]:
    return lambda message, _: any(
        part["Content-Transfer-Encoding"] == name
        for part in message.walk()
        if part.get_content_maintype() == "text"
    )


def has_part(kind: str) -> Callable[[EmailMessage, str], bool]:
    return lambda message, _: any(part.get_content_type() == kind for part in message.walk())


FORMS: dict[str, Callable[[EmailMessage, str], bool]] = {
    "plain": lambda message, _: message.get_content_type() == "text/plain",
    "HTML only": lambda message, _: message.get_content_type() == "text/html",
    "alternative": has_part("multipart/alternative"),
    "picture": has_part("image/png"),
    "PDF": has_part("application/pdf"),
    "attachment": lambda message, _: any(True for _ in message.iter_attachments()),
    "base64": in_encoding("base64"),
    "quoted-printable": in_encoding("quoted-printable"),
    "8bit": in_encoding("8bit"),
    "List-Unsubscribe": lambda message, _: "List-Unsubscribe" in message,
    "display name": lambda message, _: bool(message["From"].addresses[0].display_name),
    "other reply address": lambda message, _: "Reply-To" in message,
    "quotation": lambda _, text: "\n> " in text or "<blockquote" in text,
    "invisible text": lambda _, text: "display:none" in text,
    "zero width": lambda _, text: any(char in text for char in INVISIBLE),
    "comment in a word": lambda _, text: bool(re.search(r"\w<!--.*?-->\w", text)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_occurs_in_both_classes(form: str) -> None:
    found = {one.spam for one, message, text in trained() if FORMS[form](message, text)}
    assert found == set(CLASSES)


def test_what_is_hostile_is_there() -> None:
    hostile = [(one, message, text) for one, message, text in trained() if one.spam]
    assert any(re.search("[а-я]", text) for _, _, text in hostile)  # noqa: RUF001
    names = [part.get_filename() or "" for _, mail, _ in hostile for part in mail.walk()]
    assert any(name.endswith((".exe", ".js", ".iso", ".docm")) for name in names)
    assert any(one.facts.written_to and one.facts.dmarc != "pass" for one, _, _ in hostile)
    assert any(str(mail["From"].addresses[0].addr_spec) == mail["Delivered-To"]
               for _, mail, _ in hostile)  # fmt: skip
    assert {"salad", "image"} <= {one.kind for one, _, _ in hostile}
    # Nothing of it is a mark of spam: ham does all of that now and then.
    assert all(min(shares) > 0 for shares in SHARES.values())


@pytest.mark.parametrize("fact", ["spf", "dkim", "dmarc", "rdns", "helo", "dnsbl", "first_contact"])
def test_no_fact_gives_a_class_away(fact: str) -> None:
    values = {
        spam: {one.facts.record()[fact] for one, _, _ in trained() if one.spam == spam}
        for spam in CLASSES
    }
    assert values[True] == values[False]
    assert len(values[True]) > 1


def test_facts_agree_with_each_other() -> None:
    for example, _, _ in trained():
        facts = example.facts
        assert (facts.dmarc == "none") == (facts.dmarc_policy == ""), example.name
        assert (facts.rdns == "none") == (facts.rdns_name == ""), example.name
        if facts.dmarc == "pass":
            assert "pass" in (facts.spf, facts.dkim), example.name
        assert not (facts.dmarc == "fail" and facts.dmarc_policy == "reject"), example.name


def test_much_spam_is_authenticated_and_some_ham_is_not() -> None:
    passed = {
        spam: [one.facts.dmarc == "pass" for one, _, _ in trained() if one.spam == spam]
        for spam in CLASSES
    }
    assert sum(passed[True]) > len(passed[True]) / 4
    assert sum(passed[False]) < len(passed[False]) * 0.9


def features(example: Example, message: EmailMessage, text: str) -> set[str]:
    """Everything that a filter could hold on to: words, field names, types, characters, tags."""
    head = example.message.partition(b"\n\n")[0].decode()
    found = {f"field {line.partition(':')[0]}" for line in head.splitlines() if line[0] > " "}
    found |= {word.lower() for word in _word.findall(f"{head}\n{message['Subject']}\n{text}")}
    for part in message.walk():
        found.add(f"type {part.get_content_type()}")
        found.add(f"charset {part.get_content_charset()}")
        found.add(f"encoding {part['Content-Transfer-Encoding']}")
    found |= {f"character {char}" for char in set(text)}
    found |= {f"tag {tag}" for tag in re.findall(r"<[a-z]+ [a-z]+", text)}
    found |= {
        f"{name} {value}"
        for name, value in example.facts.record().items()
        if name not in {"mail_from", "client_address", "helo_name", "rdns_name"}
    }
    return found


def of_one_class_alone(
    messages: Iterable[tuple[Example, EmailMessage, str]], share: float
) -> dict[str, int]:
    """What more than this share of one class has and nothing of the other."""
    counts: dict[bool, Counter[str]] = {True: Counter(), False: Counter()}
    sizes: Counter[bool] = Counter()
    for example, message, text in messages:
        sizes[example.spam] += 1
        counts[example.spam].update(features(example, message, text))
    return {
        f"{name}: {feature}": count
        for spam, name in CLASSES.items()
        for feature, count in counts[spam].items()
        if count > share * sizes[spam] and not counts[not spam][feature]
    }


def test_nothing_frequent_stands_in_one_class_alone() -> None:
    # In so few, chance alone keeps a rarer word out of the other class now and then.
    assert not of_one_class_alone(trained(), 0.15)


@pytest.mark.reliability
def test_nothing_stands_in_one_class_alone_in_all_of_it() -> None:
    everything = (
        (one, message, "\n".join(texts(message)))
        for seed in SEEDS
        for part in ("train", "test")
        for one in part_of_corpus(seed, part)
        for message in [parsed(one)]
    )
    assert not of_one_class_alone(everything, 0.02)


def test_messages_are_not_copies_of_each_other() -> None:
    lines: Counter[str] = Counter()
    words: set[str] = set()
    for _, _, text in trained():
        words |= {word.lower() for word in _word.findall(text)}
        lines.update({line.strip() for line in text.splitlines() if len(line.split()) > 6})
    repeated = sum(count for count in lines.values() if count > 1)
    assert len(words) > 10_000
    assert repeated < lines.total() * 0.1, repeated / lines.total()
