"""What a test wants to go wrong: which commands a fault is for, and what becomes of them in turn.

A fault is added as JSON, waits for what it matches, and plays its script: a step for each command
that matches, then it lets everything pass (`"repeat": true`: from the first step again). So "refuse
twice, then accept" is a script of one step with two times. Faults stand in the order in which they
were added; the first that has a step for a command is the one. Where none has, Mailpit's chaos may
have an error. It knows no protocol: the filter and the front say what happens, and do what they are
told.
"""

from __future__ import annotations

import fnmatch
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, model_validator

from entrypoint.test_target.chaos import Triggers
from filters.capture.runs import NAME

Phase = Literal["connect", "helo", "auth", "mail-from", "rcpt-to", "data", "message", "accepted"]

# An address or the message says of which run it is.
_BEFORE_RUNS: frozenset[Phase] = frozenset({"connect", "helo", "auth"})

MOST_FAULTS = 1_000
MOST_GREYLISTED = 10_000
LONGEST_DELAY = 60.0  # seconds

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=320)]
# 421 ends the session, in smtpd, too.
Reply = Annotated[str, StringConstraints(pattern=r"^[45][0-9]{2} [ -~]{1,400}$")]
Status = Annotated[str, StringConstraints(pattern=r"^[45]\.[0-9]{1,3}\.[0-9]{1,3}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Match(_Strict):
    """Which commands: all that is named has to fit. `*` and `?` stand for other characters.

    `recipient` counts from RCPT on; behind DATA one of the recipients has to fit.
    """

    phase: Phase
    sender: Pattern | None = None
    recipient: Pattern | None = None
    client: Pattern | None = None
    login: Pattern | None = None


class FaultStep(_Strict):
    """What becomes of a command. delay, greylist and dsn_after: seconds.

    reply: refused with this; disconnect: the connection ends without a word; greylist: refused with
    451 until so long after the first try of the same client, sender and recipient, whatever `times`
    says, and never done by itself; dsn: accepted, and a delivery status notification with this
    status follows; with a delay alone, or with nothing, it is accepted.
    """

    times: int = Field(default=1, ge=1, le=1_000_000)
    delay: float = Field(default=0.0, ge=0.0, le=LONGEST_DELAY)
    reply: Reply | None = None
    disconnect: bool = False
    greylist: float | None = Field(default=None, gt=0.0, le=3_600.0)
    dsn: Status | None = None
    dsn_after: float = Field(default=0.0, ge=0.0, le=3_600.0)

    @model_validator(mode="after")
    def _one_thing(self) -> FaultStep:
        given = [self.reply is not None, self.disconnect, self.greylist is not None]
        if sum(given) + (self.dsn is not None) > 1:
            raise ValueError("a step is one of reply, disconnect, greylist and dsn")
        if self.dsn_after and self.dsn is None:
            raise ValueError("dsn_after needs dsn")
        return self

    @property
    def passes(self) -> bool:
        """Whether all goes its way: it counts what comes before another step."""
        return not (self.reply or self.disconnect or self.greylist or self.dsn or self.delay)


class DsnStep(FaultStep):
    """A step with a dsn, taken for a message. recipients: those that the fault is for."""

    recipients: tuple[str, ...]


Run = Annotated[str, StringConstraints(pattern=f"^{NAME}$", to_lower=True)]


class FaultRequest(_Strict):
    """A fault as it is added. run: for that run's commands only; without it, for all."""

    run: Run | None = None
    match: Match
    script: list[FaultStep] = Field(min_length=1, max_length=100)
    repeat: bool = False

    @model_validator(mode="after")
    def _possible(self) -> FaultRequest:
        phase = self.match.phase
        if self.run is not None and phase in _BEFORE_RUNS:
            raise ValueError(
                f"run {self.run!r:.80}: no run is known at {phase}: leave run out;"
                " match client or login"
            )
        if all(step.passes for step in self.script) or (self.script[-1].passes and not self.repeat):
            raise ValueError(
                "the last step of script says nothing: reply, delay, disconnect, greylist or dsn"
            )
        for step in self.script:
            if step.dsn is not None and phase != "message":
                raise ValueError("a dsn follows a message: phase must be message")
            if step.greylist is not None and phase != "rcpt-to":
                raise ValueError("greylisting is at RCPT: phase must be rcpt-to")
            if phase == "accepted" and (step.reply or step.greylist):
                raise ValueError("behind the reply there is only disconnect or delay")
        return self


REQUEST: TypeAdapter[FaultRequest] = TypeAdapter(FaultRequest)


@dataclass(frozen=True)
class Command:
    """What a client is doing. runs: the runs that it can be of, in lower case."""

    phase: Phase
    client: str = ""
    login: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    runs: frozenset[str] = frozenset()


@dataclass
class FaultScript:
    """A fault and how far it is.

    hits: how many commands a step was taken for; of greylisting those that were refused.
    """

    id: str
    request: FaultRequest
    hits: int = 0
    _played: int = 0  # commands that the script has gone on by
    _seen: dict[tuple[str, str, str], float] = field(default_factory=dict)

    @property
    def done(self) -> bool:
        """Whether its script has been played: it lets everything pass.

        Never at a greylist step, which goes on until the fault is cleared.
        """
        return self._current() is None

    def step_for(self, command: Command, now: float) -> FaultStep | None:
        """The step for a command, counted as taken; None where it is not for this one."""
        if not self._fits(command):
            return None
        step = self._current()
        if step is None or step.greylist is not None:
            # Greylisting goes on: it is no step that is done after so many commands.
            return step and self._greylisted(step, command, now)
        self.hits += 1
        self._played += 1
        if step.dsn is None:
            return step
        pattern = self.request.match.recipient
        concerned = tuple(each for each in command.recipients if _like(pattern, [each]))
        return DsnStep.model_construct(**dict(step), recipients=concerned)

    def _current(self) -> FaultStep | None:
        script = self.request.script
        whole = sum(step.times for step in script)
        if self._played >= whole and not self.request.repeat:
            return None
        at = self._played % whole
        for step, until in zip(script, itertools.accumulate(s.times for s in script), strict=True):
            if at < until:
                return step
        return None

    def _fits(self, command: Command) -> bool:
        match, run = self.request.match, self.request.run
        return (
            match.phase == command.phase
            and (run is None or run in command.runs)
            and _like(match.client, [command.client])
            and _like(match.login, [command.login])
            and _like(match.sender, [command.sender])
            and _like(match.recipient, command.recipients)
        )

    def _greylisted(self, step: FaultStep, command: Command, now: float) -> FaultStep:
        key = (command.client, command.sender, command.recipients[-1] if command.recipients else "")
        if len(self._seen) >= MOST_GREYLISTED:
            self._seen.pop(next(iter(self._seen)))
        since = self._seen.setdefault(key, now)
        if step.greylist is not None and now - since < step.greylist:
            self.hits += 1
            return FaultStep(
                reply="451 4.7.1 greylisted by the test, try again later", delay=step.delay
            )
        # Not validated: nobody has asked for a step that says nothing.
        return FaultStep.model_construct(delay=step.delay)


class Faults:
    """All faults, in the order in which they were added. triggers: chaos, behind them."""

    def __init__(self) -> None:
        self.triggers = Triggers()
        self._faults: dict[str, FaultScript] = {}
        self._ids = itertools.count(1)

    def __bool__(self) -> bool:
        """Whether a command has to be looked at."""
        return bool(self._faults) or self.triggers.any

    def add(self, request: FaultRequest) -> FaultScript:
        """Raises ValueError where there are MOST_FAULTS."""
        if len(self._faults) >= MOST_FAULTS:
            raise ValueError(f"there are {MOST_FAULTS} faults already; delete some")
        fault = FaultScript(f"f{next(self._ids)}", request)
        self._faults[fault.id] = fault
        return fault

    def listed(self, run: str | None = None) -> Sequence[FaultScript]:
        """All of them, or one run's."""
        name = run.lower() if run is not None else None
        return [f for f in self._faults.values() if name is None or f.request.run == name]

    def clear(self, *, fault_id: str | None = None, run: str | None = None) -> int:
        """Take one away, or a run's, or all; how many there were."""
        gone = [f.id for f in self.listed(run) if fault_id is None or f.id == fault_id]
        for each in gone:
            del self._faults[each]
        return len(gone)

    def step_for(self, command: Command, now: float) -> FaultStep | None:
        """What becomes of a command; None: what would become of it anyway. now: seconds."""
        for fault in self._faults.values():
            step = fault.step_for(command, now)
            if step is not None:
                return step
        reply = self.triggers.reply(command.phase)
        return FaultStep(reply=reply) if reply else None


def _like(pattern: str | None, values: Sequence[str]) -> bool:
    if pattern is None:
        return True
    matches = re.compile(fnmatch.translate(pattern.lower())).match
    return any(matches(value.lower()) for value in values)
