"""Aliases as smtpd's table has them, and what smtpd would make of that table."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.config.expansion import Expansions
from entrypoint.config.routes import Routes

DELIMITERS = "+-_=."
ACCOUNTS = ("alice@a.test", "bob@a.test", "carol@c.test")
DOMAINS = ("a.test", "b.test", "c.test", "d.test")


def table_of(
    aliases: dict[str, str], delimiter: str = "+", accounts: tuple[str, ...] = ACCOUNTS
) -> Expansions:
    written = {address: tuple(targets.split()) for address, targets in aliases.items()}
    return Expansions(Routes(DOMAINS, accounts, written, delimiter))


def smtpd(found: Expansions, recipient: str) -> list[str]:
    """The addresses that get a copy each, as lka_session.c and aliases.c of smtpd 7.6 find them and
    deliver.c reads them; None of its limits is passed.
    """
    delimiter, copies = found.routes.delimiter, []
    waiting = [(recipient, 0)]
    while waiting:
        address, depth = waiting.pop(0)
        assert depth < 9, "it goes ten steps, and one is the mailbox"
        local, _, domain = address.rpartition("@")
        if domain not in found.routes.domains:
            copies.append(address)
            continue
        user, _, tag = local.partition(delimiter)
        keys = [f"{user}{delimiter}{tag}@{domain}"] if tag else []
        value = next(
            found.table[key]
            for key in (*keys, f"{user}@{domain}", f"@{domain}")
            if key in found.table
        )
        assert len(value) < 2048
        if value.startswith(":include:/run/signpost/"):
            targets = found.files[value.removeprefix(":include:/run/signpost/")].splitlines()
        else:
            targets = value.split(",")
        for target in dict.fromkeys(targets):  # it discards what one name has twice
            if target == "vmail":
                copies.append(delivered(address, recipient, delimiter))
            else:
                waiting.append((target, depth + 1))
    return copies


def delivered(address: str, recipient: str, delimiter: str) -> str:
    """What deliver.c makes of them."""
    local, _, domain = address.rpartition("@")
    user, _, tag = local.partition(delimiter)
    if tag.startswith("~="):
        tag = tag.removeprefix("~=")
    elif tag in ("", "~"):
        tag = recipient.rpartition("@")[0].partition(delimiter)[2]
    return f"{user}{delimiter if tag else ''}{tag}@{domain}"


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize(
    ("aliases", "recipient", "copies"),
    [
        ({"info@a.test": "alice@a.test"}, "info+x@a.test", ["alice+x@a.test"]),
        ({"info@a.test": "alice+own@a.test"}, "info+x@a.test", ["alice+own@a.test"]),
        ({"info+x@a.test": "alice@a.test"}, "info+x@a.test", ["alice@a.test"]),
        ({"info+x@a.test": "alice+y@a.test"}, "info+x@a.test", ["alice+y@a.test"]),
        ({"a@a.test": "b+x@a.test", "b@a.test": "bob@a.test"}, "a@a.test", ["bob+x@a.test"]),
        (
            {"a@a.test": "b+x@a.test", "b@a.test": "bob@a.test", "bob+x@a.test": "alice@a.test"},
            "a@a.test",
            ["bob+x@a.test"],
        ),
        (
            {"a@a.test": "x@far.test alice@a.test b@a.test", "b@a.test": "alice@a.test x@far.test"},
            "a@a.test",
            ["x@far.test", "alice@a.test"],
        ),
        ({"@a.test": "bob@a.test"}, "any+x@a.test", ["bob+x@a.test"]),
        ({"@b.test": "@a.test"}, "alice+x@b.test", ["alice+x@a.test"]),
        ({"@b.test": "@a.test", "@d.test": "@b.test"}, "bob@d.test", ["bob@a.test"]),
        ({"@b.test": "@a.test", "bob@b.test": "alice@a.test"}, "bob@b.test", ["alice@a.test"]),
        ({"@b.test": "@a.test", "@a.test": "bob@a.test"}, "any@b.test", ["bob@a.test"]),
        (
            {"@b.test": "@a.test", "x@b.test": "bob@a.test", "x+y@a.test": "alice@a.test"},
            "x+y@b.test",
            ["bob+y@a.test"],
        ),
        (
            {"alice@a.test": "alice@a.test x@far.test"},
            "alice+x@a.test",
            ["alice+x@a.test", "x@far.test"],
        ),
        (
            {"alice@a.test": "alice@a.test x@far.test", "@b.test": "@a.test"},
            "alice@b.test",
            ["alice@a.test", "x@far.test"],
        ),
        (
            {
                "alice@a.test": "alice@a.test bob@a.test x@far.test",
                "bob@a.test": "bob@a.test alice@a.test x@far.test y@far.test",
                "all@a.test": "alice@a.test bob@a.test carol@c.test x@far.test",
            },
            "all+t@a.test",
            ["alice+t@a.test", "bob+t@a.test", "carol+t@c.test", "x@far.test", "y@far.test"],
        ),
        (
            {
                "alice@a.test": "alice@a.test x@far.test",
                "both@a.test": "alice+one@a.test bob@a.test",
            },
            "both@a.test",
            ["alice+one@a.test", "bob@a.test", "x@far.test"],
        ),
    ],
)
def test_each_address_gets_one_copy_and_its_tag(
    delimiter: str, aliases: dict[str, str], recipient: str, copies: list[str]
) -> None:
    def with_delimiter(text: str) -> str:
        return text.replace("+", delimiter)

    found = table_of(
        {with_delimiter(key): with_delimiter(value) for key, value in aliases.items()}, delimiter
    )
    got = smtpd(found, with_delimiter(recipient))
    assert sorted(got) == sorted(map(with_delimiter, copies))


def test_a_list_and_a_chain_of_any_length() -> None:
    many = " ".join(f"someone-{number}@far.test" for number in range(500))
    chain = {f"a{number}@a.test": f"a{number + 1}@a.test" for number in range(30)}
    found = table_of({**chain, "a30@a.test": f"alice@a.test {many}", "b@a.test": "a30@a.test"})
    for recipient in ("a0@a.test", "a30@a.test", "b@a.test"):
        assert sorted(smtpd(found, recipient)) == sorted(["alice@a.test", *many.split()])
    assert len(found.files) == 1, "the same list is one file"
    longer = table_of({"a30@a.test": f"bob@a.test {many}"})
    assert longer.files.keys().isdisjoint(found.files), "another list has another name"


def test_every_length_that_a_list_may_have() -> None:
    for length in range(1900, 2150):
        target = f"{'x' * 60}@far.test"
        rest = f"{'y' * (length - 28 * (len(target) + 3))}@far.test"
        many = [f"{number:02}{target}" for number in range(28)]
        found = table_of({"a@a.test": " ".join([*many, rest])})
        assert len(smtpd(found, "a@a.test")) == 29


def test_accounts_that_copy_to_each_other() -> None:
    accounts = tuple(f"u{number}@a.test" for number in range(12))
    aliases = {each: f"{each} {after}" for each, after in pairwise(accounts)}
    aliases["all@a.test"] = " ".join(accounts)
    found = table_of(aliases, accounts=accounts)
    for recipient in ("u0@a.test", "all@a.test"):
        assert sorted(smtpd(found, recipient)) == sorted(accounts)


def test_a_copied_account_stands_by_its_own_name_where_that_makes_one_copy_each() -> None:
    aliases = {
        "alice@a.test": "alice@a.test x@far.test",
        "bob@a.test": "bob@a.test x@far.test",
        "info@a.test": "alice@a.test",
        "both@a.test": "alice@a.test bob@a.test",
    }
    table = table_of(aliases).table
    assert table["info@a.test"] == "alice@a.test"
    assert table["both@a.test"] == "alice@a.test,bob+~@a.test"
    assert table["bob+~@a.test"] == "vmail"


def test_whose_an_address_is() -> None:
    """Whoever gets copies of an account's mail does not send as that account."""
    found = table_of(
        {
            "alice@a.test": "alice@a.test bob@a.test x@far.test",
            "info@a.test": "alice@a.test",
            "team@a.test": "alice@a.test bob@a.test",
            "@b.test": "@a.test",
            "@a.test": "carol@c.test",
        }
    ).by_entry
    whose = {entry: (sorted(each.owners), each.leaves) for entry, each in found.items()}
    alice, bob, carol = (["alice@a.test"], ["bob@a.test"], ["carol@c.test"])
    assert whose == {
        "alice@a.test": (alice, True),
        "bob@a.test": (bob, False),
        "carol@c.test": (carol, False),
        "info@a.test": (alice, True),
        "team@a.test": (alice + bob, True),
        "@a.test": (carol, False),
        "alice@b.test": (alice, True),
        "bob@b.test": (bob, False),
        "info@b.test": (alice, True),
        "team@b.test": (alice + bob, True),
        "@b.test": (carol, False),
    }


def walked(routes: Routes, address: str) -> set[str]:
    """Every account and alias that mail for an address of ours comes through or ends in."""
    found: set[str | None] = set()
    waiting = [routes.entry(address)]
    while waiting:
        entry = waiting.pop()
        if entry is not None and entry not in found:
            found.add(entry)
            waiting.extend(routes.next_entries(entry))
    return {entry for entry in found if entry is not None}


LOCALS = st.sampled_from(["alice", "bob", "carol", "x", "y", "x+t", "y+t", "alice+t"])
ADDRESSES = st.builds("{}@{}".format, LOCALS, st.sampled_from(DOMAINS))
TARGETS = ADDRESSES | st.sampled_from(["one@far.test", "two@far.test"])


@given(
    st.dictionaries(
        ADDRESSES | st.sampled_from(["@a.test", "@c.test"]), st.lists(TARGETS, min_size=1)
    ),
    st.dictionaries(
        st.sampled_from(["@b.test", "@d.test"]),
        st.sampled_from(["@a.test", "@b.test", "@c.test"]).map(lambda each: [each]),
    ),
    ADDRESSES,
)
def test_smtpd_makes_of_the_table_what_the_aliases_say(
    aliases: dict[str, list[str]], alias_domains: dict[str, list[str]], recipient: str
) -> None:
    for account in set(ACCOUNTS) & aliases.keys():
        aliases[account].append(account)
    written = {key: tuple(each) for key, each in {**aliases, **alias_domains}.items()}
    routes = Routes(DOMAINS, ACCOUNTS, written, "+")
    if routes.loops() or routes.entry(recipient) is None:
        return
    if any(
        routes.is_ours(each) and not routes.entry(each) for key in aliases for each in written[key]
    ):
        return
    found = Expansions(routes)
    got = smtpd(found, recipient)
    assert len(got) == len(set(got))
    reached = walked(routes, recipient)
    here = {entry for entry in reached if entry in ACCOUNTS}
    away = {each for entry in reached for each in written.get(entry, ()) if "far" in each}
    untagged = {
        f"{each.partition('@')[0].partition('+')[0]}@{each.partition('@')[2]}" for each in got
    }
    assert untagged == here | away
