"""The rounds: who is started when, and what is looked at. It must not know how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.end_to_end import client, cost, logins, signatures, stored, syncs
from bench.end_to_end.idle import Watched
from bench.end_to_end.letters import Letter, Post
from bench.end_to_end.logins import Logins
from bench.end_to_end.outside import OutsideMx
from bench.end_to_end.scene import ACCOUNTS, our_record
from bench.end_to_end.stacks import Signpost, Stack
from bench.end_to_end.traffic import INCOMING, INTERNAL, KINDS, OUTGOING, Traffic

Say = Callable[[str], None]
# Enough for every account and every process that is started for the first message only.
WARM_UP = 4 * ACCOUNTS
SYNCED = 3 * ACCOUNTS
GUESSED = 10 * ACCOUNTS


@dataclass(frozen=True)
class Effort:
    """Rounds; in each of a kind of traffic so many messages, and seconds at the fixed rate.

    `beside`: seconds of logins beside deliveries, once. `tcp`: how milters are reached. `rates`:
    the fixed rates by the traffic's name; without them, half of what the slowest stack does.
    """

    rounds: int = 5
    messages: int = 150
    seconds: float = 2.0
    beside: float = 15.0
    tcp: bool = False  # milters.Place
    rates: Mapping[str, float] = field(default_factory=dict)


# Nobody is started only to find out how fast it is.
QUICK = Effort(
    1, 100, 1.5, 10.0, rates={INCOMING.name: 30.0, INTERNAL.name: 30.0, OUTGOING.name: 10.0}
)


@dataclass
class Found:
    """Of one stack and kind of traffic, a number a round; seconds."""

    accepted: list[float] = field(default_factory=list)  # messages a second
    arrived: list[float] = field(default_factory=list)
    processor: list[dict[str, float]] = field(default_factory=list)  # a message, by process
    client: list[float] = field(default_factory=list)  # the share of one processor
    delays: list[list[float]] = field(default_factory=list)  # from the dot to the file
    answers: list[list[float]] = field(default_factory=list)  # from the dot to its 250
    told: list[list[float]] = field(default_factory=list)  # from the dot to IDLE's EXISTS
    slipped: list[float] = field(default_factory=list)


@dataclass
class OfStack:
    """Of one stack: by the traffic's name; bytes by process, a round each; syncs a message."""

    traffic: dict[str, Found] = field(default_factory=lambda: {one.name: Found() for one in KINDS})
    memory: list[dict[str, int]] = field(default_factory=list)
    syncs: dict[str, float] = field(default_factory=dict)


@dataclass
class Outcome:
    """By the stack's name; `rates`: messages a second of the fixed rate, by the traffic's name."""

    stacks: dict[str, OfStack]
    rates: dict[str, float] = field(default_factory=dict)
    logins: Logins | None = None


def measure(
    stacks: Sequence[type[Stack]], post: Post, effort: Effort, thorough: bool, say: Say
) -> Outcome:
    """All rounds. Raises RuntimeError where a message is not there once, verified or signed.

    `thorough`: logins beside deliveries, too, and where no rate is given, what is synced.
    """
    outcome = Outcome({stack.name: OfStack() for stack in stacks}, dict(effort.rates))
    if not effort.rates:
        guesses: dict[str, list[float]] = {one.name: [] for one in KINDS}
        for stack in stacks:
            with stack(effort.tcp) as running, OutsideMx():
                _once(running, post, effort, thorough, outcome)
                outcome.stacks[stack.name].syncs = _syncs(running, post) if thorough else {}
                _guess(running, post, guesses)
            about = ", ".join(f"{guesses[one.name][-1]:.0f} {one.name}" for one in KINDS)
            say(f"{stack.name}: verifies and signs; about {about} a second")
        outcome.rates = {name: min(several) / 2 for name, several in guesses.items()}
    for number in range(effort.rounds):
        for stack in _turn(stacks, number):
            found = outcome.stacks[stack.name]
            with stack(effort.tcp) as running, OutsideMx():
                if effort.rates and number == 0:
                    _once(running, post, effort, thorough, outcome)
                _round(running, post, effort, outcome.rates, found)
            about = ", ".join(
                f"{one.name} {found.traffic[one.name].arrived[-1]:.0f} a second and"
                f" {1e3 * median(found.traffic[one.name].delays[-1]):.0f} ms"
                for one in KINDS
            )
            say(f"round {number + 1}/{effort.rounds}: {stack.name}: {about}")
    return outcome


def _once(stack: Stack, post: Post, effort: Effort, thorough: bool, outcome: Outcome) -> None:
    _prove(stack, post)
    if thorough and isinstance(stack, Signpost):
        outcome.logins = logins.measure(stack, post, effort.beside)


def _guess(stack: Stack, post: Post, guesses: dict[str, list[float]]) -> None:
    _warm_up(stack, post)
    for traffic in KINDS:
        found = Found()
        throughput(stack, traffic, post, GUESSED, found)
        guesses[traffic.name] += found.arrived


def _turn(stacks: Sequence[type[Stack]], number: int) -> list[type[Stack]]:
    at = number % len(stacks)
    return [*stacks[at:], *stacks[:at]]


def _prove(stack: Stack, post: Post) -> None:
    """Good mail and bad are told apart, and what is submitted is signed."""
    good, bad = post.incoming(ACCOUNTS), post.tampered()
    client.send([*good, bad])
    stored.wait_for(stack.mail, len(good) + 1)
    found = stored.look(stack.mail)
    stored.check(found, good, stack.proof)
    stored.check(found, [bad], stack.refuted)
    signed = post.internal(1)
    client.send(signed)
    stored.wait_for(stack.mail, len(good) + 2)
    found = stored.look(stack.mail)
    signatures.check(found, signed)
    data = found[signed[0].number].path.read_bytes()
    if signatures.verifies(data + b"More.\n", our_record().encode()):
        raise RuntimeError("a signature verifies that cannot")


def _syncs(stack: Stack, post: Post) -> dict[str, float]:
    with syncs.Watched() as watched:
        _send(stack, INCOMING, post.incoming(SYNCED))
    return watched.by_process(SYNCED)


def _warm_up(stack: Stack, post: Post) -> None:
    for traffic in KINDS:
        _send(stack, traffic, traffic.letters(post, WARM_UP))
    cost.wait_for_rest()


def _round(
    stack: Stack, post: Post, effort: Effort, rates: dict[str, float], found: OfStack
) -> None:
    _warm_up(stack, post)
    for traffic in KINDS:
        throughput(stack, traffic, post, effort.messages, found.traffic[traffic.name])
        if traffic is INTERNAL:
            found.memory.append(cost.memory())
    for traffic in KINDS:
        of_traffic = found.traffic[traffic.name]
        letters = traffic.letters(post, round(rates[traffic.name] * effort.seconds))
        if traffic.leaves:
            _at_rate(stack, traffic, letters, rates[traffic.name], of_traffic)
        else:
            with Watched() as watched:
                sent, files = _at_rate(stack, traffic, letters, rates[traffic.name], of_traffic)
                of_traffic.told.append(watched.delays(letters, files, sent))


def _send(
    stack: Stack, traffic: Traffic, letters: Sequence[Letter], rate: float | None = None
) -> client.Sent:
    """Send all, and wait until they have arrived."""
    folder = traffic.folder(stack)
    already = stored.count(folder)
    sent = client.send(letters, rate)
    stored.wait_for(folder, already + len(letters))
    return sent


def deliver(
    stack: Stack, traffic: Traffic, letters: Sequence[Letter], rate: float | None = None
) -> tuple[client.Sent, dict[int, stored.Stored]]:
    """Send all, and find them where they arrive, verified or signed as they ought to be."""
    sent = _send(stack, traffic, letters, rate)
    files = stored.look(traffic.folder(stack))
    traffic.check(stack, files, letters)
    return sent, files


def throughput(stack: Stack, traffic: Traffic, post: Post, count: int, found: Found) -> None:
    """So many as fast as they are taken."""
    letters = traffic.letters(post, count)
    before = cost.snapshot()
    sent = _send(stack, traffic, letters)
    spent = cost.spent(before, cost.snapshot())
    found.processor.append({name: value / count for name, value in spent.items()})
    found.client.append(sent.processor / sent.seconds)
    files = stored.look(traffic.folder(stack))
    traffic.check(stack, files, letters)
    last = max(files[letter.number].at for letter in letters)
    found.arrived.append(count / (last - sent.began))
    found.accepted.append(count / (max(sent.taken.values()) - sent.began))


def _at_rate(
    stack: Stack, traffic: Traffic, letters: Sequence[Letter], rate: float, found: Found
) -> tuple[client.Sent, dict[int, stored.Stored]]:
    sent, files = deliver(stack, traffic, letters, rate)
    found.delays.append([files[one.number].at - sent.dots[one.number] for one in letters])
    found.answers.append([sent.taken[one.number] - sent.dots[one.number] for one in letters])
    found.slipped.append(sent.slipped)
    return sent, files
