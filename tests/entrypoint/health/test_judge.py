"""From answers and silences to the part that is named, and whether a restart is its cure."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from entrypoint.health.judge import LONGEST_DELIVERY, Seen, judge
from entrypoint.probe.processes import Process
from entrypoint.probe.questions import Answers, Probe
from entrypoint.probe.smtp import Control

QUESTIONS = (
    *("control", "dispatcher", "scheduler", "port 25", "port 465", "port 587"),
    *("master", "auth", "anvil", "stats", "lmtp", "quota-status", "port 143", "port 993"),
    *("port 4190", "port 995", "logins", "maintenance", "port 80", "port 443", "DNS"),
)


def seen(
    silent: Mapping[str, str],
    processes: tuple[Process, ...] = (),
    paused: tuple[str, ...] = (),
    longest: float = 0.0,
) -> Seen:
    """Everything answers but what is named with the step that it is stuck at."""
    probes = {name: Probe("done", answered=True) for name in QUESTIONS}
    probes |= {name: Probe(step) for name, step in silent.items()}
    control = Control(paused=list(paused), longest=longest, envelope="1f")
    return Seen(Answers(probes), 7.0, processes, control, name_servers=("192.0.2.53",))


def test_a_server_that_answers_everything_is_well() -> None:
    assert judge(seen({})) == []


@pytest.mark.parametrize(
    ("silent", "part", "program"),
    [
        ({"control": "smtpctl"}, "smtpd's control", "smtpd"),
        (
            {"dispatcher": "smtpctl", "port 25": "greeting", "port 465": "TLS", "port 587": "x"},
            "smtpd's dispatcher",
            "smtpd",
        ),
        ({"port 25": "greeting", "port 465": "TLS", "port 587": "greeting"}, "lookup", "smtpd"),
        ({"port 25": "greeting"}, "the inbound filter", "smtpd"),
        ({"port 25": "EHLO"}, "the inbound filter", "smtpd"),
        ({"port 25": "MAIL"}, "smtpd's queue", "smtpd"),
        ({"port 25": "MAIL", "scheduler": "smtpctl"}, "smtpd's queue", "smtpd"),
        ({"port 25": "RCPT"}, "the inbound filter", "smtpd"),
        ({"scheduler": "smtpctl"}, "smtpd's scheduler", "smtpd"),
        ({"port 25": "first command", "port 465": "TLS", "port 587": "QUIT"}, "crypto", "smtpd"),
        ({"port 465": "TLS", "port 587": "greeting"}, "the submission filter", "smtpd"),
        ({"port 465": "AUTH unknown"}, "the submission filter", "smtpd"),
        ({"port 465": "AUTH"}, "smtpd's parent", "smtpd"),
        ({"logins": "question", "port 465": "AUTH", "port 993": "LOGIN"}, "logins", "logins"),
        ({"maintenance": "ping"}, "maintenance does not answer", "maintenance"),
        ({"master": "first line", "lmtp": "x", "port 993": "LOGIN"}, "master", "dovecot"),
        ({"auth": "first line", "lmtp": "RCPT", "port 993": "LOGIN"}, "Dovecot's auth", "dovecot"),
        ({"port 993": "LOGIN"}, "Dovecot's login", "dovecot"),
        ({"port 143": "greeting"}, "Dovecot's imap-login", "dovecot"),
        ({"lmtp": "greeting"}, "Dovecot's lmtp", "dovecot"),
        ({"port 443": "TLS"}, "web", "web"),
        ({"metrics": "request"}, "metrics does not answer", "metrics"),
        ({"junk": "question"}, "the junk filter does not answer", "junk"),
    ],
)
def test_the_first_part_of_a_chain_that_does_not_answer_is_named(
    silent: dict[str, str], part: str, program: str
) -> None:
    (fault,) = judge(seen(silent))
    assert part in fault.text
    assert fault.program == program


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (seen({"DNS": "question"}), "DNS: no name server answers within 7 s (192.0.2.53)"),
        (seen({"port 25": "connect"}), "port 25, connect"),
        (seen({"port 25": "connect"}, paused=("SMTP",)), "SMTP is paused"),
        (seen({}, paused=("MDA",)), "`smtpctl resume mda`"),
        (seen({}, longest=LONGEST_DELIVERY + 1), "local mail does not"),
        (
            seen({"port 25": "MAIL"}, (Process("smtpd", "smtpd's queue", "D", 7),)),
            "smtpd's queue does not answer within 7 s (port 25, MAIL); it waits for a disk",
        ),
        (
            seen({"port 465": "AUTH"}, (Process("smtpd", "smtpd's parent", "S", 7, waits=999),)),
            "smtpd's parent does not answer within 7 s (port 465, AUTH); it is busy",
        ),
        (
            seen({"junk": "question"}, (Process("junk", "the junk filter", "D", 7),)),
            "the junk filter does not answer within 7 s (mail is delivered without its verdict); "
            "it waits for a disk",
        ),
        (seen({}, (Process("", "a delivery", "T", 7),)), "a delivery is stopped"),
    ],
)
def test_what_no_restart_cures_is_only_reported(what: Seen, said: str) -> None:
    (fault,) = judge(what)
    assert said in fault.text
    assert fault.program == ""


def test_a_wrong_answer_is_told_and_restarts_nothing() -> None:
    probes = {"port 25": Probe("MAIL", said="MAIL: 452 4.3.1 Insufficient system storage")}
    (fault,) = judge(Seen(Answers(probes), 7.0))
    assert fault.text == "port 25: MAIL: 452 4.3.1 Insufficient system storage"
    assert fault.program == ""


def test_a_silent_name_server_is_never_taken_for_a_hung_smtpd() -> None:
    found = judge(seen(dict.fromkeys(("DNS", "port 25", "port 465", "port 587"), "greeting")))
    assert any("DNS" in fault.text for fault in found)
    assert {fault.program for fault in found} == {""}


def test_no_way_to_a_name_server_is_no_fault() -> None:
    """Nobody waits for one, then: a server without any network is well."""
    probes = {"DNS": Probe("question", said="question: Network is unreachable")}
    assert judge(Seen(Answers(probes), 7.0)) == []


def test_a_stopped_process_explains_the_silence_of_its_program_and_of_no_other() -> None:
    stopped = (Process("smtpd", "smtpd's crypto", "T", 7),)
    found = judge(seen({"dispatcher": "smtpctl", "master": "first line"}, stopped))
    assert [fault.text for fault in found] == [
        "smtpd's crypto is stopped (SIGSTOP)",
        "Dovecot's master does not answer within 7 s (its socket, first line)",
    ]


@pytest.mark.parametrize(
    ("line", "waited"),
    [
        ("e1|inet4|mda||a@x|b@y|b@y|1|2|3|0|inflight|700|", 700),
        ("e1|inet4|mda||a@x|b@y|b@y|1|2|3|0|pending|-700|", 700),
        ("e1|inet4|mda||a@x|b@y|b@y|1|2|3|4|pending|700|", 0),
        ("e1|inet4|mta||a@x|b@y|b@y|1|2|3|4|inflight|700|", 0),
        ("e1|local|mda||a|b@x|b@y|b@y|1|2|3|4|inflight|700|an |error| with bars", 700),
        ("nonsense", 0),
    ],
)
def test_only_local_mail_that_is_due_counts_as_not_moving(line: str, waited: float) -> None:
    control = Control()
    control.note(line)
    assert control.longest == waited


def test_a_machine_that_is_overloaded_is_named_as_the_cause() -> None:
    probes = {"port 25": Probe("MAIL")}
    texts = [fault.text for fault in judge(Seen(Answers(probes, late=3.2), 7.0))]
    assert texts[1].startswith("the machine is overloaded: this check itself was held up for 3 s")
    well = {"port 25": Probe("QUIT", answered=True)}
    assert judge(Seen(Answers(well, late=3.2), 7.0)) == []
