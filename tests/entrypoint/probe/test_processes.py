"""Which process is whose, from a /proc of files; and that a stranger's process is nobody's."""

from __future__ import annotations

from pathlib import Path

from entrypoint.probe.processes import Process, processes, since

LOGPIPE = "python -m entrypoint.supervise.logpipe --format text --level info"
# number: parent, state, command line
TREE = {
    7: (0, "S", "/opt/signpost/bin/python3 -m entrypoint.supervise /run/x text "),
    8: (7, "S", f"{LOGPIPE} smtpd /usr/sbin/smtpd -dF -f /run/signpost/smtpd.conf "),
    9: (8, "S", "/usr/sbin/smtpd -dF -f /run/signpost/smtpd.conf "),
    10: (9, "T", "smtpd: queue   "),
    11: (9, "S", "/opt/signpost/bin/python -m filters.inbound --spool x "),
    12: (7, "S", f"{LOGPIPE} dovecot /usr/sbin/dovecot -F -c x "),
    13: (12, "S", "/usr/sbin/dovecot -F -c x "),
    14: (13, "S", "dovecot/auth "),
    15: (13, "D", "dovecot/auth -w "),
    16: (13, "S", "dovecot/imap "),
    21: (13, "S", "dovecot/pop3-login "),
    22: (13, "S", "dovecot/pop3 "),
    17: (13, "S", "/bin/sh /usr/local/libexec/sieve-send x "),
    18: (7, "S", f"{LOGPIPE} --user logins logins python -m filters.logins x "),
    19: (18, "S", "python -m filters.logins x "),
    20: (7, "S", "python -m entrypoint.maintenance --format text "),
    23: (7, "S", f"{LOGPIPE} --metrics --user web --only-here web web setpriv python -m x "),
    24: (7, "S", f"{LOGPIPE} --user metrics --only-here metrics metrics setpriv python -m x "),
    25: (24, "T", "python -m entrypoint.supervise.until_eof entrypoint.metrics 9154 "),
    26: (7, "S", f"{LOGPIPE} --user vmail --only-here vmail:entrypoint.junk junk setpriv x "),
    27: (26, "D", "python -m entrypoint.supervise.until_eof entrypoint.junk "),
    28: (27, "T", "bogofilter -T "),
    30: (0, "T", "smtpd: queue"),  # of another container that shares the view
}


def proc(folder: Path, waits: int) -> Path:
    for number, (parent, state, command) in TREE.items():
        entry = folder / str(number)
        entry.mkdir(parents=True, exist_ok=True)
        (entry / "stat").write_text(f"{number} (a) name) {state} {parent} 1 1 0")
        (entry / "cmdline").write_text(command.replace(" ", "\0"))
        (entry / "status").write_text(f"Name:\tx\nvoluntary_ctxt_switches:\t{waits}\nno:\t7\n")
    (folder / "self").mkdir(exist_ok=True)
    return folder


def test_every_process_has_the_name_that_an_administrator_knows(tmp_path: Path) -> None:
    found = {each.number: each for each in processes(proc(tmp_path, 3), 7)}
    named = {number: (each.program, each.title) for number, each in found.items()}
    # Whose a process of smtpd's is tells its user, and here they are all ours.
    named.pop(9, None)
    assert named == {
        7: ("", "supervisor"),
        8: ("smtpd", "the log of smtpd"),
        10: ("smtpd", "smtpd's queue"),
        11: ("smtpd", "the inbound filter"),
        12: ("dovecot", "the log of dovecot"),
        13: ("dovecot", "Dovecot's master"),
        14: ("dovecot", "Dovecot's auth"),
        15: ("dovecot", "Dovecot's auth-worker"),
        16: ("", "Dovecot's imap"),
        21: ("dovecot", "Dovecot's pop3-login"),
        22: ("", "Dovecot's pop3"),
        18: ("logins", "the log of logins"),
        19: ("logins", "logins"),
        20: ("maintenance", "maintenance"),
        23: ("web", "the log of web"),
        24: ("metrics", "the log of metrics"),
        25: ("metrics", "metrics"),
        26: ("junk", "the log of junk"),
        27: ("junk", "the junk filter"),
    }
    assert (found[10].state, found[15].state, found[10].waits) == ("T", "D", 3)


def test_what_a_process_has_done_meanwhile_is_told(tmp_path: Path) -> None:
    before = processes(proc(tmp_path, 3), 7)
    after = since(before, processes(proc(tmp_path, 45), 7))
    assert {each.waits for each in after} == {42}
    assert since([], [Process("", "new", "S", 1, 9)])[0].waits == 0


def test_without_a_view_of_processes_nothing_is_found(tmp_path: Path) -> None:
    assert processes(tmp_path, 7) == []
