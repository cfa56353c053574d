"""Settings: the one typed model of the whole configuration.

It holds values that are right already and says what each means (the README's table is made from
here). It must not know the environment, files, or how a value is written by a person: that is
environ.py. Templates receive a Settings and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from entrypoint.guarded import Guarded

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
RelayTls = Literal["yes", "no-verify", "no"]
SslType = Literal["self-signed", "manual"]
DmarcEnforce = Literal["no", "quarantine", "yes"]

# RFC 5321 §4.5.1 (postmaster) and RFC 2142 §2, §4 (abuse): always accepted.
ROLE_LOCAL_PARTS = ("postmaster", "abuse")


@dataclass(frozen=True)
class Variable:
    """The variable that a field comes from: its names (the first is the one to teach) and the
    default as a person reads it in the README's table (Markdown). `secret` values are never shown.
    """

    names: tuple[str, ...]
    default: str
    secret: bool = False


class Account(Guarded):
    """A mailbox and its login: `secret` is a crypt(3) hash if `hashed`, else a plain password."""

    address: str
    secret: SecretStr
    hashed: bool

    @property
    def local_part(self) -> str:
        """What stands before the @."""
        return self.address.partition("@")[0]

    @property
    def domain(self) -> str:
        """What stands after the @."""
        return self.address.partition("@")[2]


class Alias(Guarded):
    """An address whose mail goes to others. The address `@domain` is that domain's catch-all."""

    address: str
    targets: tuple[str, ...]


class HostFacts(Guarded):
    """What the container is given: does it have IPv6, and which addresses are its gateways."""

    ipv6: bool
    gateways: tuple[str, ...] = ()


class Settings(Guarded):
    """The configuration. Names are lower-case A-labels, sizes are bytes, times are seconds."""

    mail_hostname: Annotated[
        str, Variable(("MAIL_HOSTNAME", "OVERRIDE_HOSTNAME"), "`mail.` and the first domain")
    ] = Field(description="The server's own name: its greeting, its certificate, its MX record.")
    domains: Annotated[tuple[str, ...], Variable(("DOMAINS",), "the demo `signpost.test`")] = Field(
        description="The domains whose mail lives here, by comma, space or newline."
    )
    accounts: Annotated[tuple[Account, ...], Variable(("ACCOUNTS",), "none", secret=True)] = Field(
        description="`address:password` or `address:hash`, one a line (or by comma on one line). "
        "A hash is crypt(3)'s `$y$`, `$6$`, `$5$` or `$2b$`; in compose.yaml write each `$` as "
        "`$$`. Needed with `DOMAINS`."
    )
    aliases: Annotated[tuple[Alias, ...], Variable(("ALIASES",), "none")] = Field(
        default=(),
        description="`address: target, target`, one a line; the address `@domain` takes what "
        "nobody else does.",
    )
    postmaster_address: Annotated[str, Variable(("POSTMASTER_ADDRESS",), "the first account")] = (
        Field(description="Who reads the mail to `postmaster@` and `abuse@` of every domain.")
    )
    recipient_delimiter: Annotated[str, Variable(("RECIPIENT_DELIMITER",), "`+`")] = Field(
        default="+",
        description="One of `+ - _ = .`: `alice+lists@` is delivered to `alice@`.",
    )
    message_size_limit: Annotated[int, Variable(("MESSAGE_SIZE_LIMIT",), "`35M`")] = Field(
        default=35 * 1024**2,
        description="The largest message in bytes, or with K, M or G (64K to 1G). A file grows by "
        "a third when it is attached.",
    )
    ssl_type: Annotated[SslType, Variable(("SSL_TYPE",), "`self-signed`")] = Field(
        default="self-signed",
        description="`self-signed`, or `manual` for a certificate of your own.",
    )
    ssl_cert_path: Annotated[Path | None, Variable(("SSL_CERT_PATH",), "none")] = Field(
        default=None,
        description="With `manual`: the PEM file of the certificate and its chain, as the "
        "container sees it.",
    )
    ssl_key_path: Annotated[Path | None, Variable(("SSL_KEY_PATH",), "none")] = Field(
        default=None, description="With `manual`: the PEM file of its private key."
    )
    dkim_selector: Annotated[str, Variable(("DKIM_SELECTOR",), "`mail`")] = Field(
        default="mail",
        description="The name of the DKIM key: the record is `SELECTOR._domainkey.DOMAIN`.",
    )
    dkim_required: Annotated[bool, Variable(("DKIM_REQUIRED",), "`no`")] = Field(
        default=False,
        description="`yes`: mail of our own that cannot be signed is deferred (451), not sent "
        "bare.",
    )
    relay_host: Annotated[str | None, Variable(("RELAY_HOST", "RELAYHOST"), "none")] = Field(
        default=None,
        description="Send all outgoing mail through this host, not straight to the MX.",
    )
    relay_port: Annotated[int, Variable(("RELAY_PORT",), "`587` with credentials, else `25`")] = (
        Field(default=25, description="The relay host's port; `465` is TLS from the first byte.")
    )
    relay_user: Annotated[str | None, Variable(("RELAY_USER",), "none")] = Field(
        default=None, description="The login at the relay host."
    )
    relay_password: Annotated[
        SecretStr | None, Variable(("RELAY_PASSWORD",), "none", secret=True)
    ] = Field(default=None, description="Its password. With it a verified certificate is needed.")
    relay_tls: Annotated[RelayTls, Variable(("RELAY_TLS",), "`yes`")] = Field(
        default="yes",
        description="`yes`: TLS with a certificate that verifies; `no-verify`: any certificate; "
        "`no`: without TLS. Only `yes` goes with credentials.",
    )
    srs_secret: Annotated[
        SecretStr | None, Variable(("SRS_SECRET",), "made at the first start and kept", secret=True)
    ] = Field(
        default=None,
        description="The key of the sender addresses that forwarded mail gets (SRS).",
    )
    dns_servers: Annotated[tuple[str, ...], Variable(("DNS_SERVERS",), "the container's")] = Field(
        default=(), description="IP addresses of the DNS servers, by comma, space or newline."
    )
    dns_timeout: Annotated[int, Variable(("DNS_TIMEOUT",), "`20`")] = Field(
        default=20,
        description="The seconds that all DNS questions about one message may take (1 to 120).",
    )
    spf: Annotated[bool, Variable(("SPF",), "`yes`")] = Field(
        default=True, description="`no`: do not check SPF."
    )
    dmarc_enforce: Annotated[DmarcEnforce, Variable(("DMARC_ENFORCE",), "`yes`")] = Field(
        default="yes",
        description="What becomes of mail that fails its author domain's DMARC policy. `yes`: what "
        "the domain asks for (reject, or the Junk folder); `quarantine`: the Junk folder at most; "
        "`no`: it is only told.",
    )
    arc_seal: Annotated[bool, Variable(("ARC_SEAL",), "`no`")] = Field(
        default=False,
        description="`yes`: mail that an alias forwards to another domain gets an ARC seal. Publish "
        "the key's record, too (`signpost dns`).",
    )
    arc_trusted_sealers: Annotated[
        tuple[str, ...], Variable(("ARC_TRUSTED_SEALERS",), "none")
    ] = Field(
        default=(),
        description="The sealing domains of forwarders whose word that a message passed DMARC "
        "counts, by comma, space or newline.",
    )
    public_ipv4: Annotated[
        str | None, Variable(("PUBLIC_IPV4",), "the A record of `MAIL_HOSTNAME`")
    ] = Field(
        default=None,
        description="The IPv4 address that the world sees mail come from, for `signpost doctor`.",
    )
    public_ipv6: Annotated[
        str | None, Variable(("PUBLIC_IPV6",), "the AAAA record of `MAIL_HOSTNAME`")
    ] = Field(default=None, description="The same for IPv6.")
    doctor_probe_domain: Annotated[str | None, Variable(("DOCTOR_PROBE_DOMAIN",), "none")] = Field(
        default=None,
        description="A domain whose mail server `signpost doctor` connects to, to see whether "
        "port 25 is open on the way out. Nothing is sent.",
    )
    doctor_every: Annotated[int | None, Variable(("DOCTOR_EVERY",), "off")] = Field(
        default=None,
        description="How often `signpost doctor` looks by itself, such as `1h` or `30m` (5m to "
        "7d). It logs what has changed.",
    )
    extra_filters_inbound: Annotated[
        tuple[str, ...], Variable(("EXTRA_FILTERS_INBOUND",), "none")
    ] = Field(
        default=(),
        description="Filters of your own for mail that comes in, before ours: one command a line, "
        "each with the program's whole path (docs/writing-a-filter.md).",
    )
    extra_filters_submission: Annotated[
        tuple[str, ...], Variable(("EXTRA_FILTERS_SUBMISSION",), "none")
    ] = Field(
        default=(),
        description="The same for mail that goes out, before it is signed; bounces are among it.",
    )
    log_level: Annotated[LogLevel, Variable(("LOG_LEVEL",), "`info`")] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`."
    )
    log_format: Annotated[LogFormat, Variable(("LOG_FORMAT",), "`text`")] = Field(
        default="text", description="`text` or `json`."
    )
    tz: Annotated[str, Variable(("TZ",), "`UTC`")] = Field(
        default="UTC", description="The time zone of logs and Date fields, such as `Europe/Paris`."
    )
    demo: bool = Field(
        description="No DOMAINS are set: one account at signpost.test, and no mail leaves."
    )
    host: HostFacts

    @property
    def mail_names(self) -> tuple[str, ...]:
        """The names after an @ whose mail ends here: the domains, and the host for its roles.

        `RCPT TO:<postmaster>` (RFC 5321 §4.5.1) means the host's own.
        """
        return tuple(dict.fromkeys((*self.domains, self.mail_hostname)))

    @property
    def signing_domains(self) -> tuple[str, ...]:
        """The domains with a DKIM key: each domain, and the host where it is below none of them.

        Bounces come from MAILER-DAEMON@ the host.
        """
        below = any(f".{self.mail_hostname}".endswith(f".{domain}") for domain in self.domains)
        return self.domains if below else (*self.domains, self.mail_hostname)

    @property
    def arc_selector(self) -> str:
        """The selector of the key that seals as MAIL_HOSTNAME.

        It is no domain's DKIM key: the filter that reads everybody's mail holds it.
        """
        return f"{self.dkim_selector}-arc"

    @property
    def implied_aliases(self) -> tuple[Alias, ...]:
        """postmaster@ and abuse@ of every name that neither an account nor an alias takes."""
        taken = {account.address for account in self.accounts}
        taken |= {alias.address for alias in self.aliases} | {self.postmaster_address}
        roles = (f"{local}@{domain}" for domain in self.mail_names for local in ROLE_LOCAL_PARTS)
        return tuple(
            Alias(address=role, targets=(self.postmaster_address,))
            for role in roles
            if role not in taken
        )

    @property
    def all_aliases(self) -> tuple[Alias, ...]:
        """The aliases that smtpd's table needs: those set and those implied."""
        return self.aliases + self.implied_aliases

    @property
    def relay_authenticated(self) -> bool:
        """Is there a login at the relay host? Then only a verified certificate will do."""
        return self.relay_user is not None

    @property
    def relay_implicit_tls(self) -> bool:
        """Port 465 speaks TLS from the first byte (RFC 8314 §3.3); others by STARTTLS."""
        return self.relay_port == 465
