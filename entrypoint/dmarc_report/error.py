"""Why a report, or a part of it, cannot be read: where, which rule, what value, and the cure.

It must not know files, XML or DMARC.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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


MOST_NOTES = 20  # of each kind and report; a hostile one could earn millions


@dataclass
class Notes:
    """What a reader met in a report that it read.

    odd: what is not as the standard has it, and was read all the same. left_out: the parts that
    could not be read, while the rest was. At most MOST_NOTES of each, the last counting the rest.
    """

    odd: list[str] = field(default_factory=list)
    left_out: list[ReportError] = field(default_factory=list)
    _more: int = 0

    def read_anyway(self, what: str, where: str = "") -> None:
        """Note something odd, once."""
        line = f"{where}: {what}" if where else what
        if line not in self.odd and len(self.odd) <= MOST_NOTES:
            self.odd.append(line if len(self.odd) < MOST_NOTES else "and more like this")

    def leave_out(self, error: ReportError) -> None:
        """Note a part that is left out."""
        if len(self.left_out) < MOST_NOTES:
            self.left_out.append(error)
            return
        self._more += 1
        rule = f"{self._more} more parts that cannot be read are left out"
        self.left_out[MOST_NOTES:] = [ReportError(rule, "ask the reporter for another report")]
