"""Coverage-guided fuzzing (atheris) of the filter protocol and of what is read in a message.

    make fuzz                                         60 seconds, or FUZZ_SECONDS
    python -m tests.fuzz.fuzz_protocol FILE           one input again, such as a crash-… file

A crash is kept in findings/ as crash-…: give it a name that says what it shows, and it is one of
the tests (test_findings.py).
"""

from __future__ import annotations

import ast
import re
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["filters"]):
    from tests.fuzz.properties import check

HERE = Path(__file__).parent
TRANSCRIPTS = HERE.parent / "smtpd" / "transcripts"
CASES = HERE.parent / "mailauth" / "cases"


def seeds() -> list[bytes]:
    """Where the fuzzer begins: the transcripts, the messages of the cases, and old findings."""
    found = [path.read_bytes() for path in sorted((HERE / "findings").iterdir())]
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        lines = re.findall(r"^> (.*)$", path.read_text(), re.MULTILINE)
        stream = "".join(line + "\n" for line in lines).encode()
        found.append(
            b"\0" + re.sub(rb"\\x..|\\r", lambda m: ast.literal_eval(f"b'{m[0].decode()}'"), stream)
        )
    for path in sorted(CASES.rglob("*.eml"))[:100]:
        message = path.read_bytes()
        found += [b"\1" + message.replace(b"\r\n", b"\n"), b"\2" + message]
        found += [b"\3" + v for v in re.findall(rb"(?i)Authentication-Results:(.*)\r\n", message)]
    return found


def main() -> None:
    """Fuzz until the libFuzzer options say that it is enough."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds()):
            Path(corpus, f"{number:04}").write_bytes(seed)
        inputs = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
        options = [
            f"-dict={HERE / 'protocol.dict'}",
            f"-artifact_prefix={HERE / 'findings'}/",
            "-max_len=4096",
            "-timeout=10",
            *(() if inputs else (corpus,)),
        ]
        atheris.Setup([*sys.argv, *options], check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
