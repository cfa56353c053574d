"""Settings: the one typed model of the whole configuration.

It holds values that are right already and says what each means (the README's table is made from
here). It must not know the environment, files, or how a value is written by a person: that is
environ.py. Templates receive a Settings and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, SecretStr

from entrypoint.config.render_safe import RenderSafe

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json"]
RelayTls = Literal["yes", "no-verify", "no"]
SslType = Literal["self-signed", "manual", "acme"]
DmarcEnforce = Literal["no", "quarantine", "yes"]
MtaSts = Literal["no", "testing", "enforce", "withdraw"]
KeyType = Literal["rsa", "ed25519"]

KEY_TYPES: tuple[KeyType, ...] = get_args(KeyType)

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


class AppPassword(RenderSafe):
    """A further password of an account, by its crypt(3) hash."""

    name: str
    hash: SecretStr


class Account(RenderSafe):
    """A mailbox and its login: `secret` is a crypt(3) hash if `hashed`, else a plain password.

    quota: bytes; 0 is no limit, and None what DEFAULT_QUOTA says.
    """

    address: str
    secret: SecretStr
    hashed: bool
    quota: int | None = None
    app_passwords: tuple[AppPassword, ...] = ()

    @property
    def domain(self) -> str:
        """What stands after the @."""
        return self.address.partition("@")[2]


class Alias(RenderSafe):
    """An address whose mail goes to others. The address `@domain` is that domain's catch-all; with
    `@other` as its target the domain is an alias domain. An account may be among its own targets.
    """

    address: str
    targets: tuple[str, ...]


class SendAs(RenderSafe):
    """What an account may send as, beside what is its own: addresses, and `@domain` for those of a
    domain that nobody else has.
    """

    account: str
    addresses: tuple[str, ...]


class DomainSelector(RenderSafe):
    """The selector of one domain."""

    domain: str
    selector: str


class Selectors(RenderSafe):
    """The DKIM selectors that are asked for: of all domains, and of some that have their own."""

    general: str = "mail"
    own: tuple[DomainSelector, ...] = ()

    def of(self, domain: str) -> str:
        """The selector of a domain."""
        own = {each.domain: each.selector for each in self.own}
        return own.get(domain, self.general)


class BroughtKey(RenderSafe):
    """A DKIM key that a person keeps elsewhere, such as in a secret."""

    domain: str
    selector: str
    type: KeyType
    path: Path


class KeyFile(RenderSafe):
    """A DKIM key that signs, as the signer finds it."""

    domain: str
    selector: str
    path: Path


class RateLimit(RenderSafe):
    """How many recipients an account may write to in a time; 0 for no limit."""

    recipients: int
    seconds: int


class DnsBlocklist(RenderSafe):
    """A zone that is asked about clients. scores: a listing counts for the junk filter, instead of
    being refused.
    """

    zone: str
    scores: bool = False


class HostFacts(RenderSafe):
    """What the container is given: does it have IPv6, and which addresses are its gateways.

    own: its own addresses, but for loopback. rootless: its root is not the machine's.
    """

    ipv6: bool
    gateways: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    rootless: bool = False

    @property
    def shared(self) -> tuple[str, ...]:
        """Where anyone may appear: at a gateway behind a NAT, or at the container's own address,
        where the engine takes connections itself and makes others (rootless ones do).
        """
        return tuple(dict.fromkeys((*self.gateways, *self.own)))


class Settings(RenderSafe):
    """The configuration. Names are lower-case A-labels, sizes are bytes, times are seconds."""

    mail_hostname: Annotated[
        str, Variable(("MAIL_HOSTNAME", "OVERRIDE_HOSTNAME"), "`mail.` and the first domain")
    ] = Field(description="The server's own name: its greeting, its certificate, its MX record.")
    domains: Annotated[tuple[str, ...], Variable(("DOMAINS",), "the demo `signpost.test`")] = Field(
        description="The domains whose mail lives here, by comma, space or newline."
    )
    accounts: Annotated[tuple[Account, ...], Variable(("ACCOUNTS",), "none", secret=True)] = Field(
        description="`address:password` or `address:hash`, one a line (or by comma on one line). "
        "A hash is crypt(3)'s `$y$`, `$6$`, `$5$`, `$2b$` or `$2y$`, and quick to check "
        "(`$2b$12$` at most); in compose.yaml write each `$` as `$$`. `:quota=5G` or `:quota=none` "
        "behind it is the account's own quota. Needed with `DOMAINS`; `signpost account` adds more."
    )
    default_quota: Annotated[int | None, Variable(("DEFAULT_QUOTA",), "none")] = Field(
        default=None,
        description="What the mail of an account without a quota of its own may take, in bytes or "
        "with K, M, G or T (1M to 1000T). It needs `ENABLE_IMAP`.",
    )
    aliases: Annotated[tuple[Alias, ...], Variable(("ALIASES",), "none")] = Field(
        default=(),
        description="`address: target, target`, one a line (or by comma on one line); the address "
        "`@domain` takes what nobody else does, and `@domain: @other` is an alias domain. See "
        "[docs/aliases.md](docs/aliases.md).",
    )
    send_as: Annotated[tuple[SendAs, ...], Variable(("SEND_AS",), "none")] = Field(
        default=(),
        description="What accounts may send as beside their own addresses and aliases: `account: "
        "address, @domain`, one a line (or by comma on one line). `@domain` is every address of "
        "that domain which no other account or alias has, for a program that sends as many.",
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
    enable_imap: Annotated[bool, Variable(("ENABLE_IMAP",), "`yes`")] = Field(
        default=True,
        description="Mailboxes for mail programs: IMAP on 993 and 143 (STARTTLS), Sieve scripts by "
        "ManageSieve on 4190. `no`: mail is only stored; the files are the same.",
    )
    enable_pop3: Annotated[bool, Variable(("ENABLE_POP3",), "`no`")] = Field(
        default=False, description="`yes`: POP3, too, on 995. It needs `ENABLE_IMAP`."
    )
    ssl_type: Annotated[SslType, Variable(("SSL_TYPE",), "`self-signed`")] = Field(
        default="self-signed",
        description="`self-signed`; `manual` for a certificate of your own; `acme` for one from "
        "Let's Encrypt or another ACME server, got and renewed by itself.",
    )
    ssl_cert_path: Annotated[Path | None, Variable(("SSL_CERT_PATH",), "none")] = Field(
        default=None,
        description="With `manual`: the PEM file of the certificate and its chain, as the "
        "container sees it.",
    )
    ssl_key_path: Annotated[Path | None, Variable(("SSL_KEY_PATH",), "none")] = Field(
        default=None,
        description="With `manual`: the PEM file of its private key. Both files are watched, and a "
        "new certificate goes live by itself.",
    )
    acme_server: Annotated[str, Variable(("ACME_SERVER",), "Let's Encrypt's")] = Field(
        default="https://acme-v02.api.letsencrypt.org/directory",
        description="With `acme`: the URL of the ACME server's directory.",
    )
    acme_email: Annotated[str | None, Variable(("ACME_EMAIL",), "`POSTMASTER_ADDRESS`")] = Field(
        default=None, description="With `acme`: the address that the ACME server may write to."
    )
    acme_ca_file: Annotated[Path | None, Variable(("ACME_CA_FILE",), "none")] = Field(
        default=None,
        description="With `acme`: a PEM file of the authorities that the ACME server's own "
        "certificate is checked with, for a private one.",
    )
    acme_dns_hook: Annotated[str | None, Variable(("ACME_DNS_HOOK",), "none")] = Field(
        default=None,
        description="With `acme`: prove the name in DNS, not on port 80. A command, with its "
        "program's whole path, that is run with `present` or `cleanup`, the TXT record's name and "
        "its value.",
    )
    enable_autoconfig: Annotated[bool, Variable(("ENABLE_AUTOCONFIG",), "`no`")] = Field(
        default=False,
        description="`yes`: mail programs find their settings by themselves, on the ports 80 and "
        "443: Mozilla's autoconfig, classic Outlook's autodiscover, Apple's profile. "
        "`https://MAIL_HOSTNAME/` is a page that helps people.",
    )
    mta_sts: Annotated[MtaSts, Variable(("MTA_STS",), "`no`")] = Field(
        default="no",
        description="`testing` or `enforce`: an MTA-STS policy on port 443, and records for it and "
        "for TLS-RPT as soon as the certificate would pass it. `withdraw` takes it back; leave it "
        "so for two weeks before `no`.",
    )
    dkim_selector: Annotated[Selectors, Variable(("DKIM_SELECTOR",), "`mail`")] = Field(
        default=Selectors(),
        description="The name of the DKIM keys: the RSA key's record is "
        "`SELECTOR._domainkey.DOMAIN`, the Ed25519 key's has `SELECTOR-ed25519`. A domain can have "
        "its own: `mail, example.org=s2026`. Changed later, it names the next keys, which sign "
        "when DNS serves them.",
    )
    dkim_key_types: Annotated[
        tuple[KeyType, ...], Variable(("DKIM_KEY_TYPES",), "`rsa, ed25519`")
    ] = Field(
        default=KEY_TYPES,
        description="The kinds of keys that each domain signs with: `rsa`, `ed25519` or both.",
    )
    dkim_keys: Annotated[
        tuple[BroughtKey, ...], Variable(("DKIM_KEYS",), "made at the first start", secret=True)
    ] = Field(
        default=(),
        description="Keys of your own: `DOMAIN:SELECTOR:/path/to/secret.pem`, one a line. Of "
        "several of a kind the last is the one to sign with, once DNS serves it.",
    )
    dkim_rotate_days: Annotated[int | None, Variable(("DKIM_ROTATE_DAYS",), "off")] = Field(
        default=None,
        description="Make the next DKIM keys when the ones that sign are so many days old (14 to "
        "3650). The log has the records to publish.",
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
        "`no`: it is only logged.",
    )
    arc_seal: Annotated[bool, Variable(("ARC_SEAL",), "`no`")] = Field(
        default=False,
        description="`yes`: mail that an alias forwards to another domain gets an ARC seal. "
        "Publish the key's record, too (`signpost dns`).",
    )
    arc_trusted_sealers: Annotated[tuple[str, ...], Variable(("ARC_TRUSTED_SEALERS",), "none")] = (
        Field(
            default=(),
            description="The sealing domains of forwarders whose word that a message passed DMARC "
            "counts, by comma, space or newline.",
        )
    )
    dnsbl: Annotated[tuple[DnsBlocklist, ...], Variable(("DNSBL",), "none")] = Field(
        default=(),
        description="DNS blocklists such as `zen.spamhaus.org`, by comma, space or newline: a "
        "client on port 25 that one of them has is refused, or with `zen.spamhaus.org=score` only "
        "likelier to be junk (`JUNK_FILTER`). Read their terms first; most refuse questions that "
        "come through a public resolver.",
    )
    junk_filter: Annotated[bool, Variable(("JUNK_FILTER",), "`no`")] = Field(
        default=False,
        description="`yes`: each account's own filter learns what is junk from the mail that is "
        "moved into its Junk folder and out of it (docs/junk.md). It needs `ENABLE_IMAP`.",
    )
    junk_days: Annotated[int | None, Variable(("JUNK_DAYS",), "off")] = Field(
        default=None,
        description="Remove mail from the Junk folders so many days after it was put there (1 to "
        "3650). It needs `ENABLE_IMAP`.",
    )
    greylist: Annotated[int, Variable(("GREYLIST",), "`no`")] = Field(
        default=0,
        description="`yes`: who sends mail here for the first time is asked to try again after a "
        "minute, which most spammers do not; or another time, such as `5m` (1s to 1h).",
    )
    message_ratelimit: Annotated[RateLimit, Variable(("MESSAGE_RATELIMIT",), "`300/h`")] = Field(
        default=RateLimit(recipients=300, seconds=3600),
        description="To how many recipients an account may send in a minute, an hour or a day "
        "(`300/h`, `2000/d`), so that a stolen password sends no spam; its Sieve scripts have a "
        "count of their own, as large. `no`: no limit.",
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
    doctor_probe_domain: Annotated[str, Variable(("DOCTOR_PROBE_DOMAIN",), "`gmail.com`")] = Field(
        default="gmail.com",
        description="The domain whose mail server `signpost doctor` connects to, to see whether "
        "port 25 is open on the way out: it reads the greeting and leaves, and nothing is sent. "
        "`no`: it connects to nobody.",
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
    enable_fast_file_count: Annotated[bool, Variable(("ENABLE_FAST_FILE_COUNT",), "`yes`")] = Field(
        default=True,
        description="`no`: smtpd counts its open files one by one, as it does by itself; with a "
        "thousand sessions each message then costs some milliseconds more.",
    )
    log_level: Annotated[LogLevel, Variable(("LOG_LEVEL",), "`info`")] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`."
    )
    log_format: Annotated[LogFormat, Variable(("LOG_FORMAT",), "`text`")] = Field(
        default="text",
        description="`text` or `json`; what a line says is in fields then "
        "([docs/logs.md](docs/logs.md)).",
    )
    trace_days: Annotated[int | None, Variable(("TRACE_DAYS",), "off")] = Field(
        default=None,
        description="Write down what happens to each message, for `signpost trace`, and keep it so "
        "many days (1 to 365), and 256 MB at most. Without it what was written is removed.",
    )
    anonymize_emails: Annotated[bool, Variable(("ANONYMIZE_EMAILS",), "`no`")] = Field(
        default=False,
        description="`yes`: the log and the journal have pseudonyms in the place of addresses "
        "([docs/logs.md](docs/logs.md)).",
    )
    metrics_port: Annotated[int | None, Variable(("METRICS_PORT",), "off")] = Field(
        default=None,
        description="Answer Prometheus on this port (1024 to 65535), in plaintext, and anybody who "
        "can reach it: compose.yaml does not publish it ([docs/metrics.md](docs/metrics.md)).",
    )
    tz: Annotated[str, Variable(("TZ",), "`UTC`")] = Field(
        default="UTC", description="The time zone of logs and Date fields, such as `Europe/Paris`."
    )
    demo: bool = Field(
        description="No DOMAINS are set: one account at signpost.test, and no mail leaves."
    )
    host: HostFacts
    signing: tuple[KeyFile, ...] = Field(
        default=(), description="The DKIM keys that sign, as the state in /data has it."
    )
    loop_key: SecretStr | None = Field(
        default=None, description="What mail loops are known by, as the state in /data has it."
    )

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
        return signing_domains(self.domains, self.mail_hostname)

    @property
    def arc_selector(self) -> str:
        """The selector of the key that seals as MAIL_HOSTNAME.

        It is no domain's DKIM key: the filter that reads everybody's mail holds it.
        """
        home = home_of(self.mail_hostname, self.domains) or self.mail_hostname
        return f"{self.dkim_selector.of(home)}-arc"

    @property
    def implied_aliases(self) -> tuple[Alias, ...]:
        """postmaster@ and abuse@ of every name that neither an account nor an alias takes.

        An alias domain has those of the other domain.
        """
        taken = {account.address for account in self.accounts}
        taken |= {alias.address for alias in self.aliases} | {self.postmaster_address}
        others = alias_domains((alias.address, alias.targets) for alias in self.aliases)
        roles = (
            f"{local}@{domain}"
            for domain in self.mail_names
            if domain not in others
            for local in ROLE_LOCAL_PARTS
        )
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
    def serves_web(self) -> bool:
        """Is there anything to serve on the ports 80 and 443?"""
        return self.enable_autoconfig or self.mta_sts != "no"

    @property
    def relay_authenticated(self) -> bool:
        """Is there a login at the relay host? Then only a verified certificate will do."""
        return self.relay_user is not None

    @property
    def relay_implicit_tls(self) -> bool:
        """Port 465 speaks TLS from the first byte (RFC 8314 §3.3); others by STARTTLS."""
        return self.relay_port == 465


def home_of(host: str, domains: tuple[str, ...]) -> str | None:
    """The first of the domains that the host is, or is below."""
    return next((name for name in domains if f".{host}".endswith(f".{name}")), None)


def alias_domains(aliases: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, str]:
    """Of aliases and their targets the alias domains: which domain is the same as which."""
    return {
        address[1:]: targets[0][1:]
        for address, targets in aliases
        if address.startswith("@") and targets and targets[0].startswith("@")
    }


def signing_domains(domains: tuple[str, ...], host: str) -> tuple[str, ...]:
    """The domains that have DKIM keys."""
    return domains if home_of(host, domains) else (*domains, host)
