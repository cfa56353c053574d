"""What a program's server asks, by phase and in order."""

from filters.smtpd import FilterServer


def restrictions(server: FilterServer) -> dict[str, list[str]]:
    """The names of the handlers of each phase; a message filter must be there, too."""
    dispatcher = server._dispatcher
    assert dispatcher.message_filter is not None
    return {
        phase: [handler.__name__ for handler in handlers]
        for phase, handlers in dispatcher.filters.items()
    }
