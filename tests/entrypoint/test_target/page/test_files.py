"""How the page's files are served, and what must not stand in them. No browser."""

import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from entrypoint.test_target.page import routes
from tests.entrypoint.test_target.running import ROOT, Running

STATIC = Path(routes.__file__).with_name("static")
FILES = sorted(path.name for path in STATIC.iterdir())
SCRIPTS = [name for name in FILES if name.endswith(".js")]
CSS = (STATIC / "style.css").read_text()
AA = 4.5  # WCAG 2.2 §1.4.3
# Text on its ground, by the names of the style sheet.
PAIRS = [
    *((ink, ground) for ink in ("ink", "soft", "accent") for ground in ("panel", "sunken")),
    *((tone, "panel") for tone in ("pass", "fail", "warn")),
    *((tone, f"{tone}-ground") for tone in ("pass", "fail", "warn", "accent")),
    *(("soft", f"{tone}-ground") for tone in ("pass", "fail", "warn", "accent", "neutral")),
    *(("ink", "raised"), ("on-accent", "accent"), ("panel", "fail")),
]


@pytest.mark.parametrize("path", ["/", "/overview", "/view/AbC123", "/view/latest.x"])
def test_the_page_runs_no_script_but_its_own(server: Running, path: str) -> None:
    answer = server.get(path)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'; trusted-types 'none'" in policy
    assert answer.headers["X-DNS-Prefetch-Control"] == "off"


@pytest.mark.parametrize("name", [name for name in FILES if name != "index.html"])
def test_a_file_comes_once_and_is_asked_for_by_its_tag(server: Running, name: str) -> None:
    first = server.get(f"/assets/{name}")
    assert first.status == 200
    assert first.body == (STATIC / name).read_bytes()
    assert first.headers["Cache-Control"] == "no-cache"
    again = server.ask("GET", f"/assets/{name}", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = server.ask("GET", f"/assets/{name}", headers={"If-None-Match": 'W/"other"'})
    assert other.status == 200


@pytest.mark.parametrize("name", ["", "nothing.js", "../routes.py", "%2e%2e/routes.py"])
def test_nothing_else_is_served(server: Running, name: str) -> None:
    assert server.ask("GET", f"/assets/{name}").status in {404, 405}


def test_the_page_is_under_the_rules_of_access(server: Running) -> None:
    assert server.ask("GET", "/", headers={"Host": "evil.example"}).status == 403
    assert server.ask("POST", "/").status == 405


def test_all_files_go_into_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    globs = settings["tool"]["setuptools"]["package-data"]["entrypoint.test_target.page"]
    assert all(any(fnmatch(f"static/{name}", glob) for glob in globs) for name in FILES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_html_is_made_of_texts(name: str) -> None:
    script = (STATIC / name).read_text()
    assert not re.search(
        r"\b(inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc"
        r"|createContextualFragment|DOMParser|javascript:",
        script,
    )


def test_the_html_has_no_inline_script_or_style() -> None:
    html = (STATIC / "index.html").read_text()
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", html)
    named = set(re.findall(r'(?:src|href)="/assets/([^"]+)"', html))
    assert named == {*FILES} - {"index.html"}


def test_nothing_of_another_host_is_named() -> None:
    urls = [
        url
        for name in FILES
        for url in re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'`]*", (STATIC / name).read_text())
    ]
    assert {url for url in urls if "www.w3.org" not in url} == set()


def colours() -> Iterator[tuple[str, str, str]]:
    """Name, light, dark."""
    yield from re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", CSS)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground(scheme: int) -> None:
    by_name = {name: both[scheme] for name, *both in colours()}
    weak = {
        pair: round(ratio, 2)
        for pair in PAIRS
        if (ratio := contrast(by_name[pair[0]], by_name[pair[1]])) < AA
    }
    assert weak == {}


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
