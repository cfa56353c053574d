"""Several handlers of one phase: the first that does not say proceed is the answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from filters.smtpd import PROCEED, Request, Session, Verdict

Answer = Verdict | None
Handler = Callable[[Session, Request], "Answer | Awaitable[Answer]"]


def in_turn(handlers: list[Handler]) -> Handler:
    """One handler of all; a single one stays as it is, and without a task if it needs none."""
    if len(handlers) == 1:
        return handlers[0]

    async def ask(session: Session, request: Request) -> Verdict:
        for handler in handlers:
            answer = handler(session, request)
            if isinstance(answer, Awaitable):
                answer = await answer
            if answer is not None and answer is not PROCEED:
                return answer
        return PROCEED

    return ask
