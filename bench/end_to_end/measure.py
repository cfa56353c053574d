"""The rounds: who is started when, and what is looked at. It must not know how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.end_to_end import client, cost, stored, syncs
from bench.end_to_end.scene import ACCOUNTS, Post
from bench.end_to_end.stacks import Stack

Say = Callable[[str], None]
# Enough for every account and every process that is started for the first message only.
WARM_UP = 6 * ACCOUNTS
SYNCED = 3 * ACCOUNTS
GUESSED = 20 * ACCOUNTS


@dataclass(frozen=True)
class Effort:
    """Rounds, messages in each, seconds of each at the fixed rate, and how milters are reached."""

    rounds: int = 5
    messages: int = 600
    seconds: float = 6.0
    tcp: bool = False  # milters.Place


QUICK = Effort(1, 200, 3.0)


@dataclass
class Found:
    """Of one stack, a number a round where nothing else is said; seconds and bytes."""

    accepted: list[float] = field(default_factory=list)  # messages a second
    stored: list[float] = field(default_factory=list)
    processor: list[dict[str, float]] = field(default_factory=list)  # a message, by process
    memory: list[dict[str, int]] = field(default_factory=list)
    delays: list[list[float]] = field(default_factory=list)  # from the dot to the file
    answers: list[list[float]] = field(default_factory=list)  # from the dot to its 250
    slipped: list[float] = field(default_factory=list)
    syncs: dict[str, float] = field(default_factory=dict)  # a message


@dataclass
class Outcome:
    """By the stack's name."""

    stacks: dict[str, Found]
    rate: float = 0.0  # messages a second, of the second part


def measure(stacks: Sequence[type[Stack]], post: Post, effort: Effort, say: Say) -> Outcome:
    """All rounds. Raises RuntimeError where a message is not stored once, or not verified."""
    outcome = Outcome({stack.name: Found() for stack in stacks})
    guesses = []
    for stack in stacks:
        with stack(effort.tcp) as running:
            _prove(running, post)
            outcome.stacks[stack.name].syncs = _syncs(running, post)
            cost.wait_for_rest()
            guess = Found()
            _throughput(running, post, GUESSED, guess)
        guesses += guess.stored
        say(f"{stack.name}: verifies; stores about {guess.stored[0]:.0f} a second")
    outcome.rate = min(guesses) / 2
    for number in range(effort.rounds):
        for stack in _turn(stacks, number):
            found = outcome.stacks[stack.name]
            with stack(effort.tcp) as running:
                _warm_up(running, post)
                _throughput(running, post, effort.messages, found)
                _at_rate(running, post, outcome.rate, effort.seconds, found)
            middle = 1e3 * median(found.delays[-1])
            say(
                f"round {number + 1}/{effort.rounds}: {stack.name} stored {found.stored[-1]:.1f}"
                f" a second; dot to file {middle:.0f} ms"
            )
    return outcome


def _turn(stacks: Sequence[type[Stack]], number: int) -> list[type[Stack]]:
    at = number % len(stacks)
    return [*stacks[at:], *stacks[:at]]


def _prove(stack: Stack, post: Post) -> None:
    """Good mail and bad are told apart."""
    good, bad = post.letters(ACCOUNTS), post.tampered()
    client.send([*good, bad])
    stored.wait_for(stack.mail, len(good) + 1)
    found = stored.look(stack.mail)
    stored.check(found, good, stack.proof)
    stored.check(found, [bad], stack.refuted)


def _syncs(stack: Stack, post: Post) -> dict[str, float]:
    before = stored.count(stack.mail)
    with syncs.Watched() as watched:
        client.send(post.letters(SYNCED))
        stored.wait_for(stack.mail, before + SYNCED)
    return watched.by_process(SYNCED)


def _warm_up(stack: Stack, post: Post) -> None:
    client.send(post.letters(WARM_UP))
    stored.wait_for(stack.mail, WARM_UP)
    cost.wait_for_rest()


def _throughput(stack: Stack, post: Post, count: int, found: Found) -> None:
    letters = post.letters(count)
    already = stored.count(stack.mail)
    before = cost.snapshot()
    sent = client.send(letters)
    stored.wait_for(stack.mail, already + count)
    after = cost.snapshot()
    found.memory.append(cost.memory())
    spent = cost.spent(before, after)
    found.processor.append({name: value / count for name, value in spent.items()})
    files = stored.look(stack.mail)
    stored.check(files, letters, stack.proof)
    last = max(files[letter.number].at for letter in letters)
    found.stored.append(count / (last - sent.began))
    found.accepted.append(count / (max(sent.taken.values()) - sent.began))


def _at_rate(stack: Stack, post: Post, rate: float, seconds: float, found: Found) -> None:
    letters = post.letters(round(rate * seconds))
    already = stored.count(stack.mail)
    sent = client.send(letters, rate)
    stored.wait_for(stack.mail, already + len(letters))
    files = stored.look(stack.mail)
    stored.check(files, letters, stack.proof)
    found.delays.append([files[one.number].at - sent.dots[one.number] for one in letters])
    found.answers.append([sent.taken[one.number] - sent.dots[one.number] for one in letters])
    found.slipped.append(sent.slipped)
