"""What a test gets: a run of its own, and what belongs to it."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from pytest_signpost.api import Api, SignpostError
from pytest_signpost.fault import OF_A_RUN, Fault, Phase, step
from pytest_signpost.message import Message
from pytest_signpost.server import Server, Smtp

TIMEOUT = 10.0  # seconds


class NoMessageError(AssertionError):
    """A wait was in vain; the text says what has arrived instead."""


class UnexpectedMessageError(AssertionError):
    """A message that must not come has come."""


class Mailbox:
    """The messages, the DNS zone and the faults of one run, which nobody else has.

    A message is of this run if its first recipient is in the domain `run` (`address("alice")`), or
    has it as its sub-address (`address("alice", "shop.example")`), or if its header has it as
    X-Test-Run.
    """

    def __init__(self, server: Server, run: str) -> None:
        self.server = server
        self.run = run
        self._of_everyone: list[Fault] = []

    # -- where to send, and to whom ---------------------------------------------------------

    @property
    def smtp(self) -> Smtp:
        """Host and port; any login is right, with TLS and without."""
        return self.server.smtp

    @property
    def smtp_url(self) -> str:
        """Such as smtp://127.0.0.1:1025."""
        return self.smtp.url

    def address(self, name: str = "user", domain: str | None = None) -> str:
        """One of this run. In a domain of your own it is `name+RUN@domain`."""
        return f"{name}+{self.run}@{domain}" if domain else f"{name}@{self.run}"

    # -- what has arrived -------------------------------------------------------------------

    def wait(self, *, timeout: float = TIMEOUT, **wanted: str) -> Message:
        """The newest message that fits, as soon as there is one; NoMessageError if none comes.

        wanted: subject, sender, text (each a part of it), to (a whole address, or the name of
        one of this run), query (a search as of the API). All that is given has to fit.
        """
        __tracebackhide__ = True
        return self._wait(1, timeout, wanted)[0]

    def wait_all(self, count: int, *, timeout: float = TIMEOUT, **wanted: str) -> list[Message]:
        """All messages that fit, the oldest first, as soon as there are so many or more."""
        __tracebackhide__ = True
        return self._wait(count, timeout, wanted)[::-1]

    def expect_none(self, *, within: float = 1.0, **wanted: str) -> None:
        """UnexpectedMessageError at once if a message comes that fits."""
        __tracebackhide__ = True
        try:
            found = self._ask(1, within, wanted)
        except NoMessageError:
            return
        raise UnexpectedMessageError(
            f"{_said(wanted)} has come to the run {self.run}:\n{_listing(found)}"
        )

    def messages(self, **wanted: str) -> list[Message]:
        """Those that fit by now, the oldest first."""
        query = self._query(wanted)
        path = "/api/v1/search" if query else "/api/v1/messages"
        found = self._api.json("GET", path, query=query or None, run=self.run, limit=10_000)
        return self._loaded(found["messages"])[::-1]

    def clear(self) -> None:
        """Delete the run's messages, such as those of a first step."""
        self._api.bytes("DELETE", "/api/v1/messages", run=self.run)

    # -- what shall hold --------------------------------------------------------------------

    def zone(self, zone: Mapping[str, Any] | None) -> None:
        """What DNS says for messages of this run; all other names do not exist. None: as before.

        `{"shop.example": {"TXT": ["v=spf1 -all"], "MX": [[10, "mail.shop.example"]]},
        "broken.example": "SERVFAIL"}`, or TIMEOUT, or NODATA. It holds when this returns.
        """
        if zone is None:
            self._api.bytes("DELETE", "/api/v1/dns", run=self.run)
        else:
            self._api.bytes("PUT", "/api/v1/dns", run=self.run, body=dict(zone))

    def fault(
        self,
        reply: str | None = None,
        *,
        at: Phase = "rcpt-to",
        times: int = 1,
        delay: float = 0.0,
        disconnect: bool = False,
        greylist: float | None = None,
        dsn: str | None = None,
        dsn_after: float = 0.0,
        script: Sequence[Mapping[str, Any]] = (),
        repeat: bool = False,
        everyone: bool = False,
        **match: str,
    ) -> Fault:
        """Let the next commands of this run fail; afterwards they succeed again.

        reply: such as "451 4.7.1 try again later". at: the phase; "message" is the final dot,
        "accepted" is behind the 250. match: sender, recipient, client, login, with `*` and `?`.
        script: several steps, with the names of the arguments before it. everyone: of all runs,
        until this test ends. It holds when this returns.
        """
        if at not in OF_A_RUN and not everyone:
            raise ValueError(
                f"at {at!r} no recipient is known, so no run: use another phase, or everyone=True"
            )
        steps = [dict(each) for each in script] or [
            step(
                times=times,
                reply=reply,
                delay=delay,
                disconnect=disconnect,
                greylist=greylist,
                dsn=dsn,
                dsn_after=dsn_after,
            )
        ]
        unknown = match.keys() - {"sender", "recipient", "client", "login"}
        if unknown:
            raise TypeError(f"a fault does not match {', '.join(sorted(unknown))}")
        run = None if everyone else self.run
        body = {"run": run, "match": {"phase": at, **match}, "script": steps, "repeat": repeat}
        fault = Fault(self._api, self._api.json("POST", "/api/v1/faults", body=body))
        if everyone:
            self._of_everyone.append(fault)
        return fault

    def clear_faults(self) -> None:
        """What this test has asked for fails no more."""
        self._api.bytes("DELETE", "/api/v1/faults", run=self.run)
        while self._of_everyone:
            self._of_everyone.pop().clear()

    def close(self, *, keep: bool = False) -> None:
        """End faults and zone, and delete the messages, unless they are to be looked at."""
        self.clear_faults()
        self.zone(None)
        if not keep:
            self.clear()

    def describe(self) -> str:
        """What the run has, for a person."""
        found = self._api.json("GET", "/api/v1/messages", run=self.run, limit=20)["messages"]
        return _listing(found) or "  no message"

    # -- inside -----------------------------------------------------------------------------

    @property
    def _api(self) -> Api:
        return self.server.api

    def _wait(self, count: int, timeout: float, wanted: Mapping[str, str]) -> list[Message]:
        __tracebackhide__ = True
        return self._loaded(self._ask(count, timeout, wanted))

    def _ask(self, count: int, timeout: float, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
        __tracebackhide__ = True
        try:
            found = self._api.json(
                *("GET", "/api/v1/wait"),
                query=self._query(wanted) or None,
                run=self.run,
                count=count,
                timeout=f"{int(timeout * 1000)}ms",
                limit=10_000,
                patience=timeout,
            )
        except SignpostError as error:
            if error.status != 404:
                raise
            raise NoMessageError(self._missed(count, timeout, wanted)) from None
        messages: list[dict[str, Any]] = found["messages"]
        return messages

    def _loaded(self, found: Sequence[dict[str, Any]]) -> list[Message]:
        return [
            Message(self._api, self._api.json("GET", f"/api/v1/message/{item['ID']}"))
            for item in found
        ]

    def _query(self, wanted: Mapping[str, str]) -> str:
        return " ".join(term for name, value in wanted.items() for term in self._terms(name, value))

    def _terms(self, name: str, value: str) -> list[str]:
        if name == "query":
            return [value]
        if name == "to":
            address = value if "@" in value else self.address(value)
            return [f'addressed-exactly:"{address}"']
        prefix = {"subject": "subject:", "sender": "from:", "text": ""}.get(name)
        if prefix is None:
            raise TypeError(f"a message is not found by {name!r}: write subject, sender, to, text")
        # A query has no sign for a quote within quotes.
        terms = [f'{prefix}"{part.strip()}"' for part in value.split('"') if re.search(r"\w", part)]
        if not terms:
            raise ValueError(f"{name}={value!r} has no letter and no digit to search for")
        return terms

    def _missed(self, count: int, timeout: float, wanted: Mapping[str, str]) -> str:
        said = _said(wanted, count)
        lines = [f"{said} did not come to the run {self.run} in {timeout:g} s."]
        here = self._api.json("GET", "/api/v1/messages", run=self.run, limit=10)
        if here["messages"]:
            lines += [f"The run has {here['messages_count']}, the newest first:"]
            lines += [_listing(here["messages"])]
            return "\n".join(lines)
        lines.append("Nothing has come to this run.")
        anywhere = self._api.json("GET", "/api/v1/messages", limit=5)["messages"]
        if anywhere:
            lines += ["The newest of other runs:", _listing(anywhere)]
            lines += [f"Of this run is what goes to an address such as {self.address()}."]
        return "\n".join(lines)


def new_run(name: str) -> str:
    """A domain for a test: its name for people, a random part for those that run beside it."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30].strip("-")
    return f"{slug or 'test'}-{secrets.token_hex(4)}.example"


def _said(wanted: Mapping[str, str], count: int = 1) -> str:
    fields = ", ".join(f"{name} {value!r}" for name, value in wanted.items())
    what = "a message" if count == 1 else f"{count} messages"
    return f"{what} with {fields}" if fields else what


def _listing(items: Sequence[dict[str, Any]]) -> str:
    return "\n".join(
        f"  {item['Subject']!r} from {item['From']['Address']}"
        f" to {', '.join(item['Extra']['Envelope']['To'])}"
        for item in items
    )
