"""A certificate that changes, told as a story: each step has a time, facts and what follows."""

from __future__ import annotations

from entrypoint.tls.pair import Fit
from entrypoint.tls.replacement import Broken, CertificateSource, Ports, Replacement

OLD, NEW = "old" * 20, "new" * 20
FIT = Fit(NEW, 0.0, 1_900_000_000.0)
MISMATCH = Broken("the certificate does not match the key", "give its key")
BOTH = {25: NEW, 465: NEW}


def source(digest: str = NEW, found: Fit | Broken = FIT, changed: float = 0.0) -> CertificateSource:
    return CertificateSource("SSL_CERT_PATH", digest, changed, found)


def test_what_is_live_already_is_left_alone() -> None:
    story = Replacement()
    assert story.decide(source(OLD), OLD, 100) == (False, [])
    assert story.settled
    assert story.compare(Ports({25: OLD}), 100) == []


def test_one_that_fits_goes_live_and_is_then_seen_on_every_port() -> None:
    story = Replacement()
    live, lines = story.decide(source(), OLD, 100)
    assert live
    assert lines == [
        (
            "info",
            "SSL_CERT_PATH: a new certificate, valid until 2030-03-17; smtpd starts anew to serve "
            "it",
        )
    ]
    assert story.compare(Ports({}, restarting=True), 101) == []
    assert story.compare(Ports({25: "", 465: ""}), 102) == []
    assert story.compare(Ports({25: NEW, 465: ""}), 103) == []
    assert story.compare(Ports(BOTH), 104) == [
        ("info", f"the new certificate is served on the ports 25 and 465 (SHA-256 {NEW})")
    ]
    assert story.compare(Ports(BOTH), 105) == []


def test_a_port_that_shows_another_one_is_told_once_by_its_number() -> None:
    story = Replacement()
    story.decide(source(), OLD, 100)
    shown = Ports({25: NEW, 465: OLD, 587: ""})
    assert story.compare(shown, 120) == []
    assert story.compare(shown, 150) == [
        (
            "error",
            "the new certificate is not served on the ports 465 and 587: look at smtpd's lines",
        )
    ]
    assert story.compare(shown, 151) == []


def test_a_restart_that_never_comes_is_told() -> None:
    story = Replacement()
    story.decide(source(), OLD, 100)
    assert story.compare(Ports({}, restarting=True), 150) == [
        ("error", "the new certificate is not served: smtpd has not been started again")
    ]


def test_files_that_were_written_just_now_may_not_be_whole_yet() -> None:
    story = Replacement()
    assert story.decide(source(changed=100), OLD, 101) == (False, [])
    assert not story.settled
    assert story.decide(source(changed=100), OLD, 103)[0]


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    assert Replacement().decide(source(changed=5000), OLD, 100)[0]


def test_the_key_comes_first_and_its_certificate_a_little_later() -> None:
    story = Replacement()
    assert story.decide(source("half", MISMATCH), OLD, 100) == (False, [])
    assert story.decide(source("half", MISMATCH), OLD, 105) == (False, [])
    live, lines = story.decide(source(), OLD, 107)
    assert live
    assert [level for level, _ in lines] == ["info"]


def test_one_that_never_fits_is_refused_with_the_rule_and_the_cure_once_for_each_change() -> None:
    story = Replacement()
    said = []
    for now in range(100, 200, 5):
        digest = "first" if now < 150 else "second"
        live, lines = story.decide(source(digest, MISMATCH), OLD, now)
        assert not live
        said += [(now, line) for line in lines]
    line = (
        "error",
        "SSL_CERT_PATH: the new certificate is refused and the old one stays: the certificate "
        "does not match the key; give its key",
    )
    assert said == [(110, line), (160, line)]
    assert story.settled


def test_files_that_change_all_the_time_are_not_complained_about_until_they_rest() -> None:
    story = Replacement()
    for now in range(100, 150, 5):
        assert story.decide(source(f"at {now}", MISMATCH), OLD, now) == (False, [])


def test_the_old_files_put_back_are_told() -> None:
    story = Replacement()
    for now in (100, 120):
        story.decide(source("broken", MISMATCH), OLD, now)
    assert story.decide(source(OLD), OLD, 130) == (
        False,
        [("info", "SSL_CERT_PATH: the certificate that is served is back")],
    )


def test_the_live_one_may_expire_and_stays() -> None:
    expired = source(OLD, Broken("the certificate expired on 2026-01-01", "renew it"))
    story = Replacement()
    for now in range(100, 200, 10):
        assert story.decide(expired, OLD, now) == (False, [])
