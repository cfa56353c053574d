"""TestSettings: the configuration of a test target, beside production's Settings.

What both have has the same name and the same meaning. It must not know the environment.

    python -m entrypoint.test_mode.settings

prints the table of docs/testing.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from entrypoint.config.mode import MEANING, MODE
from entrypoint.config.render_safe import RenderSafe
from entrypoint.config.settings import (
    Account,
    DmarcEnforce,
    HostFacts,
    LogFormat,
    LogLevel,
    Variable,
)
from entrypoint.config.variables import described, marked, table

Accept = Literal["any", "accounts"]


class PlainLogin(RenderSafe):
    """A login whose password is compared as it is."""

    name: str
    password: SecretStr


class TestSettings(RenderSafe):
    """The configuration. Sizes are bytes, names lower-case A-labels."""

    __test__ = False  # no class of tests, whatever pytest thinks

    accept: Annotated[Accept, Variable(("TEST_ACCEPT",), "`any`")] = Field(
        default="any",
        description="`any`: mail to every address, and every login with any password; `accounts`: "
        "only those of `ACCOUNTS`.",
    )
    accounts: Annotated[tuple[Account, ...], Variable(("ACCOUNTS",), "none", secret=True)] = Field(
        default=(),
        description="With `TEST_ACCEPT=accounts`: `address:password` or `address:hash`, one a line "
        "(or by comma on one line).",
    )
    zone_file: Annotated[Path | None, Variable(("TEST_ZONE_FILE",), "none")] = Field(
        default=None,
        description="What DNS holds: a zone file in the format of `signpost verify`, as the "
        "container sees it. Without an entry a name does not exist.",
    )
    keep: Annotated[int, Variable(("TEST_KEEP",), "`10G`")] = Field(
        default=10 * 1024**3,
        description="How much mail is kept, in bytes or with K, M, G or T (1M to 1000T). All is "
        "kept until then; what comes later is answered 452.",
    )
    http_hosts: Annotated[tuple[str, ...], Variable(("TEST_HTTP_HOSTS",), "none")] = Field(
        default=(),
        description="Host names that HTTP is answered for, beside `localhost`, IP addresses and "
        "names without a dot or below `.test`, `.localhost`, `.internal` and the like; `*`: every "
        "name.",
    )
    http_cors: Annotated[tuple[str, ...], Variable(("TEST_HTTP_CORS", "MP_API_CORS"), "none")] = (
        Field(
            default=(),
            description="Origins whose pages may use the API, such as `http://localhost:3000`; "
            "`*`: all.",
        )
    )
    ui_logins: Annotated[
        tuple[PlainLogin, ...], Variable(("TEST_UI_AUTH", "MP_UI_AUTH"), "none", secret=True)
    ] = Field(
        default=(),
        description="`name:password`, by space or newline: the page and the API ask for one of "
        "these (HTTP Basic).",
    )
    send_logins: Annotated[
        tuple[PlainLogin, ...], Variable(("MP_SEND_API_AUTH",), "`TEST_UI_AUTH`", secret=True)
    ] = Field(default=(), description="The same for `/api/v1/send`.")
    smtp_logins: Annotated[tuple[Account, ...], Variable(("MP_SMTP_AUTH",), "any", secret=True)] = (
        Field(
            default=(),
            description="`name:password`, by space or newline: the only logins that SMTP, IMAP and "
            "POP3 take. On port 1025 nobody sends without one then.",
        )
    )
    smtp_accept_any: Annotated[bool, Variable(("MP_SMTP_AUTH_ACCEPT_ANY",), "`no`")] = Field(
        default=False, description="`yes`: any login, whatever `MP_SMTP_AUTH` says."
    )
    smtp_require_tls: Annotated[bool, Variable(("MP_SMTP_REQUIRE_TLS",), "`no`")] = Field(
        default=False, description="`yes`: port 1025 speaks TLS from the first byte."
    )
    smtp_require_starttls: Annotated[bool, Variable(("MP_SMTP_REQUIRE_STARTTLS",), "`no`")] = Field(
        default=False, description="`yes`: port 1025 takes mail and logins only after STARTTLS."
    )
    webhook_url: Annotated[SecretStr | None, Variable(("MP_WEBHOOK_URL",), "none", secret=True)] = (
        Field(
            default=None,
            description="A URL that is called with each message's summary; loopback and private "
            "addresses only.",
        )
    )
    webhook_limit: Annotated[float, Variable(("MP_WEBHOOK_LIMIT",), "no limit")] = Field(
        default=0.0, description="The calls a second at most."
    )
    label: Annotated[str, Variable(("TEST_LABEL", "MP_LABEL"), "none")] = Field(
        default="", description="A name that the page shows."
    )
    mail_hostname: Annotated[
        str, Variable(("MAIL_HOSTNAME", "OVERRIDE_HOSTNAME"), "`mail.test`")
    ] = Field(default="mail.test", description="The server's own name.")
    recipient_delimiter: Annotated[str, Variable(("RECIPIENT_DELIMITER",), "`+`")] = Field(
        default="+",
        description="One of `+ - _ = .`: what stands behind it is a sub-address, and a run.",
    )
    message_size_limit: Annotated[int, Variable(("MESSAGE_SIZE_LIMIT",), "`50M`")] = Field(
        default=50 * 1024**2,
        description="The largest message in bytes, or with K, M or G (64K to 1G).",
    )
    enable_imap: Annotated[bool, Variable(("ENABLE_IMAP",), "`yes`")] = Field(
        default=True,
        description="IMAP on 143 and 993, POP3 on 110 and 995: each recipient is a mailbox. `no`: "
        "a start takes less time.",
    )
    ssl_type: Annotated[
        Literal["self-signed", "manual"], Variable(("SSL_TYPE",), "`self-signed`")
    ] = Field(
        default="self-signed",
        description="`manual`: a certificate of your own, whatever its name; then port 1025 offers "
        "STARTTLS.",
    )
    ssl_cert_path: Annotated[
        Path | None, Variable(("SSL_CERT_PATH", "MP_SMTP_TLS_CERT"), "none")
    ] = Field(default=None, description="The PEM file of the certificate and its chain.")
    ssl_key_path: Annotated[Path | None, Variable(("SSL_KEY_PATH", "MP_SMTP_TLS_KEY"), "none")] = (
        Field(default=None, description="The PEM file of its private key.")
    )
    dmarc_enforce: Annotated[DmarcEnforce, Variable(("DMARC_ENFORCE",), "`no`")] = Field(
        default="no",
        description="`no`: the verdict says what production would do, and the mail is accepted; "
        "`yes` or `quarantine`: it is done.",
    )
    log_level: Annotated[LogLevel, Variable(("LOG_LEVEL",), "`info`")] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`."
    )
    log_format: Annotated[LogFormat, Variable(("LOG_FORMAT",), "`text`")] = Field(
        default="text", description="`text` or `json`."
    )
    tz: Annotated[str, Variable(("TZ",), "`UTC`")] = Field(
        default="UTC", description="The time zone of logs and of dates in searches."
    )
    host: HostFacts

    @property
    def right_logins(self) -> tuple[Account, ...]:
        """The only logins there are; none where any will do."""
        if self.accept == "accounts":
            return self.accounts
        return () if self.smtp_accept_any else self.smtp_logins

    @property
    def smtp_tls(self) -> Literal["offered", "required", "implicit"]:
        """How port 1025 has TLS."""
        if self.smtp_require_tls:
            return "implicit"
        return "required" if self.smtp_require_starttls else "offered"

    @property
    def offers_starttls(self) -> bool:
        """Port 1025, where no other TLS was asked for: by a certificate of one's own alone.

        Most clients begin STARTTLS wherever it is offered, and refuse a self-signed certificate.
        """
        return self.ssl_type == "manual" or self.smtp_tls != "offered"

    @property
    def account_domains(self) -> tuple[str, ...]:
        """Whose mail is accepted with `TEST_ACCEPT=accounts`."""
        return tuple(dict.fromkeys(account.domain for account in self.accounts))


VARIABLES = marked(TestSettings.model_fields)


def variable_table() -> str:
    """MODE, and what a test target reads."""
    meaning = MEANING.replace("(docs/testing.md)", "(testing.md)")
    return table(iter([(MODE, meaning), *described(TestSettings.model_fields)]))


if __name__ == "__main__":
    print(variable_table(), end="")
