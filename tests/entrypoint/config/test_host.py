"""The kernel's tables, as it writes them."""

from __future__ import annotations

from pathlib import Path

from entrypoint.config.environ import host_facts
from entrypoint.config.settings import HostFacts

IF_INET6 = "00000000000000000000000000000001 01 80 10 80       lo\n"
ROUTE = (
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    "eth0\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
    "eth0\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    "eth1\t000013AC\t020013AC\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
)
ZERO = "0" * 32
IPV6_ROUTE = (
    f"fd{ZERO[2:]} 40 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001 eth0\n"
    f"{ZERO} 00 {ZERO} 00 fd{ZERO[3:]}1 00000400 00000002 00000000 00000003 eth0\n"
    f"{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200 lo\n"
)


def proc(folder: Path, if_inet6: str, disable: str, route: str, ipv6_route: str) -> Path:
    (folder / "net").mkdir()
    (folder / "sys/net/ipv6/conf/all").mkdir(parents=True)
    (folder / "net/if_inet6").write_text(if_inet6)
    (folder / "net/route").write_text(route)
    (folder / "net/ipv6_route").write_text(ipv6_route)
    (folder / "sys/net/ipv6/conf/all/disable_ipv6").write_text(disable)
    return folder


def test_the_default_gateways_of_both_families(tmp_path: Path) -> None:
    facts = host_facts(proc(tmp_path, IF_INET6, "0\n", ROUTE, IPV6_ROUTE))
    assert facts == HostFacts(ipv6=True, gateways=("172.18.0.1", "fd00::1"))


def test_no_ipv6_without_an_address(tmp_path: Path) -> None:
    assert not host_facts(proc(tmp_path, "", "0\n", ROUTE, "")).ipv6


def test_docker_switches_ipv6_off_for_all_and_on_for_its_networks(tmp_path: Path) -> None:
    assert host_facts(proc(tmp_path, IF_INET6, "1\n", ROUTE, "")).ipv6


def test_a_kernel_without_these_tables_has_neither(tmp_path: Path) -> None:
    assert host_facts(tmp_path) == HostFacts(ipv6=False, gateways=())


def test_this_host_can_be_asked() -> None:
    assert isinstance(host_facts(), HostFacts)
