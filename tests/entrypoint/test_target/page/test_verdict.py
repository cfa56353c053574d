"""The verdict on a message, line by line."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from entrypoint.test_target.messages.received import TlsSession
from tests.entrypoint.test_target.mails import mail
from tests.entrypoint.test_target.page.browser import NARROW, WIDE, Tab, fill, tab
from tests.entrypoint.test_target.running import Running, running

expect.set_options(timeout=20_000)

MARKUP = "<img src=x onerror=\"console.log('canary')\">"
SPF = {"Result": "fail", "Identity": "mailfrom", "Domain": "a.example", "Sender": "x@a.example"}
DKIM = {"Result": "pass", "Domain": "a.example", "Selector": "s1", "Identity": "@a.example"}
OTHER = {"Result": "temperror", "Domain": "e.example", "Selector": "k1", "Identity": "u@e.example"}
VERDICT: dict[str, Any] = {
    "SPF": {**SPF, "Reason": "192.0.2.1 is not permitted", "Explanation": ""},
    "DKIM": [
        {**DKIM, "Algorithm": "rsa-sha256", "Reason": ""},
        {**OTHER, "Algorithm": "ed25519-sha256", "Reason": f"SERVFAIL {MARKUP}"},
    ],
    "DMARC": {
        "Result": "pass",
        "Domain": "a.example",
        "OrganizationalDomain": "a.example",
        "Policy": "reject",
        "Aligned": [{"Method": "DKIM", "Domain": "a.example"}],
        "Reason": "",
    },
    "ARC": {"Result": "fail", "Instances": 2, "Sealer": "f.example", "Reason": "seal 2 is wrong"},
    "IPRev": {"Result": "permerror", "Name": ""},
    "Disposition": "none",
    "Reason": "",
    "Enforced": False,
    "DNS": [
        {
            "Name": "S1._domainkey.a.example.",
            "Type": "TXT",
            "Result": "NOERROR",
            "Records": ["p=1"],
        },
        {"Name": "k1._domainkey.e.example", "Type": "TXT", "Result": "SERVFAIL", "Records": []},
        {"Name": "a._domainkey.f.example", "Type": "TXT", "Result": "NXDOMAIN", "Records": []},
        {"Name": "_dmarc.a.example", "Type": "TXT", "Result": "NOERROR", "Records": ["p=reject"]},
        {"Name": "a.example", "Type": "TXT", "Result": "NOERROR", "Records": [f"v=spf1 {MARKUP}"]},
        {"Name": "a.example", "Type": "MX", "Result": "NODATA", "Records": []},
    ],
    "AuthenticationResults": "mx.example; spf=fail; dkim=pass",
}
REFUSED = {"Disposition": "reject", "Reason": "nothing is aligned"}
BARE = {"SPF": None, "DKIM": [], "DMARC": {"Result": "none"}, "ARC": {"Result": "none"}}
VERDICTS: dict[str, dict[str, Any] | None] = {
    "whole": VERDICT,
    "refused": {**VERDICT, **REFUSED, "DMARC": {**VERDICT["DMARC"], "Result": "fail"}},
    "enforced": {**VERDICT, "Disposition": "quarantine", "Enforced": True},
    "signed by many": {**VERDICT, "DKIM": [{**DKIM, "Algorithm": "", "Reason": ""}] * 1_000},
    "bare": BARE,
    "empty": {},
    "unverified": None,
}


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    database = tmp_path_factory.mktemp("judged") / "store.db"
    session = {"login": "app@a.example", "tls": TlsSession("TLSv1.3", "TLS_AES_256_GCM_SHA384")}
    fill(
        database,
        [
            mail(subject=subject, verdict=verdict, port=587, run="r", **session)
            for subject, verdict in VERDICTS.items()
        ],
    )
    with running(database) as judged:
        yield judged


@pytest.fixture
def one(browser: Browser, judged: Running) -> Iterator[Tab]:
    with tab(browser, judged) as one:
        yield one


def opened(one: Tab, subject: str) -> Locator:
    """The panel with the verdict on the message."""
    page = one.open()
    page.locator(".row", has_text=subject).click()
    expect(page.locator(".message-subject")).to_have_text(subject)
    page.get_by_role("tab", name="Verdict").click()
    return page.locator(".panel[data-kind=verdict]")


def line(panel: Locator, method: str, number: int = 0) -> Locator:
    return panel.locator(f".line[data-method={method}]").nth(number)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_each_line_has_its_word_its_reason_and_the_records_that_decided(
    browser: Browser, judged: Running, size: tuple[int, int]
) -> None:
    with tab(browser, judged, size) as one:
        check_lines(opened(one, "whole"))
        assert "canary" not in one.console


def check_lines(panel: Locator) -> None:
    methods = ["SPF", "DKIM", "DKIM", "DMARC", "ARC", "Reverse DNS"]
    expect(panel.locator(".line-method")).to_have_text(methods)
    words = ["fail", "pass", "temperror", "pass", "fail", "permerror"]
    expect(panel.locator(".line-mark")).to_have_text(words)
    spf = line(panel, "SPF")
    expect(spf).to_contain_text("MAIL FROM x@a.example")
    expect(spf).to_contain_text("192.0.2.1 is not permitted")
    expect(spf.locator(".records code")).to_have_text([f"v=spf1 {MARKUP}", "NODATA"])
    expect(line(panel, "DKIM").locator(".records code")).to_have_text(["p=1"])
    other = line(panel, "DKIM", 1)
    expect(other).to_contain_text("i=u@e.example")
    expect(other).to_contain_text(MARKUP)
    expect(other.locator(".records code")).to_have_text(["SERVFAIL"])
    dmarc = line(panel, "DMARC")
    expect(dmarc).to_contain_text("policy reject")
    expect(dmarc).to_contain_text("aligned: DKIM a.example")
    expect(dmarc.locator(".records code")).to_have_text(["p=reject"])
    expect(line(panel, "ARC")).to_contain_text("2 seals")
    expect(line(panel, "ARC").locator(".records code")).to_have_text(["NXDOMAIN"])
    expect(line(panel, "IPRev")).to_contain_text("the address has no name")
    expect(line(panel, "IPRev").locator(".mark")).to_have_class("mark neutral")
    expect(panel.locator(".outcome")).to_contain_text("In production: delivered to the inbox")


def test_a_thousand_signatures_do_not_hide_the_rest(one: Tab) -> None:
    panel = opened(one, "signed by many")
    expect(panel.locator(".line[data-method=DKIM]")).to_have_count(21)
    expect(line(panel, "DKIM", 20)).to_contain_text("980 more signatures")
    expect(line(panel, "DMARC")).to_contain_text("policy reject")
    expect(one.page.locator(".strip")).to_contain_text("DMARC")


def test_a_mark_differs_by_its_shape_and_not_by_colour_alone(one: Tab) -> None:
    panel = opened(one, "whole")
    marks = panel.locator(".line-mark")
    expect(marks.first).to_be_visible()
    drawn = dict(zip(marks.all_inner_texts(), marks.locator("path").all(), strict=True))
    shapes = {word: path.get_attribute("d") for word, path in drawn.items()}
    assert len(set(shapes.values())) == len(shapes) == 4


def test_the_outcome_says_what_production_does_and_what_happened_here(one: Tab) -> None:
    outcome = opened(one, "refused").locator(".outcome")
    expect(outcome).to_contain_text("In production: rejected with 550 5.7.26")
    expect(outcome).to_contain_text("nothing is aligned")
    expect(outcome).to_contain_text("Kept here all the same")
    strip = one.page.locator(".strip")
    expect(strip).to_contain_text("Rejected")
    outcome = opened(one, "enforced").locator(".outcome")
    expect(outcome).to_contain_text("quarantined into the Junk folder")
    expect(outcome).not_to_contain_text("Kept here")


@pytest.mark.parametrize("subject", ["bare", "empty"])
def test_what_is_missing_is_none(one: Tab, subject: str) -> None:
    panel = opened(one, subject)
    expect(panel.locator(".line-mark")).to_have_text(["none"] * 4)
    expect(line(panel, "DKIM")).to_contain_text("the message has no signature")


def test_a_message_that_was_not_verified_says_so(one: Tab) -> None:
    expect(opened(one, "unverified")).to_contain_text("this message was not verified")
    expect(one.page.locator(".strip")).to_have_count(0)


def test_the_list_shows_the_result_of_dmarc(one: Tab) -> None:
    page = one.open()
    expect(page.locator(".row", has_text="refused").locator(".dot")).to_have_text("DMARC fail")
    expect(page.locator(".row", has_text="whole").locator(".dot")).to_have_text("DMARC pass")


def test_the_session_is_shown(one: Tab) -> None:
    opened(one, "whole")
    one.page.get_by_role("tab", name="Session").click()
    panel = one.page.locator(".panel[data-kind=session]")
    for text in ("<alice@a.example>", "<bob@b.example>", "192.0.2.1", "client.example"):
        expect(panel).to_contain_text(text)
    for text in ("587", "TLSv1.3, TLS_AES_256_GCM_SHA384", "app@a.example"):
        expect(panel).to_contain_text(text)
