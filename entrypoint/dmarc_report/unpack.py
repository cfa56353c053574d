"""The bytes of a file → the XML or JSON of a report: plain, gzip or zip, within fixed bounds.

Whatever the name says, the first bytes decide. Nothing is ever written to a disk. It must not
know what is in either.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from typing import IO

from entrypoint.dmarc_report.error import ReportError

MOST_READ = 48 * 1024 * 1024  # bytes of a file; a message is 35M by default
MOST_XML = 32 * 1024 * 1024  # bytes of XML that one file may hold; reports rarely have 1 MiB
MOST_JSON = 8 * 1024 * 1024  # bytes of JSON: it is held as objects, all at once
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?[\s\0]*<|\xff\xfe|\xfe\xff")
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*\{")
GZIP = b"\x1f\x8b"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_AGAIN = "fetch the mail again, or ask the reporter for the report again"
_UNPACK = "unpack it, and give the file inside"
# One entry of a zip's directory (APPNOTE 4.3.12): counted before zipfile makes an object of each.
_ENTRY = b"PK\x01\x02"
_MOST_ENTRIES = 100


def read_limited(stream: IO[bytes]) -> bytes:
    """Everything in the stream, or ReportError where that is more than MOST_READ."""
    raw = stream.read(MOST_READ + 1)
    if len(raw) > MOST_READ:
        raise ReportError(
            f"larger than {_mebibytes(MOST_READ)}", "it cannot be one mail or one report"
        )
    if not raw.strip():
        raise ReportError("the file is empty", _AGAIN)
    return raw


def is_packed(raw: bytes) -> bool:
    """Is this gzip or zip?"""
    return raw.startswith((GZIP, *ZIP))


def is_markup(raw: bytes) -> bool:
    """Could this be XML?"""
    return _MARKUP.match(raw) is not None


def is_json(raw: bytes) -> bool:
    """Could this be a JSON object?"""
    return _JSON.match(raw) is not None


def unpack_json(raw: bytes, most: int = MOST_JSON) -> bytes:
    """The JSON in gzip, zip or plain bytes, at most `most` bytes of it. Raises ReportError."""
    content = _unpacked(raw, most, MOST_JSON, "JSON")
    if is_json(content):
        return content
    if is_markup(content):
        raise ReportError("XML, as DMARC reports are", "read it with `signpost dmarc-report`")
    raise ReportError(
        "neither JSON nor gzip nor zip nor an e-mail message",
        "give the report's file, or the mail that it came with",
    )


def unpack(raw: bytes, most: int = MOST_XML) -> bytes:
    """The XML in gzip, zip or plain bytes, at most `most` bytes of it. Raises ReportError."""
    xml = _unpacked(raw, most, MOST_XML, "XML")
    if is_json(xml):
        raise ReportError("JSON, as TLS reports are", "read it with `signpost tls-report`")
    if not is_markup(xml):
        raise ReportError(
            "neither XML nor gzip nor zip nor an e-mail message",
            "give the report's file, or the mail that it came with",
        )
    return xml


def _unpacked(raw: bytes, most: int, most_of_a_file: int, form: str) -> bytes:
    if raw.startswith(GZIP):
        xml = _gunzip(raw, most)
    elif raw.startswith(ZIP):
        xml = _unzip(raw, most)
    else:
        xml = raw
    if len(xml) > most:
        raise ReportError(
            f"it holds more than {_mebibytes(most_of_a_file)} of {form} "
            "(decompressed, all of the file)",
            "a report that large is an attack; if it is none, split it",
        )
    if xml is not raw and is_packed(xml):
        raise ReportError("an archive inside an archive", _UNPACK)
    return xml


def _gunzip(raw: bytes, most: int) -> bytes:
    """RFC 1952; one member, as reports have it: many empty ones cost time for nothing."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        data = inflate.decompress(raw, most + 1)
    except zlib.error:
        raise ReportError("damaged gzip data", _AGAIN) from None
    if len(data) > most:
        return data
    if not inflate.eof:
        raise ReportError("the gzip data ends too early", _AGAIN)
    if inflate.unused_data.strip(b"\0\r\n"):
        raise ReportError("more data after the end of the gzip data", _UNPACK)
    return data


def _unzip(raw: bytes, most: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(_with_few_entries(raw))) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if len(members) != 1:
                raise ReportError(
                    f"a zip archive of {len(members)} files; a report is one file", _UNPACK
                )
            member = members[0]
            if member.flag_bits & 1:
                raise ReportError("the zip archive is encrypted", _UNPACK)
            # bzip2 and LZMA can take far more memory than their output.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ReportError("a rare compression in the zip archive", _UNPACK)
            with archive.open(member) as stream:
                return stream.read(most + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,  # a version or a flag that zipfile does not know
        OSError,
        OverflowError,
        ValueError,
    ):
        raise ReportError("a damaged zip archive", _AGAIN) from None


def _with_few_entries(raw: bytes) -> bytes:
    if raw.count(_ENTRY) > _MOST_ENTRIES:
        raise ReportError(
            f"a zip archive of more than {_MOST_ENTRIES} files; a report is one file", _UNPACK
        )
    return raw


def _mebibytes(size: int) -> str:
    return f"{size // (1024 * 1024)} MiB"
