"""The kernel's tables, as it writes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.config.host import host_facts
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


FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     |-- 10.0.2.100
        /32 host LOCAL
     |-- 10.0.2.255
        /32 link BROADCAST
Local:
     |-- 10.0.2.100
        /32 host LOCAL
"""
OWN_IPV6 = (
    "fd000000000000000000000000000002 04 40 00 82     eth0\n"
    "fe800000000000000000000000000001 04 40 20 80     eth0\n"
)


def test_its_own_addresses_and_a_gateway_are_where_anyone_may_appear(tmp_path: Path) -> None:
    folder = proc(tmp_path, IF_INET6 + OWN_IPV6, "0\n", ROUTE, "")
    (folder / "net/fib_trie").write_text(FIB_TRIE)
    facts = host_facts(folder)
    assert facts.own == ("10.0.2.100", "fd00::2")
    assert facts.shared == ("172.18.0.1", "10.0.2.100", "fd00::2")


@pytest.mark.parametrize(
    ("uid_map", "rootless"),
    [
        ("         0          0 4294967295\n", False),
        ("         0       1000          1\n         1     100000      65536\n", True),
        ("", False),
    ],
)
def test_whose_root_it_has(tmp_path: Path, uid_map: str, rootless: bool) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "self/uid_map").write_text(uid_map)
    assert host_facts(tmp_path).rootless is rootless


def test_no_ipv6_without_an_address(tmp_path: Path) -> None:
    assert not host_facts(proc(tmp_path, "", "0\n", ROUTE, "")).ipv6


def test_docker_switches_ipv6_off_for_all_and_on_for_its_networks(tmp_path: Path) -> None:
    assert host_facts(proc(tmp_path, IF_INET6, "1\n", ROUTE, "")).ipv6


def test_a_kernel_without_these_tables_has_neither(tmp_path: Path) -> None:
    assert host_facts(tmp_path) == HostFacts(ipv6=False, gateways=())


def test_this_host_can_be_asked() -> None:
    assert isinstance(host_facts(), HostFacts)
