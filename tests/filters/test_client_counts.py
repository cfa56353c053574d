"""What `signpost doctor` learns of the clients' addresses."""

import json
from pathlib import Path

import pytest

from entrypoint.doctor.client_addresses import Clients, read_clients
from filters.client_counts import ClientCounts


def note(path: Path, address: str | None) -> None:
    """In a process of its own."""
    counts = ClientCounts(path)
    counts.note(address, unknown=False)
    counts.finish()


def test_the_doctor_reads_what_was_counted(tmp_path: Path) -> None:
    path = tmp_path / "clients.json"
    counts = ClientCounts(path)
    for _ in range(3):
        counts.note("172.18.0.1", unknown=True)
    counts.finish()
    assert read_clients(path) == Clients(gateway=3, other=0, only="172.18.0.1")
    counts.note("192.0.2.1", unknown=False)
    counts.note("172.18.0.1", unknown=True)
    counts.finish()
    assert read_clients(path) == Clients(gateway=4, other=1, only=None)


@pytest.mark.parametrize("address", [None, "127.0.0.1", "127.1.2.3", "::1"])
def test_the_machine_itself_is_no_client(tmp_path: Path, address: str | None) -> None:
    path = tmp_path / "clients.json"
    note(path, address)
    assert not path.exists()


def test_a_new_process_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "clients.json"
    note(path, "2001:db8::1")
    since = json.loads(path.read_text())["since"]
    note(path, "2001:db8::1")
    assert read_clients(path) == Clients(gateway=0, other=2, only="2001:db8::1")
    assert json.loads(path.read_text())["since"] == since


@pytest.mark.parametrize("content", ["", "[]", '{"clients": 1}', "\x00"])
def test_a_broken_file_is_begun_afresh(tmp_path: Path, content: str) -> None:
    path = tmp_path / "clients.json"
    path.write_text(content)
    note(path, "192.0.2.1")
    assert read_clients(path) == Clients(gateway=0, other=1, only="192.0.2.1")


def test_a_folder_that_cannot_be_written_costs_no_mail(tmp_path: Path) -> None:
    note(tmp_path / "gone" / "clients.json", "192.0.2.1")
