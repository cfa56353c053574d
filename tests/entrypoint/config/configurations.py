"""How smtpd, Dovecot, supervisor and a shell part what is rendered for them into words.

Only as far as it goes to tell data from what would be obeyed. Knows no settings.
"""

from __future__ import annotations

import configparser
import re
import shlex
from dataclasses import dataclass

# smtpd's parse.y: in quotes a backslash takes the next character with it; outside, # begins a
# comment, $ a macro, and = ( ) { } , ! < > are words by themselves.
_SMTPD = re.compile(
    r'(?P<space>[ \t]+|\\\n)|(?P<end>\n)|(?P<comment>#[^\n]*)|"(?P<quoted>(?:[^"\\\n]|\\.)*)"'
    r"|(?P<special>[{}(),!<>=])|(?P<word>[^\s\"'{}(),!<>=#$`\\]+)"
)


class NotOneMeaningError(Exception):
    """It cannot be parted into words."""


@dataclass(frozen=True)
class Word:
    """A word of smtpd.conf."""

    text: str
    quoted: bool


def smtpd_lines(text: str) -> list[list[Word]]:
    """smtpd.conf's lines; those without a word are left out."""
    lines: list[list[Word]] = [[]]
    at = 0
    while at < len(text):
        found = _SMTPD.match(text, at)
        if found is None:
            raise NotOneMeaningError(text[at : at + 60])
        at = found.end()
        if found["end"]:
            lines.append([])
        elif found["quoted"] is not None:
            lines[-1].append(Word(re.sub(r"\\(.)", r"\1", found["quoted"]), True))
        elif found["special"] or found["word"]:
            lines[-1].append(Word(found["special"] or found["word"], False))
    return [line for line in lines if line]


def shell_words(command: str) -> list[str]:
    """The words of a command that is one command and nothing else."""
    parts = shlex.shlex(command, posix=True, punctuation_chars=True)
    parts.whitespace_split = True
    words = list(parts)
    if re.search(r"[`$\n]", command) or any(re.fullmatch(r"[();<>|&]+", word) for word in words):
        raise NotOneMeaningError(command)
    return words


def dovecot_settings(text: str) -> list[tuple[str, str]]:
    """dovecot.conf's settings and blocks: (where it stands and its name, its value)."""
    found, blocks = [], list[str]()
    for line in text.split("\n"):
        line = line.strip(" \t")
        if not line or line.startswith("#"):
            continue
        if line == "}":
            blocks.pop()
        elif opened := re.fullmatch(r"([a-z0-9_-]+(?: [\w.-]+)?) \{", line):
            blocks.append(opened[1])
            found.append(("/".join(blocks), ""))
        elif setting := re.fullmatch(r"([a-z0-9_/:-]+) =(?: (.*))?", line):
            found.append(("/".join([*blocks, setting[1]]), setting[2] or ""))
        else:
            raise NotOneMeaningError(line)
    if blocks:
        raise NotOneMeaningError("a block that does not end")
    return found


def supervisor_settings(text: str) -> list[tuple[str, str]]:
    """supervisord.conf's sections and their settings' names."""
    parser = configparser.ConfigParser(
        interpolation=None, inline_comment_prefixes=(";",), strict=True, delimiters=("=",)
    )
    parser.read_string(text)
    return [(section, name) for section in parser.sections() for name in parser[section]]
