"""Which package may import which (docs/design.md)."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in ("filters", "entrypoint", "templates")
    for path in sorted((ROOT / package).rglob("*.py"))
}


def imports(module: str) -> Iterator[str]:
    """Every module that a module imports, wherever the statement stands."""
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import"
            source = str(node.module)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in MODULES else source


def within(package: str) -> list[str]:
    return [name for name in MODULES if name == package or name.startswith(f"{package}.")]


def is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("filters.smtpd", "filters.mailauth"),
        ("filters.mailauth", "filters.smtpd"),
        ("filters", "entrypoint"),
        ("filters", "jinja2"),
        ("filters", "templates"),
        ("entrypoint", "filters.smtpd"),
        ("templates", "entrypoint"),
    ],
)
def test_a_package_does_not_know_another(package: str, forbidden: str) -> None:
    guilty = {
        module: name
        for module in within(package)
        for name in imports(module)
        if is_in(name, forbidden)
    }
    assert not guilty


def test_the_engine_and_the_protocol_know_no_program() -> None:
    for package in ("filters.smtpd", "filters.mailauth"):
        for module in within(package):
            for name in imports(module):
                assert not is_in(name, "filters") or is_in(name, package), (module, name)


def test_the_protocol_needs_the_standard_library_only() -> None:
    for module in [
        *within("filters.smtpd"),
        "entrypoint.supervise.logpipe",
        "entrypoint.log",
        "entrypoint.log_line",
    ]:
        for name in imports(module):
            top = name.partition(".")[0]
            assert top in sys.stdlib_module_names or top in {"filters", "entrypoint"}, (
                module,
                name,
            )


def test_only_environ_reads_the_environment() -> None:
    readers = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
        if isinstance(node.value, ast.Name) and node.value.id == "os"
    }
    # start sets TZ for the log's clock, and reads nothing. A fork of supervisor's process is given
    # what exec would give it.
    assert readers <= {
        "entrypoint.config.environ",
        "entrypoint.commands.start",
        "entrypoint.supervise.forks",
        "entrypoint.supervise.options",
        "entrypoint.test_mode.start",
    }


def room(module: str) -> str:
    """The folder that a module lies in; a module beside such folders stands for itself."""
    folder = module.rpartition(".")[0]
    beside = {"entrypoint", "entrypoint.test_target", "filters", "filters.mailauth", ""}
    return module if folder in beside else folder


def rooms(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same graph between folders."""
    found: dict[str, set[str]] = {}
    for module, names in graph.items():
        found.setdefault(room(module), set()).update(
            room(name) for name in names if room(name) != room(module)
        )
    return found


GRAPH = {module: {name for name in imports(module) if name in MODULES} for module in MODULES}


@pytest.mark.parametrize("graph", [GRAPH, rooms(GRAPH)], ids=["modules", "packages"])
def test_there_are_no_cycles(graph: dict[str, set[str]]) -> None:
    done: set[str] = set()

    def visit(node: str, way: tuple[str, ...]) -> None:
        assert node not in way, f"cycle: {' -> '.join((*way[way.index(node) :], node))}"
        if node not in done:
            for name in sorted(graph[node]):
                visit(name, (*way, node))
            done.add(node)

    for node in sorted(graph):
        visit(node, ())


def test_no_module_is_called_utils_and_the_middle_one_is_short() -> None:
    assert not [module for module in MODULES if "util" in module.rpartition(".")[2]]
    lengths = sorted(len(path.read_text().splitlines()) for path in MODULES.values())
    assert lengths[len(lengths) // 2] < 200


def test_the_name_of_a_public_class_occurs_once() -> None:
    places: dict[str, list[str]] = {}
    for module, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(module)
    assert not {name: modules for name, modules in places.items() if len(modules) > 1}
