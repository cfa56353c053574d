"""What goes wrong on purpose."""

from __future__ import annotations

from typing import Any, Literal

from pytest_signpost.api import Api, SignpostError

Phase = Literal["connect", "helo", "auth", "mail-from", "rcpt-to", "data", "message", "accepted"]


# From the first recipient on it is known whose message it is.
OF_A_RUN: frozenset[Phase] = frozenset({"rcpt-to", "data", "message", "accepted"})


class Fault:
    """One that the server has. It ends with its test."""

    def __init__(self, api: Api, json: dict[str, Any]) -> None:
        self._api = api
        self.id: str = json["id"]

    @property
    def json(self) -> dict[str, Any]:
        """As the server lists it now. Raises SignpostError when it is gone."""
        for fault in self._api.json("GET", "/api/v1/faults")["faults"]:
            if fault["id"] == self.id:
                found: dict[str, Any] = fault
                return found
        raise SignpostError(f"the fault {self.id} is gone", 404)

    @property
    def hits(self) -> int:
        """How many commands it has met."""
        return int(self.json["hits"])

    def clear(self) -> None:
        """It happens no more. Nothing is raised for one that is gone."""
        try:
            self._api.bytes("DELETE", f"/api/v1/faults/{self.id}")
        except SignpostError as error:
            if error.status != 404:
                raise


def step(**fields: Any) -> dict[str, Any]:
    """A step of a script, without what is not asked for."""
    return {name: value for name, value in fields.items() if value not in (None, False, 0, 0.0)}
