"""How smtpd starts its delivery agent: without a shell, and in nothing else than with one."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

from .harness.shell import fresh, run
from .harness.signpost import IMAGE, Signpost

AGENT = "exec /usr/local/libexec/deliver "
# As smtpd.conf has it without Dovecot; smtpd puts domain and local part in.
MAILDIR = (
    AGENT + "+ /data/mail /usr/libexec/opensmtpd/mail.maildir -j "
    '"/data/mail/example.org/{}/Maildir"'
)
# Of an address, and of nobody's: what a shell would do something with goes to a shell.
PLAIN = ("alice", "alice.b-c_d", "a=b", "a+b", "0", "-x", "a:b", "a,b@c")
HOSTILE = (
    *("$(id)", "`id`", "$HOME", "${HOME}", "a b", "a'b", 'a"b', 'a" "b', 'a"b"c', "a\\", 'a\\"'),
    *("a;id", "a|id", "a&id", "a>x", "a<x", "*", "?", "[a]", "{a,b}", "~", "~root", "!", "#", "%"),
    *("a\tb", "a\nid", "\nid\n", "\x7f", "\xc3\xbc", "\xff", "", "$", "\\$HOME", "$'x'", "a=$(id)"),
)
COMMANDS = [
    *(AGENT + delimiter for delimiter in "+-_=."),
    *(AGENT + "--junk-filter " + delimiter for delimiter in "+-_=."),
    *(MAILDIR.format(local) for local in (*PLAIN, *HOSTILE)),
    # In the background, nobody would wait for it.
    *(AGENT + local for local in HOSTILE if "&" not in local),
    *(AGENT + f'+ "{local}"' for local in HOSTILE),
    *(
        AGENT + rest
        for rest in ("", " +", "+ ", "+  x", '"+"', '""', '+ "', '+ "x" y', '+ "x"y', 'x"y"')
    ),
    *(AGENT + " ".join("w" * count) for count in (15, 16, 17, 100)),
    *(AGENT + "x" * size for size in (3000, 4062, 4063, 4064, 4065, 5000)),
    *(
        "exec /usr/local/libexec/deliverx +",
        "/usr/local/libexec/deliver +",
        " " + AGENT + "+",
        "id",
    ),
    *(AGENT.replace("exec ", "exec  ") + "+", "exec\t/usr/local/libexec/deliver +", AGENT[:-1]),
]
# Words that are not smtpd's three.
OTHERS = [
    ["/bin/sh", AGENT + "+"],
    ["/bin/sh", "-x", AGENT + "+"],
    ["/bin/sh", "-c", AGENT + "+", "more"],
    ["/bin/sh"],
]


@dataclass(frozen=True)
class Started:
    """How an agent was started; a shell writes into its environment where it is."""

    status: int
    words: str
    state: tuple[str, ...]
    by_shell: bool

    @classmethod
    def of(cls, found: tuple[int, str]) -> Started:
        status, said = found
        state, _, words = said.partition("WORDS\n")
        lines = sorted(state.splitlines())
        return cls(status, words, tuple(line for line in lines if line != SHELLS), SHELLS in lines)

    def same(self, other: Started) -> bool:
        return replace(self, by_shell=False) == replace(other, by_shell=False)


SHELLS = "PWD=/usr/local"


def start(commands: list[object]) -> list[list[Started]]:
    """Of each command what came of it with the library and without."""
    printed = run(
        *("docker", "run", "--rm", "--interactive", "--init", "--network", "none"),
        *("--name", fresh("signpost-test-agent")),
        *("--volume", f"{Path(__file__).parent / 'delivery'}:/test:ro"),
        *("--entrypoint", "python", IMAGE, "/test/starts.py"),
        stdin=json.dumps(commands).encode(),
        timeout=60,
    )
    return [[Started.of(each) for each in both] for both in json.loads(printed)]


def test_the_agent_gets_what_a_shell_would_give_it(image: None) -> None:
    random.seed(4)
    letters = "ab/.+\"'`$\\ ;|<>(){}[]*?~#!=%\t\n\r\x7f\x80:"
    noise = ["".join(random.choices(letters, k=random.randint(1, 9))) for _ in range(60)]
    # A shell's own number would differ.
    noise = [each for each in noise if "$$" not in each]
    commands = [*COMMANDS, *(MAILDIR.format(local) for local in noise), *OTHERS]
    ours = set()
    for command, (found, usual) in zip(commands, start(list(commands)), strict=True):
        assert found.same(usual), command
        if found.words and not found.by_shell:
            ours.add(str(command))
    # What smtpd says to it, and nothing that a shell would not have left as it is.
    assert ours >= {MAILDIR.format(local) for local in PLAIN} | {AGENT + each for each in "+-_=."}
    assert not [
        command for command in ours if set(command) & set("'`$\\;|&<>(){}[]*?~#!%\t\n\x7f\xff")
    ]


def test_smtpd_has_it(signpost: Signpost) -> None:
    parent = "pgrep -xo smtpd"
    assert signpost.processes("sh", "-c", f"grep -c delivery_agent.so /proc/$({parent})/maps")
