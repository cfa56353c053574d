"""tests/engine.sh ends the engine that it started with its last user, and never under another.

`docker` and `dockerd` are stand-ins, since the real engine is used by others.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .container.harness.shell import wait_until

ENGINE = Path(__file__).parent / "engine.sh"

DOCKERD = """#!/bin/sh
echo x >> "$FAKE/starts"
echo $$ > "$FAKE/pid"
exec sleep 120
"""
DOCKER = """#!/bin/sh
[ "$1" = --host ] && shift 2
kill -0 "$(cat "$FAKE/pid" 2>/dev/null)" 2>/dev/null || exit 1
case $1 in
    ps) cat "$FAKE/containers" 2>/dev/null ;;
    compose | buildx) echo 2.26.1 ;;
esac
exit 0
"""

pytestmark = pytest.mark.skipif(
    os.getuid() != 0
    or not Path("/etc/debian_version").exists()
    or Path("/run/systemd/system").exists(),
    reason="only root starts an engine, on Debian, and systemd would start its own",
)


class Machine:
    """A machine without an engine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, program in {"docker": DOCKER, "dockerd": DOCKERD}.items():
            (folder / name).write_text(program)
            (folder / name).chmod(0o755)
        self.environ = {
            "PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder),
            "FAKE": str(folder),
            "SIGNPOST_ENGINE_STATE": str(folder / "state"),
        }

    def make(self, *arguments: str) -> str:
        """A call from beginning to end; what it prints."""
        done = subprocess.run(
            [ENGINE, *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=True,
        )
        return done.stdout.decode()

    def begin(self, verb: str) -> subprocess.Popen[bytes]:
        """A call whose command goes on until `end`."""
        return subprocess.Popen(
            [ENGINE, verb, "sh", "-c", "echo begun; read -r line"],
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def begun(self, verb: str) -> subprocess.Popen[bytes]:
        """The same, when its command runs."""
        process = self.begin(verb)
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
        return process

    def containers(self, *names: str) -> None:
        """What runs in the engine."""
        (self.folder / "containers").write_text("".join(f"{name}\n" for name in names))

    def runs(self) -> bool:
        """Whether the engine runs."""
        try:
            pid = (self.folder / "pid").read_text().strip()
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False


def end(process: subprocess.Popen[bytes]) -> None:
    process.communicate(b"end\n", timeout=60)
    assert process.returncode == 0


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    machine.containers()
    machine.make("stop")
    assert not machine.runs()


def test_an_engine_that_was_started_for_a_command_ends_with_it(machine: Machine) -> None:
    assert machine.make("run", "docker", "info") == "engine: starting dockerd\n"
    assert not machine.runs()


def test_the_command_s_status_is_the_call_s(machine: Machine) -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        machine.make("run", "sh", "-c", "exit 7")
    assert error.value.returncode == 7
    assert not machine.runs()


def test_an_engine_that_others_run_containers_in_goes_on(machine: Machine) -> None:
    tests = machine.begun("run")
    machine.containers("web", "db")
    end(tests)
    assert machine.runs()
    assert machine.make("stop") == (
        "engine: the Docker engine goes on: containers run in it: web db\n"
    )
    assert machine.runs()
    machine.containers()
    assert machine.make("stop") == ""
    assert not machine.runs()


@pytest.mark.parametrize("first", [0, 1])
def test_the_last_of_two_commands_ends_it(machine: Machine, first: int) -> None:
    both = [machine.begun("run"), machine.begun("run")]
    end(both.pop(first))
    assert machine.runs()
    end(both.pop())
    assert not machine.runs()


def test_two_that_begin_at_once_start_one_engine(machine: Machine) -> None:
    both = [machine.begin("run"), machine.begin("run")]
    for process in both:
        assert process.stdout
        assert process.stdout.readline() == b"begun\n"
    assert (machine.folder / "starts").read_text() == "x\n"
    for process in both:
        end(process)
    assert not machine.runs()


def test_make_up_s_engine_goes_on_until_make_down(machine: Machine) -> None:
    machine.make("ensure", "true")
    machine.make("run", "true")
    assert machine.runs()
    assert machine.make("stop") == ""
    assert not machine.runs()


def test_make_up_takes_over_an_engine_that_was_started_for_tests(machine: Machine) -> None:
    tests = machine.begun("run")
    machine.make("ensure", "true")
    end(tests)
    assert machine.runs()


def test_a_make_up_that_still_builds_counts(machine: Machine) -> None:
    building = machine.begun("ensure")
    assert machine.make("stop") == "engine: the Docker engine goes on: another make uses it\n"
    assert machine.runs()
    end(building)
    machine.make("run", "true")
    assert machine.runs()


def test_make_down_during_tests_leaves_it_to_them(machine: Machine) -> None:
    machine.make("ensure", "true")
    tests = machine.begun("run")
    assert "another make uses it" in machine.make("stop")
    assert machine.runs()
    end(tests)
    assert not machine.runs()


def test_an_engine_that_was_there_before_goes_on(machine: Machine) -> None:
    with subprocess.Popen([machine.folder / "dockerd"], env=machine.environ) as engine:
        wait_until(machine.runs, "the engine")
        assert machine.make("run", "true") == ""
        assert machine.make("stop") == ""
        assert engine.poll() is None
        engine.kill()
