"""Settings → files: golden configurations, and values that try to break out of them.

`golden/NAME/environ.toml` is the environment (and the host's facts); beside it stand the files
that it must become. `SIGNPOST_GOLDEN=write pytest …` writes them anew, for a person to review.
"""

import json
import os
import tomllib
from pathlib import Path

import pytest
from pydantic import SecretStr

from entrypoint import files, paths, render
from entrypoint.completion import preview
from entrypoint.config import environ
from entrypoint.config.expansion import Expansions
from entrypoint.config.routes import routes_of
from entrypoint.config.settings import AppPassword, HostFacts, Settings
from filters.addresses import LocalAddresses
from filters.credentials import LoginTable

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/environ.toml"))
SHOWN = ("smtpd.conf", "tables/virtuals", "tables/domains", "addresses.json", "dkim-keys")


def settings_of(case: Path) -> Settings:
    described = tomllib.loads((case / "environ.toml").read_text())
    facts = described.get("host", {})
    addresses = {name: tuple(facts.get(name, ())) for name in ("gateways", "own")}
    host = HostFacts(ipv6=facts.get("ipv6", True), **addresses)
    return preview(environ.load(described.get("environ", {}), host=host))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_golden(case: Path) -> None:
    files = {str(f.path.relative_to(paths.RUN)): f for f in render.render_masked(settings_of(case))}
    for name in SHOWN:
        golden = case / Path(name).name
        if os.environ.get("SIGNPOST_GOLDEN") == "write":
            golden.write_text(files[name].content)
        assert files[name].content == golden.read_text(), name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_secrets_are_in_private_files_only_and_masked_for_people(case: Path) -> None:
    settings = settings_of(case)
    secrets = [account.secret for account in settings.accounts]
    secrets += [secret for secret in (settings.relay_password, settings.srs_secret) if secret]
    for secret in map(SecretStr.get_secret_value, secrets):
        holders = [file for file in render.render(settings) if secret in file.content]
        assert holders
        for file in holders:
            assert file.mode & 0o007 == 0, file.path
            assert file.owner == "root"
        assert not [file for file in render.render_masked(settings) if secret in file.content]


def test_the_address_book_is_what_the_filters_read() -> None:
    settings = settings_of(GOLDEN / "two-domains")
    table = render.address_table(settings, Expansions(routes_of(settings)))
    book = LocalAddresses.from_json(json.dumps(table))
    assert book.may_use("alice@example.org", "ALICE+tag@Example.org")
    assert book.may_use("alice@example.org", "info@example.org")
    assert book.may_use("bob@example.net", "anything@example.net")
    assert not book.may_use("alice@example.org", "anything@example.net")
    assert book.entry("away@example.org") == "away@example.org"
    assert not book.logins_of("away@example.org")
    assert book.entry("nobody@example.org") is None
    assert book.entry("postmaster@example.org")
    assert book.entry("abuse@mail.example.org")


@pytest.mark.parametrize("text", ['a"b', "a\\b", "a\nb", "a\x00b"])
def test_a_quoted_string_cannot_be_ended_by_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="quote"):
        render.quoted(text)


def test_files_are_written_whole_with_their_mode(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    user = path.owner() if path.exists() else tmp_path.owner()
    group = tmp_path.group()
    files.write_file(path, b"first", user, group, 0o640)
    files.write_file(path, b"second", user, group, 0o600)
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_book_of_logins_is_what_filters_logins_reads(tmp_path: Path) -> None:
    settings = settings_of(GOLDEN / "two-domains")
    phone = AppPassword(name="phone", hash=SecretStr("$5$rounds=1000$salt$hash"))
    first = settings.accounts[0].model_copy(update={"app_passwords": (phone,)})
    settings = settings.model_copy(update={"accounts": (first, *settings.accounts[1:])})
    (file,) = (each for each in render.render(settings) if each.path.name == paths.LOGINS)
    passwords = LoginTable.from_json(file.content).passwords_of(first.address.encode())
    assert [(each.name, each.hash.decode()) for each in passwords] == [
        ("", first.secret.get_secret_value()),
        ("phone", "$5$rounds=1000$salt$hash"),
    ]
    assert (file.owner, file.group, file.mode) == ("root", "logins", 0o640)
    (tmp_path / paths.LOGINS).write_text(file.content)
    assert render.rendered_hashes(tmp_path) == {
        account.address: account.secret.get_secret_value() for account in settings.accounts
    }
    assert render.rendered_hashes(tmp_path / "nowhere") == {}


def test_no_client_counts_at_an_address_where_anyone_may_appear() -> None:
    """The filter asks neither SPF nor a blocklist about it; the guard never blocks it."""
    host = HostFacts(ipv6=True, gateways=("172.18.0.1",), own=("10.0.2.100", "172.18.0.1"))
    rendered = render.render_masked(preview(environ.load({}, host=host)))
    texts = {file.path.name: file.content for file in rendered}
    wanted = " --unknown-client 172.18.0.1 --unknown-client 10.0.2.100"
    for name in ("smtpd.conf", "supervisord.conf"):
        assert texts[name].count(wanted) == 1
        assert texts[name].count("--unknown-client") == 2


@pytest.mark.parametrize(
    ("junk_filter", "asked", "said"),
    [
        ("yes", "--dnsbl refuse.test --facts --dnsbl-score score.test", True),
        ("no", "--dnsbl refuse.test", False),
    ],
)
def test_blocklists_that_score_are_asked_for_the_junk_filter_alone(
    junk_filter: str, asked: str, said: bool
) -> None:
    given = {"DNSBL": "score.test=score, refuse.test", "JUNK_FILTER": junk_filter}
    settings = preview(environ.load(given, host=HostFacts(ipv6=True)))
    (text,) = [
        file.content for file in render.render_masked(settings) if file.path.name == "smtpd.conf"
    ]
    inbound, submission = (
        next(line for line in text.splitlines() if line.startswith(f'filter "{name}" '))
        for name in ("inbound", "submission")
    )
    assert f' --dmarc-enforce yes {asked}" user verifier' in inbound
    assert (" --written-to /run/signpost/junk/written-to" in submission) == said


def test_the_journal_hears_whoever_says_something_of_a_message() -> None:
    given = {"TRACE_DAYS": "7", "JUNK_FILTER": "yes"}
    settings = preview(environ.load(given, host=HostFacts(ipv6=True)))
    (text,) = [
        file.content
        for file in render.render_masked(settings)
        if file.path.name == "supervisord.conf"
    ]
    programs = [each.split("]")[0] for each in text.split("[program:") if " --journal 7 " in each]
    assert sorted(programs) == ["dovecot", "junk", "smtpd"]
