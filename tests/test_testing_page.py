"""docs/testing.md tells the truth: the names, files and configuration in it exist.

Its calls of the API are made by tests/container/testing/test_examples.py.
"""

import re
from pathlib import Path

import pytest
import yaml

from entrypoint.test_mode import mailpit
from entrypoint.test_mode.settings import VARIABLES, variable_table

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/testing.md").read_text()
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
KNOWN = {name for variable in VARIABLES.values() for name in variable.names}
PORTS = {"1025", "8025"}


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def test_the_table_of_variables_is_current() -> None:
    table = PAGE.split("entrypoint.test_mode.settings -->\n")[1].split("<!-- end of variables")[0]
    assert table == variable_table()


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^):]*)\)", PAGE)
    assert len(links) > 5
    for link in links:
        path, _, heading = link.partition("#")
        target = ROOT / "docs" / (path or "testing.md")
        assert target.exists(), link
        if heading:
            titles = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert heading in {re.sub(r"[^\w -]", "", t.lower()).replace(" ", "-") for t in titles}


def test_mailpits_variables_do_what_the_page_says() -> None:
    table = PAGE.split("| Mailpit | Here |\n|---|---|\n")[1].split("\n\n")[0]
    rows = dict(row.strip("| ").split(" | ", 1) for row in table.splitlines())
    seen = set()
    for names, said in rows.items():
        for name in re.findall(r"`(\w+…?)`", names):
            bare = name.removesuffix("_FILE")
            if said.startswith("the same"):
                assert bare in KNOWN, name
            elif said.startswith("as it is anyway"):
                assert bare in KNOWN | mailpit._IDLE, name
            elif said.startswith("no effect"):
                assert name in mailpit._INSTEAD, name
            else:
                assert said.startswith("refused"), said
                family = name.removesuffix("…")
                assert family in mailpit._CLOSES or family in mailpit._SENDS_OUT, name
            seen.add(bare)
    assert seen >= {name for name in KNOWN if name.startswith("MP_")}


def test_no_variable_of_the_page_is_unknown() -> None:
    named = set(re.findall(r"`((?:TEST|SSL|ENABLE|DMARC|MESSAGE)_[A-Z_]+)", PROSE))
    assert named
    assert named <= KNOWN


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configuration_of_others_starts_a_test_target(text: str) -> None:
    parsed = yaml.safe_load(text)
    services = []
    for value in (parsed, *parsed.values(), *(parsed.get("jobs") or {}).values()):
        found = value.get("services") if isinstance(value, dict) else None
        services += list(found.values()) if isinstance(found, dict) else found or []
    (ours,) = [
        service
        for service in services
        if "signpost" in service.get("image", service.get("name", ""))
    ]
    given = ours.get("environment") or ours.get("env") or ours.get("variables")
    assert given == {"MODE": "test"}
    assert {port for pair in ours.get("ports", ()) for port in pair.split(":")} <= PORTS
    assert "SIGNPOST_URL" in text


def test_what_is_typed_names_what_exists() -> None:
    typed = re.findall(r"^    (\S.*)$", PROSE, re.MULTILINE)
    assert len(typed) >= 7
    for line in typed:
        words = line.split()
        for path in re.findall(r"(?:\./|docs/)[\w/-]+", line):
            assert (ROOT / path).is_dir(), line
        if words[:2] == ["docker", "run"]:
            assert {"MODE=test", "1025:1025", "8025:8025", "signpost"} <= set(words)


def test_what_the_python_example_needs_is_what_the_tests_have() -> None:
    folder = ROOT / "docs/testing/python"
    pinned = re.findall(r"^([\w-]+)==", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE)
    plugin, *others = (folder / "requirements.txt").read_text().split()
    assert (folder / plugin / "pyproject.toml").is_file()
    assert set(others) <= set(pinned)


def test_the_readme_starts_it_as_the_page_does() -> None:
    readme = (ROOT / "README.md").read_text()
    section = readme.split("## Test your own software against it\n")[1].split("\n## ")[0]
    commands = set(re.findall(r"^docker .*$|^curl .*$", section, re.MULTILINE))
    assert len(commands) == 3
    shown = PAGE.splitlines()
    assert commands <= {line.strip() for line in shown}
    assert "docs/testing.md" in section
