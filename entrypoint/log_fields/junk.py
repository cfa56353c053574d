"""The junk filter's verdicts: `entrypoint.junk.verdict_server` writes what it has answered.

No stranger's text is in them: reasons are closed words and the names of blocklists.
"""

from __future__ import annotations

import re

Fields = dict[str, str]

_VERDICT = re.compile(
    r"msgid=(?P<msgid>[0-9a-f]{8}|-) login=(?P<login>\S+) junk=(?P<junk>yes|no) "
    r"(?:score=(?P<score>-?\d+\.\d) threshold=(?P<threshold>-?\d+\.\d) )?\((?P<reason>.*)\)"
)
# What has decided, by how the reason begins.
_DECISIONS = (
    ("words ", "score"),
    ("not enough learned", "too-few-lessons"),
    ("blocked sender", "blocked"),
    ("allowed sender", "allowed"),
    ("written to", "written-to"),
    ("sent from this server", "from-here"),
)
DECISIONS = frozenset(decision for _, decision in _DECISIONS)


def fields(message: str) -> Fields:
    """The event and its fields; none of a line that is no verdict."""
    match = _VERDICT.fullmatch(message)
    if match is None:
        return {}
    found = {name: value for name, value in match.groupdict().items() if value not in {None, "-"}}
    for begin, decision in _DECISIONS:
        if found["reason"].startswith(begin):
            return {"event": "verdict", "decision": decision, **found}
    return {}
