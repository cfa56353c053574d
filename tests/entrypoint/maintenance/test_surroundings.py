"""What the log says of silent name servers and of replaced files: each change, once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence

from entrypoint.config.environ import load
from entrypoint.config.settings import HostFacts
from entrypoint.doctor import container
from entrypoint.log_line import LogLine
from entrypoint.maintenance.mounted_files import MountedFilesTicker
from entrypoint.maintenance.name_servers import NameServerTicker

SETTINGS = load({}, host=HostFacts(ipv6=False))
ONE, TWO = "192.0.2.1", "192.0.2.2"
LATE = "nothing within 5 s"


class Servers:
    """silent: those that do not answer now; None where nothing can be said."""

    def __init__(self, *servers: str) -> None:
        self.silent: dict[str, str] | None = {}
        self.asked = 0
        self._ticker = NameServerTicker(lambda: list(servers), self._look)
        self._now = 0.0

    async def _look(self, servers: Sequence[str], seconds: float) -> Mapping[str, str] | None:
        self.asked += 1
        return self.silent

    def tick(self, seconds: float = 60) -> list[LogLine]:
        self._now += seconds
        return asyncio.run(self._ticker.tick(SETTINGS, self._now))


class TestNameServers:
    def test_each_change_is_said_once(self) -> None:
        servers = Servers(ONE, TWO)
        assert servers.tick() == []
        servers.silent = {ONE: LATE}
        ((level, text),) = servers.tick()
        assert level == "warning"
        assert re.match(rf"DNS: the name server {ONE} does not answer \({LATE}\), others do;", text)
        assert servers.tick() == []
        servers.silent = {ONE: LATE, TWO: "Connection refused"}
        ((level, text),) = servers.tick()
        assert level == "error"
        answers = re.escape(f"({ONE}: {LATE}, {TWO}: Connection refused)")
        assert re.match(rf"DNS: no name server answers {answers}: .*DNS_SERVERS", text)
        assert servers.tick() == []
        servers.silent = {}
        assert servers.tick() == [
            LogLine("info", f"DNS: the name server {each} answers again") for each in (ONE, TWO)
        ]
        assert servers.tick() == []

    def test_one_is_asked_again_sooner_while_it_is_silent(self) -> None:
        servers = Servers(ONE)
        servers.tick()
        servers.tick(55)
        assert servers.asked == 1
        servers.silent = {ONE: LATE}
        servers.tick(5)
        servers.tick(10)
        assert servers.asked == 3

    def test_a_look_that_says_nothing_and_a_container_without_servers_say_nothing(self) -> None:
        servers = Servers(ONE)
        servers.silent = {ONE: LATE}
        assert len(servers.tick()) == 1
        servers.silent = None
        assert servers.tick() == []
        servers.silent = {ONE: LATE}
        assert servers.tick() == []
        none = Servers()
        assert none.tick() == []
        assert none.asked == 0


def test_a_replaced_file_is_said_once_and_when_it_is_over() -> None:
    found: list[str] = []
    ticker = MountedFilesTicker(lambda: list(found))

    def tick() -> list[LogLine]:
        return asyncio.run(ticker.tick(SETTINGS))

    assert tick() == []
    found.append("ACCOUNTS_FILE: /a is still the old file")
    ((level, text),) = tick()
    assert level == "error"
    assert text.startswith(f"{found[0]}: restart the container")
    assert tick() == []
    over = found.pop()
    assert tick() == [LogLine("info", f"no longer so: {over}")]
    assert tick() == []


class TestDoctor:
    def test_a_silent_name_server_is_a_warning_and_all_of_them_a_failure(self) -> None:
        (one,) = container.judge_name_servers([ONE, TWO], {ONE: LATE})
        assert (one.status, one.detail) == ("warn", f"{ONE} does not answer ({LATE}); others do")
        both = container.judge_name_servers([ONE, TWO], {ONE: LATE, TWO: LATE})
        assert {each.status for each in both} == {"fail"}
        assert all("DNS_SERVERS" in each.cure for each in both)
        assert container.judge_name_servers([ONE, TWO], {}) == []

    def test_a_replaced_file_is_a_failure_with_its_cure(self) -> None:
        (finding,) = container.check_mounts(lambda: ["ACCOUNTS_FILE: /a is still the old file"])
        assert (finding.check, finding.status) == ("mounts", "fail")
        assert "mount the folder" in finding.cure

        def fails() -> list[str]:
            raise OSError("no /proc here")

        assert container.check_mounts(fails) == []
