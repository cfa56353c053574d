"""In production nothing of the test target is loaded, by any program or command."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from entrypoint.cli import COMMANDS

ROOT = Path(__file__).parents[3]
# What production runs by `python -m`.
_RUN = re.compile(r"(?=(?:-m|until_eof) ((?:entrypoint|filters)[\w.]*))")
_OF_THE_TARGET = (
    "entrypoint.test_mode",
    "entrypoint.test_target",
    "filters.capture",
    "starlette",
    "uvicorn",
    "wsproto",
)


def programs() -> set[str]:
    found = {"entrypoint.supervise.__main__", "entrypoint.health.__main__"}
    for name in ("smtpd.conf.j2", "supervisord.conf.j2"):
        found |= set(_RUN.findall((ROOT / "templates" / name).read_text()))
    return found


def test_no_module_of_it_is_imported() -> None:
    assert {"filters.inbound", "filters.logins", "entrypoint.web"} <= programs()
    commands = {f"entrypoint.commands.{name.replace('-', '_')}" for name in COMMANDS}
    modules = sorted(programs() | commands | {"entrypoint.config.variables"})
    program = "import importlib, sys\n"
    for module in modules:
        program += f"importlib.import_module({module!r})\n"
        if (ROOT / module.replace(".", "/") / "__main__.py").exists():
            program += f"importlib.import_module({module + '.__main__'!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "print(*sys.modules)"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    loaded = done.stdout.decode().split()
    assert "entrypoint.commands.start" in loaded
    assert not [
        name
        for name in loaded
        if any(name == each or name.startswith(f"{each}.") for each in _OF_THE_TARGET)
    ]


def test_nothing_of_it_is_in_production_s_templates() -> None:
    rendered = "".join(
        (ROOT / "templates" / name).read_text() for name in ("smtpd.conf.j2", "supervisord.conf.j2")
    )
    assert not re.search(r"capture|10025|1025|8025|test_target|target\.json", rendered)
