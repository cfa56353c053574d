"""Several handlers of one phase: the first that does not say proceed is the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from filters.smtpd import PROCEED, Request, Session, Verdict

Answer = Verdict | None
Handler = Callable[[Session, Request], "Answer | Awaitable[Answer]"]


def in_turn(handlers: Sequence[Handler]) -> Handler:
    """One handler of all; it is a coroutine from where one of them is, and costs no task before."""
    if len(handlers) == 1:
        return handlers[0]

    def ask(session: Session, request: Request) -> Answer | Awaitable[Answer]:
        for number, handler in enumerate(handlers, 1):
            answer = handler(session, request)
            if isinstance(answer, Awaitable):
                return _go_on(answer, handlers[number:], session, request)
            if not _goes_on(answer):
                return answer
        return PROCEED

    return ask


async def _go_on(
    awaited: Awaitable[Answer], rest: Sequence[Handler], session: Session, request: Request
) -> Answer:
    answer = await awaited
    if not _goes_on(answer) or not rest:
        return answer
    later = in_turn(rest)(session, request)
    return await later if isinstance(later, Awaitable) else later


def _goes_on(answer: Answer) -> bool:
    return answer is None or answer is PROCEED
