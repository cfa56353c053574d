"""A message that cannot be read is stored all the same, and costs its neighbours nothing."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from entrypoint.test_target.api import message
from entrypoint.test_target.messages.content import read_message
from entrypoint.test_target.messages.html import text_of_html
from entrypoint.test_target.messages.links import links_of
from entrypoint.test_target.messages.received import ReceivedMessage
from entrypoint.test_target.store import adding
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.storing import Storing
from tests.entrypoint.test_target.mails import mail

HTML = "Content-Type: text/html\r\n"
DIGITS = "9" * 5_000


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (f"a&#{DIGITS};b", "a\ufffdb"),
        (f"a&#{DIGITS}", "a\ufffd"),
        (f"a&#x{'f' * 5_000};b", "a\ufffdb"),
        (f"a&#{'0' * 5_000};b", "a\ufffdb"),
        (f"&#{'0' * 5_000}65;&#x{'0' * 20}41;", "AA"),
        ("&#9999999;&#x110000;", "\ufffd\ufffd"),
        ("&#65;&#x1F600;&amp;&#0000065 &#;", "A\N{GRINNING FACE}&A &#;"),
    ],
)
def test_numbers_of_characters(source: str, text: str) -> None:
    assert text_of_html(source, links=False) == text
    (link,) = links_of("", f'<a href="https://x.example/{source}">')
    assert link.url.startswith("https://x.example/" + text[:1])


@pytest.mark.parametrize("html", [f"<p>&#{DIGITS};</p>", f'<a href="&#{DIGITS};">x</a>'])
def test_a_long_number_is_stored_with_its_neighbours(tmp_path: Path, html: str) -> None:
    results = stored(tmp_path, [mail("one"), mail(html, header=HTML), mail("two")])
    assert [type(result) for result in results] == [str, str, str]


def test_what_cannot_be_stored_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    # No SQLite text holds half a character.
    results = stored(tmp_path, [mail("one"), mail("no", sender="\udcff@a.example"), mail("two")])
    assert [type(result) for result in results] == [str, UnicodeEncodeError, str]


def test_who_waits_no_more_costs_its_neighbours_nothing(tmp_path: Path) -> None:
    async def case(storing: Storing, mailbox: Mailbox) -> list[Any]:
        tasks = [
            asyncio.create_task(storing.store(each))
            for each in (mail("first"), mail("no", sender="\udcff@a.example"), mail("two"))
        ]
        tasks += [asyncio.create_task(storing.store(mail("three"))) for _ in range(2)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    results = with_storing(tmp_path, case)
    assert [type(result) for result in results] == [str, asyncio.CancelledError, str, str, str]


@pytest.mark.parametrize("place", ["read_message", "summarise"])
def test_what_cannot_be_read_is_stored_as_its_bytes(
    tmp_path: Path,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault of the parsers that nobody knows yet."""
    real = getattr(adding, place)

    def faulty(first: Any, *rest: Any) -> Any:
        content = rest[0] if rest else read_message(first)
        if content.text == "bad\n":
            raise RecursionError("as deep as that")
        return real(first, *rest)

    monkeypatch.setattr(adding, place, faulty)
    bad = mail("bad", subject="unseen")

    async def case(storing: Storing, mailbox: Mailbox) -> list[Any]:
        identities = await asyncio.gather(*map(storing.store, (mail("one"), bad, mail("two"))))
        return [await mailbox.load(identity) for identity in identities]

    with caplog.at_level(logging.WARNING):
        one, plain, two = with_storing(tmp_path, case)
    assert plain.raw == bad.raw
    assert plain.summary["Subject"] == plain.summary["Snippet"] == ""
    assert plain.summary["Extra"]["Envelope"]["To"] == ["bob@b.example"]
    assert one.summary["Subject"] == two.summary["Subject"] == "a subject"
    (record,) = caplog.records
    assert "RecursionError: as deep as that" in record.getMessage()
    assert plain.identity in record.getMessage()


def test_what_cannot_be_read_is_shown_as_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(raw: bytes) -> Any:
        raise RecursionError

    async def case(storing: Storing, mailbox: Mailbox) -> list[Any]:
        found = await mailbox.load(await storing.store(mail("bad")))
        assert found is not None
        return [await message.in_content(found, lambda content: (content.text, content.inline))]

    monkeypatch.setattr(message, "read_message", faulty)
    assert with_storing(tmp_path, case) == [("", ())]


def stored(directory: Path, messages: list[ReceivedMessage]) -> list[Any]:
    """What becomes of each; they go together."""

    async def case(storing: Storing, mailbox: Mailbox) -> list[Any]:
        return list(await asyncio.gather(*map(storing.store, messages), return_exceptions=True))

    return with_storing(directory, case)


def with_storing(
    directory: Path, case: Callable[[Storing, Mailbox], Coroutine[Any, Any, list[Any]]]
) -> list[Any]:
    async def run() -> list[Any]:
        mailbox = Mailbox(directory / "store.db")
        try:
            return await asyncio.wait_for(case(Storing(mailbox), mailbox), 20)
        finally:
            mailbox.close()

    return asyncio.run(run())
