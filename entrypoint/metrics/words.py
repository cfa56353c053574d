"""The values that labels may have, domains and selectors apart; what else comes is `other`."""

from __future__ import annotations

OTHER = "other"

LEVELS = frozenset({"debug", "info", "warning", "error"})
PROGRAMS = frozenset({"smtpd", "inbound", "submission", "dovecot", "logins", "web", "junk"})
# RFC 8601 §2.7, and what the methods of ours say.
METHODS = frozenset({"spf", "dkim", "dmarc", "arc", "iprev"})
RESULTS = frozenset(
    {"none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror"}
)
DISPOSITIONS = frozenset({"none", "quarantine", "reject", "defer"})
AGENTS = frozenset({"local", "relay"})
OUTCOMES = frozenset({"ok", "tempfail", "permfail", "loop"})
ENDS = frozenset({"expired", "removed"})
PROTOCOLS = frozenset({"smtp", "imap", "pop3", "managesieve"})
LOGIN_RESULTS = frozenset({"ok", "fail", "error"})
JUNK = frozenset({"yes", "no"})
BLOCKED = frozenset({"client", "login", "account"})
KINDS = frozenset({"temporary", "permanent"})
# Of what waits in the queue: who is to deliver it, and how it stands (smtpctl(8)).
QUEUE_AGENTS = frozenset({"local", "relay", "bounce"})
QUEUE_STATES = frozenset({"pending", "inflight", "hold", "offline"})
AGES = (("5m", 300), ("1h", 3600), ("1d", 86_400))
OLDER = "older"
