"""Who has much room is not asked about for each message, and nobody is filled by that."""

from __future__ import annotations

from pathlib import Path

from filters.mailbox_room import AHEAD, MOMENT, MOST, MailboxRoom

from .quota_server import asking, listening, run

LARGEST = 1000
QUOTA = 100_000


class Mailbox:
    """As Dovecot counts: OK below the quota, where what comes fits with the grace."""

    def __init__(self, filled: int) -> None:
        self.filled = filled

    def answer(self, size: int) -> bytes:
        fits = self.filled < QUOTA and self.filled + max(size, 1) <= QUOTA + LARGEST
        return b"action=OK\n\n" if fits else b"action=FULL\n\n"


def test_one_question_is_for_many_messages(tmp_path: Path) -> None:
    async def work() -> None:
        mailbox = Mailbox(0)
        async with (
            listening(tmp_path / "s", sized=mailbox.answer) as dovecot,
            asking(tmp_path / "s", largest=LARGEST) as quotas,
        ):
            for _ in range(3 * AHEAD):
                assert not await quotas.all_full(["alice@example.org"])
            assert dovecot.sizes[0] == (AHEAD + 1) * LARGEST
            # As long as it is one moment, what comes after is asked for singly.
            assert set(dovecot.sizes[1:]) <= {0, (AHEAD + 1) * LARGEST}

    run(work())


def test_no_mailbox_is_filled_beyond_its_quota_and_one_message(tmp_path: Path) -> None:
    async def work() -> None:
        for start in range(0, QUOTA, 7 * LARGEST):
            mailbox = Mailbox(start)
            path = tmp_path / str(start)
            async with (
                listening(path, sized=mailbox.answer),
                asking(path, largest=LARGEST) as quotas,
            ):
                for _ in range(2 * QUOTA // LARGEST):
                    if await quotas.all_full(["alice@example.org"]):
                        break
                    # Whatever is taken here, Dovecot stores.
                    assert mailbox.answer(LARGEST) == b"action=OK\n\n"
                    mailbox.filled += LARGEST
                assert QUOTA <= mailbox.filled < QUOTA + LARGEST

    run(work())


def test_a_full_one_is_refused_at_once_and_each_time(tmp_path: Path) -> None:
    async def work() -> None:
        mailbox = Mailbox(QUOTA)
        async with (
            listening(tmp_path / "s", sized=mailbox.answer) as dovecot,
            asking(tmp_path / "s", largest=LARGEST) as quotas,
        ):
            for _ in range(5):
                assert await quotas.all_full(["alice@example.org"])
            # Room for many is asked for once; then whether there is any.
            assert dovecot.sizes == [(AHEAD + 1) * LARGEST, 0, 0, 0, 0, 0]
            mailbox.filled = 0
            assert not await quotas.all_full(["alice@example.org"])

    run(work())


def test_an_answer_counts_for_a_moment_and_so_many_messages() -> None:
    room = MailboxRoom(LARGEST)
    assert not room.take("a", 5.0)
    room.remember("a", room.size("a", 5.0), fits=True, now=5.0)
    assert [room.take("a", 5.0 + MOMENT - 0.1) for _ in range(AHEAD)] == [True] * (AHEAD - 1) + [
        False
    ]
    assert not room.take("b", 5.0)
    room.remember("a", room.size("a", 5.0 + MOMENT), fits=True, now=5.0 + MOMENT)
    assert room.take("a", 5.0 + MOMENT)
    assert not room.take("a", 5.0 + 2 * MOMENT)


def test_without_a_largest_message_nothing_is_remembered() -> None:
    room = MailboxRoom(0)
    assert room.size("a", 0.0) == 0
    room.remember("a", 0, fits=True, now=0.0)
    assert not room.take("a", 0.0)


def test_what_is_remembered_has_a_bound() -> None:
    room = MailboxRoom(LARGEST)
    for number in range(3 * MOST):
        room.remember(str(number), room.size(str(number), 0.0), fits=True, now=0.0)
    remembered = sum(room.take(str(number), 0.0) for number in range(3 * MOST))
    assert remembered <= MOST
