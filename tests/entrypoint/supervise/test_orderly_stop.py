"""What smtpd says of its parts: one that is paused already need not be paused for a stop."""

from entrypoint.supervise.orderly_stop import is_paused


def test_a_part_that_is_paused_already() -> None:
    status = "MDA paused\nMTA running\nSMTP running\n"
    assert is_paused("mda", status)
    assert not is_paused("smtp", status)
    assert not is_paused("mda", "")
