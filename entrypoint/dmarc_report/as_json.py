"""An Overview → JSON, ASCII only, so that no value can do anything to a terminal.

The keys are stable: new ones may come, none goes or changes its meaning. Times are UTC like
2026-01-01T00:00:00Z. It must not know files or XML.

    {"reports": [{"file", "namespace", "version", "reporter", "email", "extra_contact_info",
                  "report_id", "begin", "end", "errors": [text], "generator",
                  "policy": {"domain", "p", "sp", "np", "adkim", "aspf", "fo", "pct", "testing",
                             "discovery_method"},
                  "warnings": [text], "messages": number, "failing": number,
                  "records": [{"source_ip", "count": number, "disposition", "dkim", "spf",
                               "reasons": [{"type", "comment"}],
                               "header_from", "envelope_from", "envelope_to",
                               "dkim_results": [{"domain", "selector", "result", "human_result"}],
                               "spf_results": [{"domain", "scope", "result", "human_result"}]}]}],
     "sources": [{"header_from", "source_ip", "passes": boolean, "count": number, "disposition",
                  "dkim", "dkim_results", "spf", "spf_results",
                  "reasons": [type], "reporters": [text], "begin", "end"}],
     "totals": {"reports": number, "messages": number, "passing": number, "failing": number,
                "dispositions": {"none": number, "pass": …, "quarantine": …, "reject": …}},
     "failures": [{"file", "feedback_type", "user_agent", "auth_failure", "identity_alignment",
                   "delivery_result", "reported_domain", "source_ip", "envelope_from",
                   "envelope_to", "arrived", "incidents": number,
                   "authentication_results": [text], "dkim_domain", "dkim_identity",
                   "dkim_selector", "spf_dns", "header_from", "subject", "message_id", "date",
                   "warnings": [text]}],
     "repeated": [file], "errors": [text]}

A text that a report leaves out is "". `file` and the errors are made safe to show; every other
text is as the report has it.
"""

from __future__ import annotations

import json
from dataclasses import asdict

from entrypoint.dmarc_report.overview import Overview, ReadFailure, ReadReport
from entrypoint.text import second


def as_json(view: Overview) -> str:
    """The Overview in the shape above, indented."""
    shaped = {
        "reports": [_report(each) for each in view.reports],
        "sources": [_with_times(asdict(source)) for source in view.sources],
        "totals": {
            "reports": len(view.reports),
            "messages": view.messages,
            "passing": view.messages - view.failing,
            "failing": view.failing,
            "dispositions": view.dispositions,
        },
        "failures": [_failure(each) for each in view.failures],
        "repeated": view.repeated,
        "errors": view.errors,
    }
    return json.dumps(shaped, indent=2)


def _failure(each: ReadFailure) -> dict[str, object]:
    arrived = each.report.arrived
    return {
        "file": each.file,
        **asdict(each.report),
        "arrived": "" if arrived is None else second(arrived),
    }


def _report(each: ReadReport) -> dict[str, object]:
    shaped = _with_times(asdict(each.report))
    records = shaped.pop("records")
    return {
        "file": each.file,
        **shaped,
        "messages": each.messages,
        "failing": each.failing,
        "records": records,
    }


def _with_times(shaped: dict[str, object]) -> dict[str, object]:
    for key in ("begin", "end"):
        seconds = shaped[key]
        assert isinstance(seconds, int)  # noqa: S101
        shaped[key] = second(seconds)
    return shaped
