"""Faults of the server's own: a line for each in the log, and where the first of a kind arose."""

from __future__ import annotations

import logging
from traceback import extract_tb

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.safe import text_response

log = logging.getLogger(__name__)


class UnexpectedErrors:
    """Logs them; a traceback for each request would fill the log at a client's will."""

    def __init__(self) -> None:
        self._known: set[tuple[str, str, int | None]] = set()

    def answer(self, request: Request, error: Exception) -> Response:
        """500, without what the error says: that may be of somebody's mail."""
        name, frames = type(error).__name__, extract_tb(error.__traceback__)
        kind = (name, frames[-1].filename, frames[-1].lineno) if frames else (name, "", None)
        is_new = kind not in self._known
        self._known.add(kind)
        log.error(
            "%s %.200r cannot be answered: %s: %.200r",
            *(request.method, request.url.path, name, str(error)),
            exc_info=error if is_new or log.isEnabledFor(logging.DEBUG) else None,
        )
        return text_response("Error: a fault of the server's own; its log says which", 500)
