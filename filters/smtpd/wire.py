"""One line of the filter protocol ↔ its fields, by the version that stands on the line.

Bytes only: a line is what stands between two LF, and nothing here strips, decodes or splits at
anything else. A CR, a VT or a `|` inside a payload is the sender's and stays (smtpd-filters(7) is
silent on it; a filter that strips CR turns `.\\r` into the end of the message).
"""

from __future__ import annotations

from dataclasses import dataclass

from filters.smtpd.path import address_of

Version = tuple[int, int]

# Where smtpd put the session and the token, and the parts of some reports, changed over time.
SESSION_FIRST: Version = (0, 5)
RESULT_BEFORE_ADDRESS: Version = (0, 6)
RESULT_BEFORE_USER: Version = (0, 7)

# The longest data line that smtpd can take back, in bytes of payload. One byte more makes the
# lookup process of 7.4 and newer spin for ever; 6.6 to 7.3 cut the line silently.
LONGEST_PAYLOAD = 65_485
LONGEST_PAYLOAD_BEFORE_7_4 = 1_997

END_OF_MESSAGE = b"."


class ProtocolError(ValueError):
    """A line that no smtpd writes; the text shows it, escaped and cut."""

    def __init__(self, rule: str, line: bytes | bytearray) -> None:
        super().__init__(f"{rule}: {bytes(line[:200])!r}")


@dataclass(frozen=True, slots=True)
class Config:
    """`config|KEY|VALUE` of the handshake; `config|ready` has the key `ready` and no value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Report:
    """What has happened: `fields` in the order of protocol 0.7, whatever the line's version."""

    version: Version
    subsystem: str
    event: str
    session: str
    fields: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What smtpd waits for an answer to. `parameter` is everything after the token."""

    version: Version
    phase: str
    session: str
    token: str
    parameter: bytes

    @property
    def text(self) -> str:
        """The parameter as ASCII; other bytes are shown as `\\xNN`."""
        return self.parameter.decode("ascii", "backslashreplace")

    @property
    def address(self) -> str:
        """At MAIL and RCPT: the address as smtpd takes it, "" for the null sender."""
        return address_of(self.text)


@dataclass(slots=True)
class DataLines:
    """Lines of a message on their way in, one after the other and still dot-stuffed.

    `.` alone ends the message, and is the last of its `DataLines`.
    """

    version: Version
    session: str
    token: str
    payloads: list[bytes]


Line = Config | Report | Request | DataLines


def parse_line(line: bytes) -> Line | None:
    """Parse one line without its LF; None for a kind of line that this library does not know.

    Raises ProtocolError for a known kind with too few fields.
    """
    try:
        if line.startswith(b"filter|"):
            # Requests have always had the session first; only the replies' order changed.
            _, version_, _, _, phase, session_, token_, parameter = line.split(b"|", 7)
            version, session, token = (
                _version(version_),
                session_.decode("ascii"),
                token_.decode("ascii"),
            )
            if phase == b"data-line":
                return DataLines(version, session, token, [parameter])
            return Request(version, phase.decode("ascii"), session, token, parameter)
        if line.startswith(b"report|"):
            _, version_, _, subsystem, event_, session_, *rest = line.split(b"|", 6)
            reported, event = _version(version_), event_.decode("ascii")
            fields = _report_fields(reported, event, rest[0] if rest else b"")
            return Report(
                reported, subsystem.decode("ascii"), event, session_.decode("ascii"), fields
            )
        if line.startswith(b"config|"):
            _, key, *values = line.split(b"|", 2)
            value = values[0] if values else b""
            return Config(
                key.decode("ascii", "backslashreplace"), value.decode("ascii", "backslashreplace")
            )
    except (ValueError, UnicodeDecodeError) as error:
        raise ProtocolError("malformed line from smtpd", line) from error
    return None


_versions: dict[bytes, Version] = {}


def _version(field: bytes) -> Version:
    """`0.7` → (0, 7)."""
    known = _versions.get(field)
    if known is None:
        major, minor = field.split(b".")
        known = int(major), int(minor)
        if len(_versions) < 16:
            _versions[field] = known
    return known


def _report_fields(version: Version, event: str, rest: bytes) -> tuple[bytes, ...]:
    """Split a report's fields; only free text may hold `|`, so it is cut from the other end."""
    if event == "link-connect":  # rdns | fcrdns | source | destination
        return tuple(rest.rsplit(b"|", 3))
    if event in {"tx-mail", "tx-rcpt"}:  # msgid | result | address
        if version >= RESULT_BEFORE_ADDRESS:
            return tuple(rest.split(b"|", 2))
        msgid, _, tail = rest.partition(b"|")
        address, _, result = tail.rpartition(b"|")
        return msgid, result, address
    if event == "link-auth":  # result | user
        if version >= RESULT_BEFORE_USER:
            return tuple(rest.split(b"|", 1))
        user, _, result = rest.rpartition(b"|")
        return result, user
    if event in {"link-identify", "tx-envelope", "tx-data", "tx-commit"}:
        return tuple(rest.split(b"|", 1))
    return (rest,) if rest else ()


def format_result(version: Version, session: str, token: str, verdict: str) -> bytes:
    """The answer to a request; before protocol 0.5 the token came first."""
    first, second = (session, token) if version >= SESSION_FIRST else (token, session)
    return f"filter-result|{first}|{second}|{verdict}\n".encode("ascii")


def data_line_prefix(version: Version, session: str, token: str) -> bytes:
    """What stands before each data line on its way back to smtpd."""
    first, second = (session, token) if version >= SESSION_FIRST else (token, session)
    return f"filter-dataline|{first}|{second}|".encode("ascii")


def longest_payload(version: Version) -> int:
    """Bytes that a data line may carry back to an smtpd of this protocol version."""
    return LONGEST_PAYLOAD if version >= (0, 7) else LONGEST_PAYLOAD_BEFORE_7_4
