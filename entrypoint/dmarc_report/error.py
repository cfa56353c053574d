"""Why a report cannot be read, as a line: where in it, which rule, what value, and the cure.

It must not know files, XML or DMARC.
"""

from __future__ import annotations

from entrypoint.config.problems import BrokenRuleError


class ReportError(BrokenRuleError):
    """A file holds no report that can be read.

    where: the place inside the file (`line 12: record/row/count`), "" for the whole of it.
    value: what broke the rule, None where there is none to show. Both are a stranger's text.
    """

    def __init__(self, rule: str, cure: str, where: str = "", value: str | None = None) -> None:
        super().__init__(rule, cure)
        self.where = where
        self.value = value
