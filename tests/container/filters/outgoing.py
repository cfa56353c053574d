"""Writes every event of outgoing mail to the log, and takes no part in anything else."""

import sys

from filters.smtpd import FilterServer, Report
from filters.smtpd.handlers import REPORT_EVENTS


def tell(report: Report) -> None:
    print("outgoing", report.event, *report.fields, file=sys.stderr, flush=True)


server = FilterServer()
for event in sorted(REPORT_EVENTS):
    server.register_outgoing(event, tell)
    server.register_handler("report", event, lambda context, report: None)
server.serve_forever()
