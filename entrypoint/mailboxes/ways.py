"""The aliases of the environment and those that are kept, laid together so that every way ends.

It must not know how an address is written, nor what an account is but its address.
"""

from __future__ import annotations

from collections.abc import Mapping

from entrypoint.aliases import check_circles, check_targets
from entrypoint.problems import Problems
from entrypoint.routes import Routes, routes_of
from entrypoint.settings import Alias, Settings


def with_aliases(settings: Settings, aliases: Mapping[str, Alias], problems: Problems) -> Settings:
    """The settings with the aliases, without ways that lead nowhere or in a circle.

    The environment's may lead to what is kept, so they are looked at again. One that is taken out
    may leave another without a target, so it goes on until all is well.
    """
    written, left = {alias.address: alias for alias in settings.aliases}, dict(aliases)
    postmaster = settings.postmaster_address
    while True:
        whole = settings.model_copy(
            update={
                "aliases": (*written.values(), *left.values()),
                "postmaster_address": postmaster,
            }
        )
        routes = routes_of(whole)
        places = {f"ALIASES: {address}": alias for address, alias in written.items()}
        check_targets(places | left, routes, problems)
        check_circles("aliases", left, routes, problems)
        # The environment has no circle by itself.
        broken = {
            next((entry for entry in circle if entry in left), "") for circle in routes.circles()
        }
        after = (
            _living(written, routes),
            {key: alias for key, alias in _living(left, routes).items() if key not in broken},
            _postmaster(whole, routes, problems),
        )
        if after == (written, left, postmaster):
            return whole
        written, left, postmaster = after


def _living(aliases: Mapping[str, Alias], routes: Routes) -> dict[str, Alias]:
    """The aliases with those targets that somebody takes mail for; without any, not at all."""
    living = {
        address: tuple(
            target
            for target in alias.targets
            if not routes.is_ours(target) or routes.entry(target) is not None
        )
        for address, alias in aliases.items()
    }
    return {
        address: Alias(address=address, targets=targets)
        for address, targets in living.items()
        if targets
    }


def _postmaster(settings: Settings, routes: Routes, problems: Problems) -> str:
    """POSTMASTER_ADDRESS or the first account: somebody has to read it (RFC 5321 §4.5.1)."""
    address = settings.postmaster_address
    if not routes.is_ours(address) or routes.entry(address) is not None:
        return address
    first = settings.accounts[0].address
    problems.add(
        "POSTMASTER_ADDRESS",
        f"nobody takes mail for this address, so {first} has it",
        "add that account or alias, or correct this",
        address,
    )
    return first
