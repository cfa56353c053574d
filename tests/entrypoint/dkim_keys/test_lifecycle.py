"""What becomes of keys: a table of situations, and what holds after any sequence of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from entrypoint.config.settings import KeyType
from entrypoint.dkim_keys import lifecycle
from entrypoint.dkim_keys.lifecycle import GRACE, KeyRefusedError, Step
from entrypoint.dkim_keys.model import ANSWERS, DomainKeys, Key, Observation
from entrypoint.dkim_keys.selectors import next_names

NOW = 1_764_000_000
DAY = 86_400
BOTH: dict[KeyType, str] = {"rsa": "mail", "ed25519": "mail-ed25519"}
RSA: dict[KeyType, str] = {"rsa": "mail"}
FRESH: dict[KeyType, str] = {"rsa": "mail-2", "ed25519": "mail-2-ed25519"}
SERVED = Observation("served")


def key(selector: str, status: str, *, published: bool = True, until: int | None = None) -> Key:
    kind: KeyType = "ed25519" if selector.endswith("ed25519") else "rsa"
    return Key(
        selector,
        kind,
        status,  # type: ignore[arg-type]
        created=NOW,
        since=NOW,
        published=NOW if published else None,
        until=until,
    )


def keys(*given: Key, asked_for: Mapping[KeyType, str] = BOTH) -> DomainKeys:
    return DomainKeys(dict(asked_for), given)


def shape(step: Step) -> str:
    """Which key does what; those to be made have a plus."""
    made = {each.selector for each in step.make}
    return ", ".join(
        f"{'+' if each.selector in made else ''}{each.selector} {each.status}"
        for each in step.keys.keys
    )


SIGNING = keys(key("mail", "signing"), key("mail-ed25519", "signing"))


@pytest.mark.parametrize(
    ("before", "asked_for", "files", "established", "after"),
    [
        pytest.param(
            None, BOTH, "", "", "+mail signing, +mail-ed25519 signing", id="the very first start"
        ),
        pytest.param(
            *(None, BOTH, "mail", "mail", "mail signing, +mail-ed25519 next"),
            id="an upgrade: the key that was published stays, the new type waits",
        ),
        pytest.param(
            *(None, BOTH, "mail-ed25519", "", "+mail signing, mail-ed25519 signing"),
            id="a first start that was killed after its first key",
        ),
        pytest.param(
            *(None, {"rsa": "mail-rsa", "ed25519": "mail"}, "mail", "mail"),
            "+mail-rsa next, mail signing",
            id="the key that a person brought is Ed25519",
        ),
        pytest.param(
            *(SIGNING, BOTH, "mail mail-ed25519", "", "mail signing, mail-ed25519 signing"),
            id="nothing has changed",
        ),
        pytest.param(
            *(keys(key("mail", "signing"), asked_for=RSA), BOTH, "mail", ""),
            "mail signing, +mail-ed25519 next",
            id="a type is added",
        ),
        pytest.param(
            *(SIGNING, RSA, "mail mail-ed25519", "", "mail signing, mail-ed25519 old"),
            id="a type is taken away",
        ),
        pytest.param(
            keys(key("mail", "signing"), key("mail-ed25519", "signing", published=False)),
            {"ed25519": "mail-ed25519"},
            *("mail mail-ed25519", "", "mail signing, mail-ed25519 signing"),
            id="a type is taken away, and DNS has only that one",
        ),
        pytest.param(
            keys(key("mail", "signing"), asked_for=RSA),
            *({"ed25519": "mail-ed25519"}, "mail", "", "mail signing, +mail-ed25519 next"),
            id="one type for the other: the old one signs until the new one is published",
        ),
        pytest.param(
            *(SIGNING, {"rsa": "s2", "ed25519": "s2-ed25519"}, "mail mail-ed25519", ""),
            "mail signing, mail-ed25519 signing, +s2 next, +s2-ed25519 next",
            id="another selector is asked for",
        ),
        pytest.param(
            keys(key("mail", "signing"), key("s2", "next", published=False), asked_for=RSA),
            *({"rsa": "s3"}, "mail s2", "", "mail signing, s2 removable, +s3 next"),
            id="and yet another, before it was published",
        ),
        pytest.param(
            keys(
                key("mail", "old", until=NOW + DAY), key("s2", "signing"), asked_for={"rsa": "s2"}
            ),
            *(RSA, "mail s2", "", "mail next, s2 signing"),
            id="back to a selector that was in use: it waits for DNS like any other",
        ),
        pytest.param(
            keys(key("mail", "old", until=NOW + DAY), key("mail-1", "signing"), asked_for=RSA),
            *(RSA, "mail mail-1", "", "mail old, mail-1 signing"),
            id="after a rotation the configuration still has the name of the first",
        ),
        pytest.param(
            *(SIGNING, BOTH, "mail-ed25519", "", "mail-ed25519 signing, +mail-2 next"),
            id="a key is lost: another one is made under a name that DNS does not know",
        ),
        pytest.param(
            keys(
                key("mail", "old", until=NOW + DAY), key("s2", "signing"), asked_for={"rsa": "s2"}
            ),
            *({"rsa": "s2"}, "mail", "", "mail signing, +mail-2 next"),
            id="the only key that signs is lost: the one before signs again",
        ),
        pytest.param(
            *(SIGNING, BOTH, "", "", "+mail-2 signing, +mail-2-ed25519 signing"),
            id="all keys are lost: as at a first start",
        ),
    ],
)
def test_the_keys_follow_the_configuration(
    before: DomainKeys | None,
    asked_for: Mapping[KeyType, str],
    files: str,
    established: str,
    after: str,
) -> None:
    step = lifecycle.reconcile(
        before, asked_for, files.split(), FRESH, NOW, established=established.split()
    )
    assert shape(step) == after
    assert step.keys.asked_for == asked_for


def test_what_is_lost_is_told() -> None:
    step = lifecycle.reconcile(SIGNING, BOTH, ["mail-ed25519"], FRESH, NOW)
    assert [(note.level, note.text) for note in step.notes] == [
        ("error", "the file of DKIM key mail (RSA), which signed, is gone")
    ]
    assert step.keys.removed == ("mail",)


def test_a_rotation_from_its_begin_to_its_end() -> None:
    started = lifecycle.rotate(SIGNING, BOTH, FRESH, NOW)
    assert shape(started) == (
        "mail signing, mail-ed25519 signing, +mail-2 next, +mail-2-ed25519 next"
    )
    # Each type moves by itself, when its own record is there.
    seen = {"mail-2": SERVED, "mail-2-ed25519": Observation("missing", "no name server has it")}
    moved = lifecycle.observe(started.keys, seen, NOW + DAY)
    assert shape(moved) == "mail old, mail-ed25519 signing, mail-2 signing, mail-2-ed25519 next"
    assert [note.text for note in moved.notes] == [
        "DKIM key mail-2 (RSA) signs from now on: every name server of the zone has it",
        "DKIM key mail (RSA) signs no longer; its record has to stay until 2025-12-02",
        "DKIM key mail-2-ed25519 (Ed25519) waits for DNS: no name server has it",
    ]
    early = lifecycle.expire(moved.keys, NOW + DAY + GRACE - 1)
    assert (early.keys, early.notes) == (moved.keys, ())
    over = lifecycle.expire(moved.keys, NOW + DAY + GRACE)
    assert shape(over).startswith("mail removable, ")
    assert len(over.notes) == 1
    assert not lifecycle.expire(over.keys, NOW + DAY + GRACE).notes
    assert not lifecycle.remove(over.keys, "mail", BOTH, NOW + DAY + GRACE).find("mail")


def test_a_second_rotation_waits_for_the_first() -> None:
    started = lifecycle.rotate(SIGNING, BOTH, FRESH, NOW)
    again = lifecycle.rotate(started.keys, BOTH, {"rsa": "x", "ed25519": "y"}, NOW)
    assert (again.keys, again.make) == (started.keys, ())


@pytest.mark.parametrize("answer", sorted(set(ANSWERS) - {"served"}))
def test_nothing_but_every_server_lets_a_key_sign(answer: str) -> None:
    waiting = lifecycle.rotate(SIGNING, RSA, FRESH, NOW).keys
    seen = {"mail-2": Observation(answer, "why")}  # type: ignore[arg-type]
    step = lifecycle.observe(waiting, seen, NOW)
    assert [each.selector for each in step.keys.signing] == ["mail", "mail-ed25519"]
    # Each change is one line.
    assert len(step.notes) == 1
    assert not lifecycle.observe(step.keys, seen, NOW).notes


def test_a_key_in_use_that_dns_does_not_serve_is_told_once_and_counted() -> None:
    before = keys(key("mail", "signing", published=False), asked_for=RSA)
    levels, counts = [], []
    for seen in (
        Observation("missing", "none"),
        Observation("missing", "none"),
        Observation("unreachable", "ns1"),
        Observation("wrong", "ns1 has another key"),
        SERVED,
        SERVED,
        Observation("missing", "none"),
    ):
        step = lifecycle.observe(before, {"mail": seen}, NOW)
        before = step.keys
        levels.append([note.level for note in step.notes])
        counts.append(before.keys[0].unserved)
    assert levels == [["error"], [], [], ["error"], ["info"], [], ["error"]]
    assert counts == [1, 1, 1, 2, 2, 2, 3]
    assert before.keys[0].status == "signing"


@pytest.mark.parametrize(
    ("selector", "reason"),
    [
        ("mail", "mail signs; another key has to sign first"),
        ("none", "there is no key none"),
        ("first", "mail that first signed may still be on its way: it may be removed from "),
        ("only-ed25519", "only-ed25519 is the only Ed25519 key; DKIM_KEY_TYPES says which are"),
    ],
)
def test_a_key_that_is_needed_is_not_removed(selector: str, reason: str) -> None:
    before = keys(
        key("mail", "signing"),
        key("first", "old", until=NOW + 1),
        key("only-ed25519", "next", published=False),
    )
    with pytest.raises(KeyRefusedError, match=reason):
        lifecycle.remove(before, selector, BOTH, NOW)


@pytest.mark.parametrize(
    ("before", "days", "due"),
    [
        (SIGNING, 0, True),
        (SIGNING, 1, False),
        (keys(key("mail", "signing", published=False)), 0, False),
        (keys(key("mail", "signing"), key("s2", "next")), 0, False),
        (keys(key("mail", "old", until=NOW), key("mail-ed25519", "signing")), 0, True),
    ],
)
def test_when_age_asks_for_a_rotation(before: DomainKeys, days: int, due: bool) -> None:
    assert lifecycle.is_due(before, BOTH, days, NOW + DAY - 1) is due


class AnyEvents(RuleBasedStateMachine):
    """A domain's keys under any sequence of events, files and crashes among them."""

    selectors: st.SearchStrategy[str] = st.sampled_from(["mail", "s2", "s3"])

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.state: DomainKeys | None = None
        self.files: set[str] = set()
        self.asked_for: dict[KeyType, str] = dict(BOTH)
        self.firsts: set[str] = set()  # sign without having been published, as the first ones
        self.known: set[str] = set()  # names that were ever in the state

    @initialize(brought=st.sets(st.sampled_from(["mail", "mail-ed25519"])))
    def first_start(self, brought: set[str]) -> None:
        self.files |= brought
        self.reconcile(crash=False)

    @rule(
        selector=selectors,
        types=st.sets(st.sampled_from(["rsa", "ed25519"]), min_size=1),
        crash=st.booleans(),
    )
    def configure(self, selector: str, types: set[KeyType], crash: bool) -> None:
        names: dict[KeyType, str] = {"rsa": selector, "ed25519": f"{selector}-ed25519"}
        self.asked_for = {kind: names[kind] for kind in names if kind in types}
        self.reconcile(crash)

    @rule(crash=st.booleans())
    def reconcile(self, crash: bool) -> None:
        before = self.state
        established = self.files & {"mail"} if before is None else set()
        step = lifecycle.reconcile(
            before, self.asked_for, self.files, self.fresh(), self.now, established
        )
        known = [] if before is None else before.keys
        left = [each for each in known if each.selector in self.files]
        alone = not any(each.status == "signing" or each.published for each in left)
        for each in step.keys.signing:
            if each.published is None and each.selector not in self.firsts:
                assert alone, f"{each.selector} signs, and DNS never had it"
                self.firsts.add(each.selector)
        self.apply(step, crash)

    @rule(crash=st.booleans())
    def rotate(self, crash: bool) -> None:
        assert self.state is not None
        self.apply(lifecycle.rotate(self.state, self.asked_for, self.fresh(), self.now), crash)

    @rule(data=st.data(), answer=st.sampled_from(ANSWERS))
    def look(self, data: st.DataObject, answer: str) -> None:
        assert self.state is not None
        each = data.draw(st.sampled_from(self.state.keys))
        if each.selector not in self.files:  # of a key that is not there DNS cannot be asked
            return
        seen = {each.selector: Observation(answer)}  # type: ignore[arg-type]
        step = lifecycle.observe(self.state, seen, self.now)
        before = {key.selector for key in self.state.signing}
        for new in {key.selector for key in step.keys.signing} - before:
            assert (new, answer) == (each.selector, "served")
        self.apply(step, crash=False)

    @rule(days=st.integers(0, 10))
    def wait(self, days: int) -> None:
        assert self.state is not None
        self.now += days * DAY
        self.apply(lifecycle.expire(self.state, self.now), crash=False)

    @rule(data=st.data(), crash=st.booleans())
    def remove(self, data: st.DataObject, crash: bool) -> None:
        assert self.state is not None
        each = data.draw(st.sampled_from(self.state.keys))
        try:
            after = lifecycle.remove(self.state, each.selector, self.asked_for, self.now)
        except KeyRefusedError:
            return
        assert each.status != "signing"
        assert each.until is None or each.until <= self.now
        self.files.discard(each.selector)
        self.apply(Step(after), crash)

    @precondition(lambda self: self.files)
    @rule(data=st.data())
    def lose_a_file(self, data: st.DataObject) -> None:
        self.files.discard(data.draw(st.sampled_from(sorted(self.files))))
        self.reconcile(crash=False)

    def fresh(self) -> dict[KeyType, str]:
        before = self.state or DomainKeys()
        taken = {*before.removed, *before.asked_for.values(), *(k.selector for k in before.keys)}
        return next_names("mail", "example.org", f"d{self.now // DAY}", taken) or {}

    def apply(self, step: Step, crash: bool) -> None:
        for each in step.make:
            assert each.selector not in self.known
            self.files.add(each.selector)
        if crash:
            return
        for old in self.state.keys if self.state else ():
            new = step.keys.find(old.selector)
            if old.status == "signing" and new is not None and new.status != "signing":
                assert new.until == self.now + GRACE
        self.state = step.keys
        self.known |= {each.selector for each in step.keys.keys}

    @invariant()
    def mail_is_signed_with_what_was_published_or_the_very_first(self) -> None:
        if self.state is None:
            return
        assert self.state.signing
        for each in self.state.signing:
            assert each.published is not None or each.selector in self.firsts
            assert each.selector in self.files

    @invariant()
    def there_is_one_key_of_a_type_that_signs_and_one_that_waits(self) -> None:
        for status in ("signing", "next"):
            found = [k.type for k in (self.state or DomainKeys()).keys if k.status == status]
            assert len(found) == len(set(found))


TestAnyEvents = AnyEvents.TestCase
TestAnyEvents.settings = settings(deadline=None, stateful_step_count=30)


def test_a_state_is_never_changed_in_place() -> None:
    copy = replace(SIGNING)
    lifecycle.rotate(SIGNING, BOTH, FRESH, NOW)
    assert copy == SIGNING
