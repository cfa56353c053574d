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


BOOK = LocalAddresses(
    domains=frozenset({"a.example", "b.example"}),
    owners={
        "alice@a.example": frozenset({"alice@a.example"}),
        "bob@a.example": frozenset({"bob@a.example"}),
        "away@a.example": frozenset(),
        "@b.example": frozenset({"bob@a.example"}),
        "own@b.example": frozenset({"bob@a.example"}),
    },
    delimiter="+",
    senders={"alice@a.example": frozenset({"@a.example", "@b.example", "own@b.example"})},
)


@pytest.mark.parametrize(
    ("address", "alice", "bob"),
    [
        ("Alice+x@A.example", True, False),
        ("anybody@a.example", True, False),
        ("anybody+x@a.example", True, False),
        ("anybody@b.example", True, True),
        ("own@b.example", True, True),
        ("own+x@b.example", True, True),
        # Somebody's.
        ("bob@a.example", False, True),
        ("Bob+x@a.example", False, True),
        ("bob+~@a.example", False, False),
        ("bob+~=x@a.example", False, False),
        ("away@a.example", False, False),
        ("away+x@a.example", False, False),
        ("anybody@c.example", False, False),
        ("anybody@x.a.example", False, False),
        ("", False, False),
    ],
)
def test_who_may_send_as_whom(address: str, alice: bool, bob: bool) -> None:
    assert BOOK.may_use("ALICE@a.example", address) is alice
    assert BOOK.may_use("bob@a.example", address) is bob
    assert not BOOK.may_use("carol@a.example", address)


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("alice+~@a.example", None),
        ("alice+~=x@a.example", None),
        ("any+~@b.example", None),
        ("alice+~x@a.example", "alice@a.example"),
        ("alice+x~=@a.example", "alice@a.example"),
        ("~@b.example", "@b.example"),
    ],
)
def test_names_of_the_table_are_nobodys(address: str, entry: str | None) -> None:
    assert BOOK.entry(address) == entry
