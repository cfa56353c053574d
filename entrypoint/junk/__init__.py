"""What is junk for whom: words, evidence, lessons. It does not know smtpd, IMAP nor Sieve.

All of an account lies in one folder of its home, `junk`. `python -m entrypoint.junk` says at each
delivery what a message looks like, and learns from what its reader does with it. It must never be
needed: mail goes on without it.

At a delivery:   `verdict_server` (`sparing`), `verdict`: the account's rules (`account_state`),
                 `evidence`, words (`excerpt`, `words`, `pruning`), and both as one `score`; what
                 was answered is logged (`delivery_fields`, `nonblocking_log`)
Afterwards:      `learner`, `account_learner`: `folders` (`special_folders`), what is new there
                 (`mailbox_changes`, `moves`, `seen_messages`), what to learn of it (`due_lesson`,
                 `delivery_fields`, `ham_rules`), and learning it once (`lessons`, `digest`)
When asked:      `training` (`training_source`, `training_program`), `explanation`,
                 `account_report` (`status_text`)
From submission: `written_to`
"""

from __future__ import annotations

# As supervisor and health name it. Mail goes on without it: the container does not end with it.
PROGRAM = "junk"
