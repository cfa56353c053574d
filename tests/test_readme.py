"""The README tells the truth: its table is current, and its commands exist."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from entrypoint.cli import COMMANDS
from entrypoint.config.variables import VARIABLES, variable_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PROSE = re.sub(r"```.*?```", "", README, flags=re.DOTALL)
COMMAND_LINES = re.findall(r"^    (\S.*)$", PROSE, re.MULTILINE)


def test_the_table_of_variables_is_current() -> None:
    table = README.split("checked by a test -->\n")[1].split("<!-- end of variables")[0]
    assert table == variable_table()
    done = subprocess.run(
        [sys.executable, "-m", "entrypoint.config.variables"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == table


class _Compose(yaml.SafeLoader):
    """Compose's `!override` is read as what stands behind it."""


_Compose.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def test_the_override_of_a_real_domain_fits_what_we_ship() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (text,) = blocks
    shown = yaml.load(text, _Compose)
    shipped = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["signpost"]
    assert shown.keys() == {"services"}
    assert shown["services"].keys() == {"signpost"}
    service = shown["services"]["signpost"]
    assert "ports: !override [" in text
    assert set(service["ports"]) < set(shipped["ports"])
    known = {name for variable in VARIABLES.values() for name in variable.names}
    assert {name.removesuffix("_FILE") for name in service["environment"]} <= known
    # What it mounts is a folder that git leaves alone, and where the variables look.
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    for volume in service["volumes"]:
        folder, place, mode = volume.split(":")
        assert f"{folder.removeprefix('.')}/" in ignored
        assert any(value.startswith(f"{place}/") for value in service["environment"].values())
        assert mode == "ro"
    for name in (".env", "/compose.override.yaml"):
        assert name in ignored


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_every_command_line_names_something_that_exists(line: str) -> None:
    words = line.split()
    if words[0] == "git":
        assert words == ["git", "pull"]
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    else:
        assert words[:2] == ["docker", "compose"]
        if "signpost" in words:
            rest = words[len(words) - words[::-1].index("signpost") :]
            assert rest
            assert rest[0] in COMMANDS or rest[0] == "--help"


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"\]\(([a-z][^):]*)\)", README)) | {"LICENSE"})
)
def test_every_page_is_there(path: str) -> None:
    page, _, section = path.partition("#")
    assert (ROOT / page).is_file()
    if section:
        titles = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE)
        assert section in {
            re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles
        }


def test_the_filter_of_ten_lines_has_ten_lines_and_runs() -> None:
    page = (ROOT / "docs/writing-a-filter.md").read_text()
    program = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0]
    assert len(program.splitlines()) == 10
    session = b"0123456789abcdef"

    def message(*lines: bytes) -> bytes:
        start = b"filter|0.7|1|smtp-in|data-line|" + session + b"|aa|"
        commit = b"filter|0.7|1|smtp-in|commit|" + session + b"|bb|\n"
        return b"".join(start + line + b"\n" for line in (*lines, b".")) + commit

    ours, theirs = socket.socketpair()
    process = subprocess.Popen([sys.executable, "-c", program], stdin=theirs, stdout=theirs)
    theirs.close()
    with ours, ours.makefile("rb") as answers:
        ours.settimeout(20)
        ours.sendall(b"config|ready\n" + message(b"Subject: hello"))
        said: list[bytes] = []
        while not (said and said[-1].startswith(b"filter-result")):
            said.append(answers.readline())
        head = b"filter-dataline|" + session + b"|aa|"
        *_, seen, subject, end, verdict = said
        assert (seen, subject, end) == (
            head + b"X-Seen: by my filter\n",
            head + b"Subject: hello\n",
            head + b".\n",
        )
        assert verdict.endswith(b"|bb|proceed\n")
        ours.sendall(message(b"Subject: LOTTERY"))
        while not (verdict := answers.readline()).startswith(b"filter-result"):
            pass
        assert verdict.endswith(b"|bb|reject|550 5.7.1 no lotteries here\n")
    assert process.wait(timeout=20) == 0
