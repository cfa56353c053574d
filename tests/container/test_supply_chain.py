"""What the image is made from: a build's arguments, Python's hashes, the bill of materials."""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from .harness.shell import attempt, fresh, run
from .harness.signpost import IMAGE, ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text()
ARGUMENTS = set(re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE))
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yaml").read_text())
LABELS = {
    "VERSION": ("org.opencontainers.image.version", "1.2.3"),
    "REVISION": ("org.opencontainers.image.revision", "0123abcd"),
    "CREATED": ("org.opencontainers.image.created", "2026-11-27T00:00:00Z"),
    "SOURCE": ("org.opencontainers.image.source", "https://git.example/signpost"),
}


def build(*options: str, **arguments: str) -> str:
    """The image's number; the layers of the image under test are cached."""
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    return run("docker", "build", "--quiet", *options, *given, str(ROOT)).decode().strip()


@pytest.mark.usefixtures("target_image")
class TestArguments:
    def test_the_labels_say_them_and_the_bill_of_materials_too(self) -> None:
        tag = fresh("signpost-test-labels")
        try:
            build("--tag", tag, **{name: value for name, (_, value) in LABELS.items()})
            form = "{{json .Config.Labels}}"
            labels = json.loads(run("docker", "image", "inspect", "--format", form, tag))
            bill = materials(tag)
        finally:
            attempt("docker", "image", "rm", tag)
        wanted = dict(LABELS.values())
        wanted["org.opencontainers.image.base.name"] = "debian:trixie-slim"
        assert wanted.items() <= labels.items()
        about = bill["metadata"]["component"]
        assert about["version"] == "1.2.3"
        told = {each["name"]: each["value"] for each in about["properties"]}
        assert wanted.items() <= told.items()

    def test_a_snapshot_is_where_packages_come_from_and_no_one_is_the_default(self) -> None:
        moment = "20260101T000000Z"
        for arguments, wanted in (({"SNAPSHOT": moment}, moment), ({}, "")):
            tag = fresh("signpost-test-base")
            try:
                build("--target", "base", "--tag", tag, **arguments)
                said = run("docker", "run", "--rm", "--network", "none", tag, "apt-config", "dump")
            finally:
                attempt("docker", "image", "rm", tag)
            found = re.search(r'^APT::Snapshot "(.*)";$', said.decode(), re.MULTILINE)
            assert (found[1] if found else "") == wanted
        # It is for the build alone.
        looks = ("docker", "run", "--rm", "--network", "none", "--entrypoint", "ls", IMAGE)
        assert b"snapshot" not in run(*looks, "/etc/apt/apt.conf.d")


class TestRelease:
    def test_it_gives_each_argument_and_no_other(self) -> None:
        steps = WORKFLOW["jobs"]["image"]["steps"]
        (command,) = [each["run"] for each in steps if each.get("name") == "build"]
        assert set(re.findall(r"--build-arg (\w+)", command)) == ARGUMENTS
        given = WORKFLOW["env"] | WORKFLOW["jobs"]["image"]["env"]
        assert set(given) >= ARGUMENTS
        machines = WORKFLOW["jobs"]["image"]["strategy"]["matrix"]["include"]
        assert {each["architecture"] for each in machines} == {"amd64", "arm64"}
        # YAML 1.1 reads `on` as true.
        (when,) = WORKFLOW[True]["schedule"]
        assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", when["cron"])

    @pytest.mark.parametrize(
        ("tags", "pushed", "names"),
        [
            ("v1.2.3", None, "1.2.3 1.2 latest"),
            ("v1.9.0 v1.10.0", None, "1.10.0 1.10 latest"),
            ("v2.0.0-rc1 v2.0.0 vnext", None, "2.0.0 2.0 latest"),
            ("v2.0.0-rc1", None, None),
            ("", None, None),
            ("v1.2.3 v1.2.4 v2.0.0", "v2.0.0", "2.0.0 2.0 latest"),
            ("v1.2.3 v1.2.4 v2.0.0", "v1.2.4", "1.2.4 1.2"),
            ("v1.2.3 v1.2.4 v2.0.0", "v1.2.3", "1.2.3"),
            ("v1.2.3 v2.0.0-rc1", "v2.0.0-rc1", None),
        ],
    )
    def test_which_names_a_version_gets(
        self, tags: str, pushed: str | None, names: str | None, tmp_path: Path
    ) -> None:
        steps = WORKFLOW["jobs"]["inputs"]["steps"]
        (script,) = [each["run"] for each in steps if each.get("id") == "version"]
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        repository = ("git", "-C", str(tmp_path), *who)
        run(*repository, "init", "--quiet")
        run(*repository, "commit", "--quiet", "--allow-empty", "--message=x")
        for tag in tags.split():
            run(*repository, "tag", tag)
        output = tmp_path / "output"
        given = (f"GITHUB_OUTPUT={output}", f"GITHUB_REF_NAME={pushed or 'main'}")
        kind = f"GITHUB_REF_TYPE={'tag' if pushed else 'branch'}"
        # As GitHub runs it.
        done = attempt("env", "-C", str(tmp_path), *given, kind, "bash", "-e", "-c", script)
        printed = output.read_text() if output.exists() else ""
        found = dict(line.split("=", 1) for line in printed.splitlines())
        assert (done.returncode == 0, found.get("names")) == (names is not None, names)

    def test_every_stage_is_on_the_base_that_they_name(self) -> None:
        stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
        assert stages[0] == "${BASE}${BASE_DIGEST:+@${BASE_DIGEST}}"
        assert set(stages[1:]) == {"base"}


@pytest.mark.usefixtures("target_image")
def test_it_is_not_much_over_its_base() -> None:
    listed = run("docker", "history", "--human=false", "--format", "{{.Size}}", IMAGE)
    *ours, _ = map(int, listed.split())  # the base has one layer
    assert sum(ours) < 180_000_000


class TestPython:
    def test_nothing_is_installed_without_its_hash(self) -> None:
        assert "--require-hashes" in DOCKERFILE
        pinned = re.compile(r"[\w.-]+==[^\\]+ \\\n +--hash=sha256:[0-9a-f]{64}")
        for file in (ROOT / "requirements").glob("*.txt"):
            for requirement in re.split(r"\n(?=\S)", file.read_text().strip()):
                assert pinned.match(requirement), (file, requirement)


def materials(image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(sys.executable, str(ROOT / "deploy/sbom.py"), image))
    return found


@pytest.fixture(scope="module")
def bill(target_image: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """As `make sbom` makes it."""
    file = tmp_path_factory.mktemp("sbom") / "sbom.cdx.json"
    run(str(ROOT / "deploy/sbom.sh"), sys.executable, str(file), IMAGE)
    assert [each.name for each in file.parent.iterdir()] == [file.name]
    made: dict[str, Any] = json.loads(file.read_text())
    return made


class TestBillOfMaterials:
    def test_it_is_cyclonedx_and_the_same_each_time(self, bill: dict[str, Any]) -> None:
        assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
        again = materials(IMAGE)
        for each in (bill, again):
            del each["metadata"]["timestamp"]
        assert again == bill

    def test_it_has_what_dpkg_lists(self, bill: dict[str, Any]) -> None:
        looks = ("--network", "none", "--env", "COLUMNS=500", "--entrypoint", "dpkg", IMAGE, "-l")
        printed = run("docker", "run", "--rm", *looks).decode()
        listed = re.findall(r"(?m)^ii +([^:\s]+)(?::\w+)? +(\S+)", printed)
        assert len(listed) > 80
        assert packages(bill, "deb/debian") == sorted(listed)

    def test_it_has_what_pip_lists(self, bill: dict[str, Any], tmp_path: Path) -> None:
        name = fresh("signpost-test-packages")
        run("docker", "create", "--name", name, IMAGE)
        try:
            archive = run("docker", "cp", f"{name}:/opt/signpost/lib", "-")
        finally:
            run("docker", "rm", name)
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(tmp_path, filter="data")
        (folder,) = tmp_path.glob("lib/python3*/site-packages")
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "list")
        listed = json.loads(run(*pip, "--format=json", "--path", str(folder)))
        assert len(listed) > 15
        pairs = [(each["name"], each["version"]) for each in listed]
        assert packages(bill, "pypi") == sorted((canonical(name), each) for name, each in pairs)


def packages(bill: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    """Names and versions of the components of a kind, as their package URLs have them."""
    urls = [each["purl"] for each in bill["components"]]
    found = [re.match(rf"pkg:{kind}/([^@]+)@([^?]+)", url) for url in urls]
    pairs = [(unquote(each[1]), unquote(each[2])) for each in found if each]
    if kind == "pypi":
        pairs = [(canonical(name), version) for name, version in pairs]
    return sorted(pairs)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
