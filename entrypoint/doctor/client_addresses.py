"""Do all clients come from one address? Then a NAT hides the senders, and SPF can say nothing.

The inbound filter counts, in a file of its own:

    {"clients": {"gateway": 41, "other": 0}, "only": "172.18.0.1", "since": 1764041367}

gateway: messages from where anyone may appear, which are the default gateways and the container's
own addresses (HostFacts.shared); other: from anywhere else; what comes by loopback (local,
127.0.0.1, ::1) counts as neither, nor do connections without a message: health checks and this
doctor make those. only: the one address that all of them came from, null as soon as there were
two. since: when the count began, Unix time. It must not know who writes it: the writer reads the
mail of strangers, so nothing in the file is trusted.
"""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import NonNegativeInt

from entrypoint.doctor.finding import Finding, Status, skipped
from entrypoint.json_model import JsonModel, read_json
from entrypoint.text import counted

_ENOUGH = 10  # messages; from fewer nothing follows
_LARGEST = 4_096  # bytes of the file
_MANY = 0.2  # of all messages: more than the host's own programs send


class ClientsError(Exception):
    """The file cannot be used; the text says why."""


@dataclass(frozen=True)
class Clients:
    """Messages so far, as the file has them."""

    gateway: int = 0
    other: int = 0
    only: str | None = None


class _Counts(JsonModel):
    gateway: NonNegativeInt
    other: NonNegativeInt


class _File(JsonModel):
    clients: _Counts
    only: str | None = None


def read_clients(path: Path) -> Clients:
    """The counts; none where there is no file yet. Raises ClientsError."""
    try:
        # Its owner could put a link to another file there, or a pipe that never ends.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return Clients()
    except OSError as error:
        raise ClientsError(f"{path}: {error.strerror}") from None
    try:
        found = read_json(_File, os.read(descriptor, _LARGEST))
        only = None if found.only is None else str(ipaddress.ip_address(found.only))
        return Clients(found.clients.gateway, found.clients.other, only)
    except OSError as error:
        raise ClientsError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise ClientsError(f"{path}: no counts of clients") from None
    finally:
        with suppress(OSError):
            os.close(descriptor)


def check_clients(path: Path) -> Finding:
    """Judge the counts in the file."""
    try:
        clients = read_clients(path)
    except ClientsError as error:
        return _finding("warn", f"not checked: {error}", "remove the file, and restart")
    total = clients.gateway + clients.other
    cure = (
        "have the engine keep the addresses of clients: no rootless or user-land port forwarding, "
        "IPv6 enabled in the container's network, or network_mode: host"
    )
    if total < _ENOUGH:
        return skipped("clients", None, f"{counted(total, 'message')} so far: too few to tell")
    if clients.gateway and not clients.other:
        where = (
            f"{clients.only}, a gateway or the container's own address"
            if clients.only
            else "gateways or the container's own addresses"
        )
        return _finding(
            "fail",
            f"all {total} messages so far came from {where}: a NAT hides who sends",
            cure,
        )
    if clients.only is not None:
        return _finding(
            "warn",
            f"all {total} messages so far came from {clients.only}",
            "if this is a proxy or a NAT and no mail server, SPF is checked against the wrong "
            "address",
        )
    if clients.gateway > _MANY * total:
        return _finding(
            "warn",
            f"{clients.gateway} of {total} messages so far came from a gateway or the container's "
            "own address: a NAT hides some of those who send, perhaps those with IPv6",
            cure,
        )
    return _finding("ok", f"{total} messages so far came from several addresses")


def _finding(status: Status, detail: str, cure: str = "") -> Finding:
    return Finding("clients", None, status, detail, cure)
