"""MODE: a mail server, or a target for tests of others' programs, from the same image.

It is read before anything else, and nothing of a test target is imported for it. It must not know
what either mode does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal, get_args

from entrypoint.config.problems import Problems
from entrypoint.config.reading import Reading, gather
from entrypoint.config.settings import Variable
from entrypoint.config.values import choice

Mode = Literal["production", "test"]

MODE = Variable(("MODE",), "`production`")
MEANING = (
    "`test`: a target for integration tests, which accepts all mail, sends nothing out and answers "
    "questions over HTTP ([docs/testing.md](docs/testing.md))."
)
# Of a test target alone; entrypoint.test_mode.settings says what each means.
TEST_VARIABLES = (
    "TEST_ACCEPT",
    "TEST_HTTP_CORS",
    "TEST_HTTP_HOSTS",
    "TEST_KEEP",
    "TEST_LABEL",
    "TEST_UI_AUTH",
    "TEST_ZONE_FILE",
)
MAILPIT_FAMILIES = ("MP_SMTP_", "MP_UI_", "MP_WEBHOOK_", "MP_MAX_", "MP_ENABLE_", "MP_DISABLE_")


def read_mode(environ: Mapping[str, str]) -> Mode:
    """Raises ConfigurationError for a value that is none."""
    problems = Problems()
    reading = Reading(gather(environ, {"mode": MODE}, problems), problems)
    found = reading.value("mode", partial(choice, allowed=get_args(Mode)))
    problems.raise_any()
    return "test" if found == "test" else "production"


def note_test_variables(environ: Mapping[str, str], problems: Problems) -> None:
    """Note each variable of a test target, for a mail server is to start."""
    names = (*TEST_VARIABLES, *(f"{name}_FILE" for name in TEST_VARIABLES))
    for name in sorted(environ):
        if environ[name].strip() and (name in names or name.startswith(MAILPIT_FAMILIES)):
            problems.add(
                name,
                "a variable of the test target, without MODE=test",
                "set MODE=test, or unset it",
            )
