"""Whatever is searched for, the file's answer is that of a plain look at each message."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from entrypoint.test_target.messages.content import read_message
from entrypoint.test_target.search.parse import MOST_CHARACTERS, QueryError, parse_query
from entrypoint.test_target.search.record import SearchRecord, matches
from entrypoint.test_target.shapes.summary import summarise
from entrypoint.test_target.store import indexing, occurrences
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.store.reading import Selection
from tests.entrypoint.test_target.mails import RECEIVED, mail

MAILS = [
    mail(
        text,
        subject=subject,
        to=to,
        header=header,
        run=run,
        received=RECEIVED + timedelta(hours=number),
        recipients=("bob@b.example", f"hidden{number}@h.example"),
    )
    for number, (text, subject, to, header, run) in enumerate(
        [
            ("Reset your password now", "Reset your password", "bob@b.example", "", "one"),
            (
                "reset, password",
                "=?utf-8?q?Gr=C3=BC=C3=9Fe?=",
                '"B, B" <bob+news@b.example>',
                "",
                "",
            ),
            ("ΟΔΟΣ ΟΔΟΣΑ İstanbul", "ΟΔΟΣ", "bob@b.example", "Cc: c@c.example\r\n", "ONE"),
            ("100% _under_ 'q' \"dq\"", "%_%", "bob@b.example", "X-Tags: News, b\r\n", "two"),
            ("x" * 9000, "-minus !bang", "bob@b.example", "Reply-To: r@r.example\r\n", "two"),
            ("a\x00b aaaaaaaa", "a:b subject:x", "undisclosed:;", "Bcc: b@b.example\r\n", ""),
            ("", "", "bob@b.example", "Message-ID: <M.1@a.example>\r\n", "one"),
        ]
    )
]
WORDS = st.one_of(
    st.sampled_from(
        [
            *("reset", "pass", "word", "b", "%", "_", "'", "aaa", "grüß", "οδοσ", "i̇stan", "xxxx"),
            *("example", "bob@b.example", "hidden3@h.example", "news", "m.1@a", "one", "two"),
            *(
                "2026-03-01T14:00:00Z",
                "2026-03-01",
                "1k",
                "100",
                "0",
                "attachment",
                "read",
                "unread",
            ),
        ]
    ),
    st.text(max_size=12),
)
PREFIXES = st.sampled_from(
    [
        *("", "", "to:", "from:", "cc:", "bcc:", "reply-to:", "addressed:", "subject:", "tag:"),
        *("message-id:", "is:", "has:", "after:", "before:", "larger:", "smaller:", "run:"),
        *("addressed-exactly:", "SUBJECT:", "nothing:"),
    ]
)
TERMS = st.builds(
    lambda sign, prefix, word, quoted: sign + (f'{prefix}"{word}"' if quoted else prefix + word),
    st.sampled_from(["", "", "-", "!"]),
    PREFIXES,
    WORDS,
    st.booleans(),
)
QUERIES = st.one_of(st.lists(TERMS, max_size=5).map(" ".join), st.text(max_size=60))


class _Searched:
    """A mailbox of MAILS, searched from outside its loop."""

    def __init__(self, path: Path) -> None:
        self._runner = asyncio.Runner()
        self.mailbox = self._runner.run(self._filled(path))
        ids = self._runner.run(self._ids())
        self.records: dict[str, SearchRecord] = {
            identity: summarise(message, read_message(message.raw), identity).record
            for identity, message in zip(ids, MAILS, strict=True)
        }

    async def _filled(self, path: Path) -> Mailbox:
        mailbox = Mailbox(path)
        await mailbox.add(MAILS)
        async with asyncio.timeout(10):
            while await mailbox.index_lag():
                await asyncio.sleep(0)
        return mailbox

    async def _ids(self) -> list[str]:
        found = await self.mailbox.find(Selection(), 0, 100)
        return [item["ID"] for item in reversed(found.items)]

    def find(self, query: str) -> tuple[list[str], int]:
        found = self._runner.run(self.mailbox.find(Selection(parse_query(query)), 0, 100))
        return [item["ID"] for item in found.items], found.matching

    def close(self) -> None:
        self.mailbox.close()
        self._runner.close()


# Messages of a block, and from how many matches on those that do not match may be named.
@pytest.fixture(
    scope="module",
    params=[(3, 10_000), (2, 1), (1_024, 10_000)],
    ids=["indexed", "others named", "not indexed"],
)
def searched(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[_Searched]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "SPAN", request.param[0])
        patch.setattr(occurrences, "_MANY", request.param[1])
        searched = _Searched(tmp_path_factory.mktemp("store") / "store.db")
        yield searched
        searched.close()


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(query=QUERIES)
@example(query='subject:"a:b"')
@example(query="οδοσα")
@example(query='"" - ! "')
@example(query="-aaa")
@example(query="after:2026-03-01T13:00:00Z -before:99999999999999999999")
@example(query="larger:999999999999999.9m")
@example(query='subject:"""')
@example(query="\ud800 \x00 abc\x00def")
@example(query="run:ONE -run:two")
def test_the_store_finds_what_a_look_at_each_message_finds(searched: _Searched, query: str) -> None:
    parsed = parse_query(query)
    expected = [
        identity
        for identity, record in reversed(searched.records.items())
        if matches(parsed, record)
    ]
    assert searched.find(query) == (expected, len(expected))


def test_a_query_that_is_too_long_is_refused_with_the_bound() -> None:
    with pytest.raises(QueryError, match=f"{MOST_CHARACTERS} characters"):
        parse_query("x" * (MOST_CHARACTERS + 1))
    with pytest.raises(QueryError, match="100 terms"):
        parse_query("xyz " * 101)
