"""Who has to wait after failed logins: attackers, and never their targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from filters.guard import login_guard
from filters.guard.block_store import BlockStore
from filters.guard.login_guard import (
    FIRST_BLOCK,
    FORGIVEN_AFTER,
    LONGEST_BLOCK,
    NETWORK_LIMIT,
    PAIR_LIMIT,
    TRUST_LASTS,
    TRUSTED_FACTOR,
    WIDER_LIMITS,
    WINDOW,
    LoginGuard,
)
from filters.guard.networks import client_network, sender_network

NOW = 1_795_000_000.0
ATTACKER, HOME, GATEWAY = "198.51.100.7", "203.0.113.20", "172.18.0.1"
ALICE, BOB = "alice@example.org", "bob@example.org"


def attack(guard: LoginGuard, times: int, *, at: str = ATTACKER, on: str = ALICE) -> None:
    for _ in range(times):
        guard.failed(at, on, NOW)


@pytest.fixture
def guard() -> LoginGuard:
    return LoginGuard([GATEWAY])


@pytest.mark.parametrize(
    ("address", "client", "sender"),
    [
        ("192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
        ("::ffff:192.0.2.77", "192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64", "fe80::/64"),
        ("localhost", None, None),
        ("", None, None),
        ("1" * 100, None, None),
    ],
)
def test_a_client_is_an_ipv4_address_or_an_ipv6_64(
    address: str, client: str | None, sender: str | None
) -> None:
    assert client_network(address) == client
    assert sender_network(address) == sender


def test_a_person_who_mistypes_is_not_blocked(guard: LoginGuard) -> None:
    attack(guard, PAIR_LIMIT - 1)
    assert not guard.refused(ATTACKER, ALICE, NOW)
    assert not guard.shut_out(ATTACKER, NOW)


def test_guesses_some_seconds_apart_are_all_counted(guard: LoginGuard) -> None:
    for number in range(PAIR_LIMIT):
        assert not guard.refused(ATTACKER, ALICE, NOW + 20 * number)
        guard.failed(ATTACKER, ALICE, NOW + 20 * number)
    assert guard.refused(ATTACKER, ALICE, NOW + 20 * PAIR_LIMIT)


def test_the_pair_is_blocked_first_and_others_at_the_client_are_not(guard: LoginGuard) -> None:
    attack(guard, PAIR_LIMIT)
    assert guard.refused(ATTACKER, ALICE, NOW) == FIRST_BLOCK
    assert guard.refused(ATTACKER, ALICE.upper(), NOW) == FIRST_BLOCK
    assert not guard.refused(ATTACKER, BOB, NOW)
    # Before a login is known, a blocked pair is all there is to go by.
    assert guard.shut_out(ATTACKER, NOW) == FIRST_BLOCK


def test_who_tries_many_logins_is_blocked_for_all_of_them(guard: LoginGuard) -> None:
    for number in range(NETWORK_LIMIT):
        assert not guard.refused(ATTACKER, BOB, NOW)
        guard.failed(ATTACKER, f"user{number}@example.org", NOW)
    assert guard.refused(ATTACKER, BOB, NOW) == FIRST_BLOCK
    assert guard.shut_out(ATTACKER, NOW) == FIRST_BLOCK


def test_an_ipv6_client_gains_nothing_by_another_address(guard: LoginGuard) -> None:
    for number in range(PAIR_LIMIT):
        guard.failed(f"2001:db8::{number + 1:x}", ALICE, NOW)
    assert guard.refused("2001:db8::ffff", ALICE, NOW)
    assert not guard.refused("2001:db8:0:1::1", ALICE, NOW)


class TestHoppingWithinAnIpv6Network:
    """A new /64 for every few guesses, each of them with a record that says little."""

    def hop(self, guard: LoginGuard, wider: str, networks: int, *, each: int = 1) -> int:
        """Guess from so many /64s, each time at another login; how many were let through."""
        let_through = 0
        for number in range(networks):
            for guess in range(each):
                at, login = f"{wider}{number:x}::{guess + 1:x}", f"{number}-{guess}@example.org"
                if guard.shut_out(at, NOW) or guard.refused(at, login, NOW):
                    continue
                guard.failed(at, login, NOW)
                let_through += 1
        return let_through

    def test_is_blocked_within_a_56_and_a_48(self, guard: LoginGuard) -> None:
        assert self.hop(guard, "2001:db8:0:", 90, each=6) == WIDER_LIMITS[0]
        assert [block.network for block in guard.blocks(NOW)] == ["2001:db8::/56"]
        assert self.hop(guard, "2001:db8:0:1", 90, each=6) == WIDER_LIMITS[1] - WIDER_LIMITS[0]
        assert "2001:db8::/48" in [block.network for block in guard.blocks(NOW)]
        # From the first to the last /64 of it, and not beyond.
        for at in ("2001:db8::1", "2001:db8:0:ffff::1"):
            assert guard.refused(at, ALICE, NOW) == FIRST_BLOCK
            assert guard.shut_out(at, NOW) == FIRST_BLOCK
        assert not guard.refused("2001:db8:1::1", ALICE, NOW)
        assert not guard.shut_out("2001:db8:1::1", NOW)

    def test_the_owner_stays_welcome_there(self, guard: LoginGuard) -> None:
        guard.passed("2001:db8:0:7::1", ALICE, NOW)
        self.hop(guard, "2001:db8:0:", 0x300)
        assert not guard.refused("2001:db8:0:7::2", ALICE, NOW)
        assert not guard.shut_out("2001:db8:0:7::2", NOW)
        assert guard.refused("2001:db8:0:7::2", BOB, NOW)
        assert guard.refused("2001:db8:0:8::1", ALICE, NOW)

    def test_a_64_that_returns_later_finds_what_it_left(self, guard: LoginGuard) -> None:
        first, elsewhere = "2001:db8:0:1::1", "2001:db8:0:2::1"
        attack(guard, PAIR_LIMIT - 1, at=first)
        attack(guard, PAIR_LIMIT - 1, at=elsewhere)
        attack(guard, 1, at=first)
        assert guard.refused(first, ALICE, NOW)
        assert not guard.refused(elsewhere, ALICE, NOW)

    def test_who_stays_in_its_64_blocks_nobody_else(self, guard: LoginGuard) -> None:
        """Not over a day, and not by going on while it is blocked."""
        for minute in range(24 * 60):
            for _ in range(10):
                guard.failed("2001:db8:0:1::1", ALICE, NOW + 60 * minute)
                guard.failed("2001:db8:0:1::1", BOB, NOW + 60 * minute)
        assert {block.network for block in guard.blocks(NOW + 86_400)} == {"2001:db8:0:1::/64"}

    def test_an_ipv4_client_is_counted_alone(self, guard: LoginGuard) -> None:
        for number in range(250):
            guard.failed(f"198.51.100.{number}", f"{number}", NOW)
        assert not guard.blocks(NOW)
        assert not guard.refused("198.51.100.251", ALICE, NOW)

    @pytest.mark.parametrize(
        "what", ["2001:db8::/48", "2001:DB8:0:0::/48", "2001:db8:0:101::1", "all"]
    )
    def test_lifting(self, guard: LoginGuard, what: str) -> None:
        self.hop(guard, "2001:db8:0:", 90)
        self.hop(guard, "2001:db8:0:1", 90)
        assert guard.refused("2001:db8:0:101::1", ALICE, NOW)
        assert guard.lift(what)
        assert not guard.refused("2001:db8:0:101::1", ALICE, NOW)
        assert not guard.shut_out("2001:db8:0:101::1", NOW)

    def test_lifting_the_48_lifts_all_in_it(self, guard: LoginGuard) -> None:
        self.hop(guard, "2001:db8:0:", 90)
        attack(guard, PAIR_LIMIT, at="2001:db8:0:ff00::1")
        attack(guard, PAIR_LIMIT, at="2001:db8:1::1")
        guard.lift("2001:db8::/48")
        assert [block.network for block in guard.blocks(NOW)] == ["2001:db8:1::/64"]

    def test_the_gateway_is_never_counted(self) -> None:
        guard = LoginGuard(["2001:db8::1"])
        attack(guard, 1000, at="2001:db8::1")
        assert not guard.records


def test_an_account_under_attack_stays_usable_everywhere_else(guard: LoginGuard) -> None:
    for number in range(2000):
        attack(guard, PAIR_LIMIT, at=f"198.51.{number % 250}.{number // 250}")
    assert not guard.refused(HOME, ALICE, NOW)
    assert not guard.shut_out(HOME, NOW)


def test_who_logged_in_before_stays_welcome_at_a_blocked_client(guard: LoginGuard) -> None:
    guard.passed(HOME, ALICE, NOW)
    for number in range(NETWORK_LIMIT):
        guard.failed(HOME, f"user{number}@example.org", NOW)
    assert guard.refused(HOME, BOB, NOW)
    assert not guard.refused(HOME, ALICE, NOW)
    assert not guard.shut_out(HOME, NOW)


def test_trust_allows_more_failures_and_no_free_pass(guard: LoginGuard) -> None:
    guard.passed(HOME, ALICE, NOW)
    attack(guard, TRUSTED_FACTOR * PAIR_LIMIT - 1, at=HOME)
    assert not guard.refused(HOME, ALICE, NOW)
    # Her old phone is no reason to lock out who lives with her.
    assert not guard.refused(HOME, BOB, NOW)
    attack(guard, 1, at=HOME)
    assert guard.refused(HOME, ALICE, NOW)


def test_trust_ends(guard: LoginGuard) -> None:
    guard.passed(HOME, ALICE, NOW)
    later = NOW + TRUST_LASTS + 1
    for number in range(NETWORK_LIMIT):
        guard.failed(HOME, f"user{number}@example.org", later)
    guard.sweep(later)
    assert guard.refused(HOME, ALICE, later)
    assert guard.shut_out(HOME, later)


@pytest.mark.parametrize("address", [GATEWAY, "127.0.0.1", "::1", "::ffff:127.0.0.1", None, ""])
def test_the_gateway_and_the_machine_itself_are_never_counted(
    guard: LoginGuard, address: str | None
) -> None:
    for number in range(1000):
        assert not guard.failed(address, f"{number % 3}", NOW)
    guard.passed(address, ALICE, NOW)
    assert not guard.refused(address, "1", NOW)
    assert not guard.shut_out(address, NOW)
    assert not guard.records
    assert not guard.trusted


def test_a_block_ends_and_the_next_is_longer_up_to_a_day(guard: LoginGuard) -> None:
    now, lengths = NOW, []
    for _ in range(12):
        for _ in range(PAIR_LIMIT):
            assert not guard.refused(ATTACKER, ALICE, now)
            guard.failed(ATTACKER, ALICE, now)
        lengths.append(guard.refused(ATTACKER, ALICE, now))
        now += lengths[-1]
    assert lengths[:4] == [FIRST_BLOCK, 2 * FIRST_BLOCK, 4 * FIRST_BLOCK, 8 * FIRST_BLOCK]
    assert lengths[-1] == LONGEST_BLOCK
    now += FORGIVEN_AFTER + 1
    for _ in range(PAIR_LIMIT):
        guard.failed(ATTACKER, ALICE, now)
    assert guard.refused(ATTACKER, ALICE, now) == FIRST_BLOCK


def test_failures_that_are_spread_over_time_leak_away(guard: LoginGuard) -> None:
    now = NOW
    for _ in range(1000):
        guard.failed(ATTACKER, ALICE, now)
        now += WINDOW / PAIR_LIMIT * 1.1
    assert not guard.refused(ATTACKER, ALICE, now)


def test_a_block_does_not_grow_while_it_lasts(guard: LoginGuard) -> None:
    attack(guard, PAIR_LIMIT)
    attack(guard, 2 * PAIR_LIMIT)
    assert guard.refused(ATTACKER, ALICE, NOW) == FIRST_BLOCK
    after = NOW + FIRST_BLOCK
    guard.failed(ATTACKER, ALICE, after)
    assert not guard.refused(ATTACKER, ALICE, after)


def test_a_clock_that_is_set_back_blocks_nobody_for_ever(guard: LoginGuard) -> None:
    attack(guard, PAIR_LIMIT)
    assert guard.refused(ATTACKER, ALICE, NOW - 10 * 365 * 86_400) <= LONGEST_BLOCK


@pytest.mark.parametrize(
    ("what", "left"),
    [
        (ATTACKER, [("198.51.100.8", ALICE)]),
        (f"{ATTACKER}/32", [("198.51.100.8", ALICE)]),
        ("198.51.100.8", [(ATTACKER, ALICE)]),
        (ALICE.upper(), []),
        ("all", []),
        ("192.0.2.1", [(ATTACKER, ALICE), ("198.51.100.8", ALICE)]),
    ],
)
def test_lifting(guard: LoginGuard, what: str, left: list[tuple[str, str]]) -> None:
    attack(guard, PAIR_LIMIT)
    attack(guard, PAIR_LIMIT, at="198.51.100.8")
    assert bool(guard.lift(what)) == (len(left) < 2)
    assert [(block.network, block.login) for block in guard.blocks(NOW)] == left


def test_lifting_an_ipv6_network_by_an_address_in_it(guard: LoginGuard) -> None:
    attack(guard, PAIR_LIMIT, at="2001:db8::1")
    assert [block.network for block in guard.blocks(NOW)] == ["2001:db8::/64"]
    assert guard.lift("2001:db8::2")
    assert not guard.blocks(NOW)
    assert not guard.shut_out("2001:db8::1", NOW)


def test_memory_is_bounded_and_blocks_outlast_a_flood(
    guard: LoginGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_guard, "MOST_RECORDS", 100)
    monkeypatch.setattr(login_guard, "MOST_TRUSTED", 50)
    attack(guard, PAIR_LIMIT)
    for number in range(5000):
        guard.failed(f"192.0.{number // 250}.{number % 250}", f"{number}", NOW)
        guard.passed(f"203.0.{number // 250}.{number % 250}", f"{number}", NOW)
    assert len(guard.records) <= 100
    assert len(guard.trusted) <= 50
    assert guard.refused(ATTACKER, ALICE, NOW)


class TestTheFile:
    def kept(self, guard: LoginGuard, path: Path) -> LoginGuard:
        store = BlockStore(path)
        snapshot = store.snapshot(guard)
        assert snapshot is not None
        store.write(snapshot)
        assert store.snapshot(guard) is None
        again = LoginGuard()
        BlockStore(path).load(again)
        return again

    def test_keeps_blocks_counts_and_trust(self, guard: LoginGuard, tmp_path: Path) -> None:
        attack(guard, PAIR_LIMIT)
        attack(guard, PAIR_LIMIT - 1, at="198.51.100.8")
        guard.passed(HOME, ALICE, NOW)
        again = self.kept(guard, tmp_path / "blocked.sqlite")
        assert again.blocks(NOW) == guard.blocks(NOW)
        assert dict(again.records) == dict(guard.records)
        assert dict(again.trusted) == dict(guard.trusted)
        again.failed("198.51.100.8", ALICE, NOW)
        assert again.refused("198.51.100.8", ALICE, NOW)
        for number in range(NETWORK_LIMIT):
            again.failed(HOME, f"{number}", NOW)
        assert not again.shut_out(HOME, NOW)

    def test_keeps_what_was_lifted_or_forgotten_out(
        self, guard: LoginGuard, tmp_path: Path
    ) -> None:
        path = tmp_path / "blocked.sqlite"
        attack(guard, PAIR_LIMIT)
        guard.passed(HOME, ALICE, NOW)
        self.kept(guard, path)
        guard.lift("all")
        assert not self.kept(guard, path).records
        guard.sweep(NOW + TRUST_LASTS + 1)
        assert not self.kept(guard, path).trusted

    @pytest.mark.parametrize("content", [b"nonsense" * 200, b"SQLite format 3\0" + b"\xff" * 4096])
    def test_that_is_damaged_is_put_aside(
        self, guard: LoginGuard, tmp_path: Path, content: bytes
    ) -> None:
        path = tmp_path / "blocked.sqlite"
        path.write_bytes(content)
        BlockStore(path).load(guard)
        assert not guard.records
        attack(guard, PAIR_LIMIT)
        assert self.kept(guard, path).blocks(NOW)
        assert (tmp_path / "blocked.sqlite.damaged").read_bytes() == content
