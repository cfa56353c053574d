"""The integration-test target: what it received, searched and served over HTTP as Mailpit does.

`messages` reads a message, `search` a query, `store` keeps both in one SQLite file, `shapes` says
what the JSON looks like, `api` serves it. It must not know smtpd, the filters or the settings: who
starts it hands in a database, a `Submission` and `Faults`.
"""
