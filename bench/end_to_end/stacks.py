"""What is measured: a stack each, started as a whole, and how its mail shows that it was verified.

Each is a context manager; nothing of it is left when it ends.
"""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bench.accounts import PASSWORD
from bench.end_to_end import milters, postfix
from bench.end_to_end.disposable import kill_all
from bench.end_to_end.peer_dovecot import Dovecot
from bench.end_to_end.scene import (
    ADDRESSES,
    HOSTNAME,
    OUR_SELECTOR,
    copy_of_our_key,
    new_homes,
)
from bench.mail_servers import Signpost as Server
from bench.messages import OURS
from bench.servers import SPOOL


class Stack(ABC):
    """A mail server; `tcp`: see milters.Place.

    `proof`: patterns, with the author's domain, in the header of all its mail.
    """

    name: str
    title: str
    mail: Path
    proof: tuple[str, ...]
    refuted: tuple[str, ...]  # the same, where the body is not what was signed

    @abstractmethod
    def __init__(self, tcp: bool) -> None: ...

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(self, *details: object) -> None: ...


def _result(method: str, result: str, rest: str = "") -> str:
    return rf"^Authentication-Results: {HOSTNAME};.*\b{method}={result}\b{rest}"


_DKIM, _SPF, _DMARC = (
    _result("dkim", "pass", r".*header\.d={domain}\b"),
    _result("spf", "pass"),
    _result("dmarc", "pass"),
)


class Signpost(Stack):
    """`signpost start`, with nothing set but what it needs, and keys as the others have them.

    The limit of what an account may send is counted and never reached.
    """

    name, title, mail = "signpost", "Signpost", Server.mail
    proof: tuple[str, ...] = (_DKIM, _SPF, _DMARC)
    refuted = (_result("dkim", "fail"), _SPF)

    def __init__(self, tcp: bool) -> None:
        self._server = Server("".join(f"{address}:{PASSWORD}\n" for address in ADDRESSES))
        self._server.environment = {
            **self._server.environment,
            "DKIM_KEY_TYPES": "rsa",
            "DKIM_KEYS": f"{OURS}:{OUR_SELECTOR}:{copy_of_our_key('root')}",
            "MESSAGE_RATELIMIT": "1000000/h",
        }

    def __enter__(self) -> Self:
        for entry in SPOOL.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        new_homes(self.mail)
        self._server.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        kill_all(self._server)
        self._server.stop()


class _Peer(Stack):
    mail = Path("/data/peer")

    def __init__(self, tcp: bool) -> None:
        self._tcp = tcp
        self._parts = ExitStack()

    def _start(self, parts: ExitStack) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        new_homes(self.mail)
        with ExitStack() as parts:
            self._start(parts)
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._parts.close()


class PostfixOpenDkim(_Peer):
    """What docker-mailserver runs, without its Amavis, postscreen and Fail2ban."""

    name = "opendkim"
    title = "Postfix, OpenDKIM, OpenDMARC, policyd-spf, Dovecot"
    proof = (
        _result("dkim", "pass", r".*header\.d={domain}\b"),
        _DMARC,
        r"^Received-SPF: pass \(mailfrom\) .*\b{domain}\b",
    )
    refuted = (_result("dkim", "fail"), proof[2])

    def _start(self, parts: ExitStack) -> None:
        dkim, dmarc = milters.dkim(self._tcp), milters.dmarc(self._tcp)
        parts.enter_context(milters.Syslog())
        parts.enter_context(milters.OpenDkim(dkim))
        parts.enter_context(milters.OpenDmarc(dmarc))
        parts.enter_context(Dovecot(self.mail))
        parts.enter_context(postfix.Postfix(postfix.OPENDKIM, dkim, dmarc))


class PostfixRspamd(_Peer):
    """What Mailu runs, without its antivirus, Redis and look-ups of accounts over HTTP."""

    name = "rspamd"
    title = "Postfix, rspamd, Dovecot"
    proof = (_DKIM, _SPF, _DMARC)
    refuted = (_result("dkim", "fail"), _SPF)

    def _start(self, parts: ExitStack) -> None:
        place = milters.rspamd(self._tcp)
        parts.enter_context(milters.RspamdMilter(place))
        parts.enter_context(Dovecot(self.mail))
        parts.enter_context(postfix.Postfix(postfix.RSPAMD, place))


STACKS: tuple[type[Stack], ...] = (Signpost, PostfixOpenDkim, PostfixRspamd)
