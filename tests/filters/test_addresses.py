"""The file that says whose addresses are whose."""

from pathlib import Path

import pytest

from filters.addresses import AddressFile, LocalAddresses


def test_a_changed_address_file_counts_at_once_and_a_broken_one_never(tmp_path: Path) -> None:
    path = tmp_path / "addresses.json"
    path.write_text('{"domains": ["a.example"], "owners": {}}')
    file = AddressFile(path)
    assert file.content.is_ours("A.example")
    path.write_text('{"domains": ["b.example"], "owners": {}, "delimiter": "-"}')
    assert file.content.is_ours("b.example")
    path.write_text('{"domains": ')
    assert file.content.is_ours("b.example")
    path.unlink()
    assert file.content.is_ours("b.example")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"domains": 1, "owners": {}}', "null"])
def test_what_is_no_address_book_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        LocalAddresses.from_json(text)
