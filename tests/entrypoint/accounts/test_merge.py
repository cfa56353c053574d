"""What is kept beside the environment: what wins, what is passed over, and with which words."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from entrypoint.accounts.merge import MOST_APP_PASSWORDS, merged
from entrypoint.accounts.stored import Stored, StoredAccount, StoredPassword
from entrypoint.config.environ import load
from entrypoint.config.expansion import expand
from entrypoint.config.passwords import hash_generated
from entrypoint.config.routes import routes_of
from entrypoint.config.settings import HostFacts, Settings

HASH = hash_generated("kxqm-dapw-zeub-htrs")
MADE = "2026-11-25T08:20:40Z"


def settings(**environ: str) -> Settings:
    base = {
        "DOMAINS": "example.org example.net",
        "ACCOUNTS": "alice@example.org:wonderland\nbob@example.net:builder",
        "ALIASES": "info@example.org: alice@example.org\n@example.net: bob@example.net",
    }
    return load({**base, **environ}, host=HostFacts(ipv6=False))


def accounts(*addresses: str, hashed: str = HASH) -> Stored:
    return Stored(accounts={address: StoredAccount(hashed) for address in addresses})


def aliases(**by_name: str) -> Stored:
    return Stored(
        aliases={f"{name}@example.org": tuple(to.split()) for name, to in by_name.items()}
    )


def test_what_fits_comes_after_the_environment_s() -> None:
    phone = StoredPassword("phone", HASH, MADE)
    stored = Stored(
        {"dave@example.org": StoredAccount(HASH, 0)},
        {"team@example.org": ("dave@example.org", "x@elsewhere.example")},
        {"alice@example.org": (phone,), "dave@example.org": (phone,)},
    )
    whole, unfit = merged(settings(), stored)
    assert not unfit
    assert [each.address for each in whole.accounts] == [
        "alice@example.org",
        "bob@example.net",
        "dave@example.org",
    ]
    dave = whole.accounts[2]
    assert (dave.hashed, dave.secret.get_secret_value(), dave.quota) == (True, HASH, 0)
    assert [len(each.app_passwords) for each in whole.accounts] == [1, 0, 1]
    assert whole.aliases[-1].targets == ("dave@example.org", "x@elsewhere.example")
    assert whole.domains == settings().domains


@pytest.mark.parametrize(
    ("stored", "words"),
    [
        (
            accounts("alice@example.org"),
            "alice@example.org: ACCOUNTS has this address, and wins; change it there",
        ),
        (
            accounts("info@example.org"),
            "info@example.org: ALIASES has this address, and wins; change it there",
        ),
        (
            accounts("dave@gone.example"),
            "dave@gone.example: an account outside DOMAINS; add its domain to DOMAINS, or correct "
            "it",
        ),
        (
            accounts("dave+x@example.org"),
            "dave+x@example.org: the local part holds the delimiter +, so mail would go to "
            "another; choose another address, or another RECIPIENT_DELIMITER",
        ),
        (
            accounts("../x@example.org"),
            "../x@example.org: a local part may not hold / or ..; write it like alice@example.org",
        ),
        (
            accounts("Dave@example.org"),
            "Dave@example.org: it is written dave@example.org; remove it and add it again",
        ),
        (
            accounts("dave@example.org", hashed="$6$short"),
            "dave@example.org: a malformed hash; signpost account passwd sets another",
        ),
        (
            aliases(info="bob@example.net"),
            "info@example.org: ALIASES has this address, and wins; change it there",
        ),
        (
            aliases(alice="bob@example.net"),
            "alice@example.org: an alias that is an account too; take one of the two, or have "
            "alice@example.org among its targets: then it has the mail, and the others get copies",
        ),
        (
            Stored(aliases={"team@gone.example": ("alice@example.org",)}),
            "team@gone.example: an alias outside DOMAINS; add its domain to DOMAINS, or correct it",
        ),
        (
            aliases(team="nobody@example.org"),
            "team@example.org: an alias without a recipient: nobody takes mail for its target; "
            '"nobody@example.org"; add that account, or correct the target',
        ),
        (
            aliases(team="|/bin/sh@example.org"),
            'team@example.org: a local part may not hold / or ..; "|/bin/sh@example.org"; write '
            "it like alice@example.org",
        ),
        (
            aliases(a="b@example.org", b="a@example.org"),
            "a@example.org: alias loop; "
            '"a@example.org -> b@example.org -> a@example.org"; give one of them another target',
        ),
        (
            Stored(app_passwords={"dave@example.org": (StoredPassword("x", HASH, MADE),)}),
            "dave@example.org: it has app passwords and is no account; revoke them, or add the "
            "account",
        ),
        (
            Stored(app_passwords={"alice@example.org": (StoredPassword('a"b', HASH, MADE),)}),
            'alice@example.org: a name may not hold quotes or backslashes; "a\\"b"; write it like '
            "phone",
        ),
        (
            Stored(app_passwords={"alice@example.org": (StoredPassword("x", "plain", MADE),)}),
            'alice@example.org: a malformed hash; "x"; revoke it',
        ),
    ],
)
def test_what_breaks_a_rule_is_passed_over(stored: Stored, words: str) -> None:
    whole, unfit = merged(settings(), stored)
    assert words in unfit
    assert (whole.accounts, whole.aliases) == (settings().accounts, settings().aliases)


def test_only_the_dead_target_of_several_is_left_out() -> None:
    whole, unfit = merged(settings(), aliases(team="nobody@example.org alice@example.org"))
    assert len(unfit) == 1
    assert whole.aliases[-1].targets == ("alice@example.org",)


def test_an_alias_of_the_environment_can_close_a_loop() -> None:
    """The catch-all took x@; once it is kept as an alias of its own, the way has no end."""
    environment = settings(
        ALIASES="y@example.net: x@example.net\n@example.net: bob@example.net",
    )
    whole, unfit = merged(environment, Stored(aliases={"x@example.net": ("y@example.net",)}))
    assert "alias loop" in unfit[0]
    assert whole.aliases == environment.aliases


def test_an_alias_of_the_environment_leads_to_an_account_that_is_kept() -> None:
    environment = settings(
        ALIASES="info@example.org: dave@example.org", POSTMASTER_ADDRESS="dave@example.org"
    )
    whole, unfit = merged(environment, accounts("dave@example.org"))
    assert not unfit
    routes = routes_of(whole)
    for address in ("info@example.org", "postmaster@example.net"):
        entry = routes.entry(address)
        assert entry is not None
        assert expand(routes, entry).owners == {"dave@example.org"}


@pytest.mark.parametrize(
    "stored",
    [
        Stored(),
        accounts("dave@example.org", hashed="$6$short"),
        aliases(dave="nobody@example.org"),
        aliases(dave="info@example.org"),
    ],
    ids=["nothing", "an account that does not fit", "an alias that reaches nobody", "a loop"],
)
def test_where_what_is_kept_does_not_fit_the_environment_s_way_to_it_is_left_out(
    stored: Stored,
) -> None:
    environment = settings(
        ALIASES="info@example.org: dave@example.org, alice@example.org\n"
        "x@example.org: dave@example.org",
        POSTMASTER_ADDRESS="dave@example.org",
    )
    whole, unfit = merged(environment, stored)
    assert [(each.address, each.targets) for each in whole.aliases] == [
        ("info@example.org", ("alice@example.org",))
    ]
    assert expand(routes_of(whole), "postmaster@example.org").owners == {"alice@example.org"}
    assert unfit[-3:] == [
        f"ALIASES: {alias}@example.org: an alias without a recipient: nobody takes mail for its "
        'target; "dave@example.org"; add that account, or correct the target'
        for alias in ("info", "x")
    ] + [
        "POSTMASTER_ADDRESS: nobody takes mail for this address, so alice@example.org has it; "
        '"dave@example.org"; add that account or alias, or correct this'
    ]


def test_copies_of_an_account_that_is_passed_over_go_on() -> None:
    environment = settings(ALIASES="dave@example.org: dave@example.org, copy@far.example")
    whole, unfit = merged(environment, accounts("dave@example.org", hashed="$6$short"))
    assert [each.targets for each in whole.aliases] == [("copy@far.example",)]
    assert unfit[-1].startswith('ALIASES: alias loop; "dave@example.org -> dave@example.org"')
    whole, unfit = merged(environment, accounts("dave@example.org"))
    assert not unfit
    assert [each.targets for each in whole.aliases] == [("dave@example.org", "copy@far.example")]


def test_no_account_has_more_or_double_app_passwords_than_a_book_of_logins_takes() -> None:
    kept = tuple(StoredPassword(f"n{n}", HASH, MADE) for n in range(MOST_APP_PASSWORDS + 2))
    stored = Stored(app_passwords={"alice@example.org": (*kept, kept[0])})
    whole, unfit = merged(settings(), stored)
    assert len(whole.accounts[0].app_passwords) == MOST_APP_PASSWORDS
    assert len(unfit) == 3


NAMES = st.sampled_from(["alice", "bob", "info", "a", "b", "c", "postmaster", "a+x", "A", ""])
ADDRESSES = st.builds(
    "{}@{}".format, NAMES, st.sampled_from(["example.org", "example.net", "gone.example"])
)


WRITTEN = st.sampled_from(
    [
        {},
        {"ALIASES": "info@example.org: a@example.org, b@example.net\nx@example.net: c@example.org"},
        {"ALIASES": "info@example.org: x@far.example", "POSTMASTER_ADDRESS": "c@example.net"},
    ]
)


@given(
    WRITTEN,
    st.builds(
        Stored,
        st.dictionaries(ADDRESSES, st.builds(StoredAccount, st.sampled_from([HASH, "x"]))),
        st.dictionaries(ADDRESSES, st.lists(ADDRESSES, max_size=3).map(tuple)),
        st.dictionaries(
            ADDRESSES,
            st.lists(
                st.builds(StoredPassword, st.text(max_size=3), st.just(HASH), st.just(MADE)),
                max_size=3,
            ).map(tuple),
        ),
    ),
)
@example(
    {"ALIASES": "info@example.org: a@example.org, b@example.net\nx@example.net: c@example.org"},
    Stored({}, {"@example.org": ("@example.net",)}, {}),
)
def test_whatever_is_kept_the_result_is_a_configuration(
    written: dict[str, str], stored: Stored
) -> None:
    environment = settings(**written)
    whole, _ = merged(environment, stored)
    routes = routes_of(whole)
    assert not routes.loops()
    for alias in whole.all_aliases:
        assert alias.targets
        # An alias domain's target is a domain.
        addresses = [each for each in alias.targets if not each.startswith("@")]
        assert all(routes.entry(each) for each in addresses if routes.is_ours(each))
    assert whole.accounts[:2] == tuple(
        account.model_copy(update={"app_passwords": whole.accounts[at].app_passwords})
        for at, account in enumerate(environment.accounts)
    )
    if not written:
        assert whole.aliases[:2] == environment.aliases
    assert expand(routes, "postmaster@example.org").ends
    accounts, aliases = (
        [each.address for each in found] for found in (whole.accounts, whole.aliases)
    )
    assert len(set(accounts)) == len(accounts)
    assert len(set(aliases)) == len(aliases)
    assert all(
        each.address in each.targets for each in whole.aliases if each.address in set(accounts)
    )
    addresses = [*accounts, *aliases]
    assert {address.rpartition("@")[2] for address in addresses} <= set(environment.domains)
