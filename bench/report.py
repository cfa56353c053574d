"""The results as Markdown. It must not measure anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.dns_load import (
    AT_A_TIME,
    ATTEMPT,
    DNSPYTHON,
    LIMIT,
    MESSAGES_AT_A_TIME,
    OURS,
    STUCK_AT_ONCE,
)
from bench.dns_stub import Comparison
from bench.latency import Latencies
from bench.listeners import (
    AS_SHIPPED,
    DKIMSIGN,
    ECHO,
    FILTER_RSPAMD,
    SIGN_ED25519,
    SIGN_IN_C,
    SIGN_RSA,
    VERIFY,
    Listener,
)
from bench.load import LOADS, Load
from bench.mailboxes import Outcome
from bench.mailboxes_report import mailboxes_section
from bench.markdown import number, table
from bench.memory import Footprint
from bench.messages import MANY
from bench.stamp import stamped
from bench.stuck import percentile
from bench.throughput import GROUPS, Group, Rates, spread

MB = 1_000_000


@dataclass(frozen=True)
class Target:
    """A ratio that is to be reached: the listener's rate by the base's, as Debian starts smtpd and
    as the image does."""

    group: str
    load: str
    listener: Listener
    base: Listener
    debian: float | None = None
    image: float | None = None


TARGETS = (
    Target("Signing", "4k-10", SIGN_RSA, DKIMSIGN, 1.25, 1.15),
    Target("Signing", "4k-10", AS_SHIPPED, DKIMSIGN, 1.2, 1.0),
    Target("Signing", "4k-10", SIGN_ED25519, DKIMSIGN, 1.25, 1.25),
    Target("Signing", "4k-10", AS_SHIPPED, SIGN_IN_C, 0.85, 0.85),
    Target("Verifying", "4k-10", VERIFY, FILTER_RSPAMD, 1.75, 1.75),
    Target("Signing", "100k-4", SIGN_RSA, DKIMSIGN),
    Target("Signing", "4k-1", SIGN_RSA, DKIMSIGN),
    Target("Signing", "10m-1", SIGN_RSA, DKIMSIGN),
    Target("Verifying", "100k-4", VERIFY, FILTER_RSPAMD),
    Target("Verifying", "4k-1", VERIFY, FILTER_RSPAMD),
    Target("Verifying", "10m-1", VERIFY, FILTER_RSPAMD),
)
MOST_AT_REST = 60 * MB
MOST_AT_PEAK = 600 * MB
MOST_SLOWER = 1.5


def rates_table(rates: Rates, group: Group) -> str:
    """Medians with their range, and the share of the bare echo."""
    loads = [load for load in LOADS if any(key[1] == load.name for key in rates.found)]
    rows = []
    for listener in group.listeners:
        cells = [_cell(rates, group, load, listener) for load in loads]
        if any(cells):
            rows.append([listener.title, *cells])
    return table(["filter", *(f"{load.title}" for load in loads)], rows)


def _cell(rates: Rates, group: Group, load: Load, listener: Listener) -> str:
    found = rates.of(group.title, load.name, listener.name)
    if not found:
        return ""
    middle, lowest, highest = spread(found)
    text = f"**{number(middle)}** ({number(lowest)}-{number(highest)})"
    of_echo = rates.ratio(group.title, load.name, listener.name, ECHO.name)
    return f"{text} {median(of_echo):.2f}" if of_echo else text


def cost_table(rates: Rates, group: Group) -> str:
    """Milliseconds of processor time a message, the filter's + smtpd's own."""
    loads = [load for load in LOADS if any(key[1] == load.name for key in rates.cost)]
    rows = []
    for listener in group.listeners:
        cells = []
        for load in loads:
            found = rates.cost.get((group.title, load.name, listener.name))
            if not found:
                cells.append("")
                continue
            filters = 1e3 * median(one.filter for one in found)
            smtpd = 1e3 * median(one.smtpd for one in found)
            cells.append(f"**{filters:.3g}** + {smtpd:.3g}")
        if any(cells):
            rows.append([listener.title, *cells])
    return table(["filter", *(load.title for load in loads)], rows)


def ratios_table(rates: Rates) -> str:
    """Each ratio that has been measured beside its target."""
    titles = {load.name: load.title for load in LOADS}
    rows = []
    for target in TARGETS:
        ratios = rates.ratio(target.group, target.load, target.listener.name, target.base.name)
        if not ratios:
            continue
        middle, lowest, highest = spread(ratios)
        rows.append(
            [
                f"{target.group}, {titles[target.load]}: {target.listener.title}"
                f" / {target.base.title}",
                f"**{middle:.2f}**",
                f"{lowest:.2f}-{highest:.2f}",
                *_reached(middle, target.debian if rates.plain else target.image),
            ]
        )
    return table(["ratio (median of the rounds)", "measured", "range", "target", "reached"], rows)


def _reached(value: float, at_least: float | None) -> list[str]:
    if at_least is None:
        return ["", ""]
    return [f"≥ {at_least:g}", "yes" if value >= at_least else "**no**"]


def latency_table(latencies: Latencies) -> str:
    """Latencies of other mail: idle, beside open sessions, and with the stuck messages in hand."""
    rows = []
    for listener in (VERIFY, SIGN_RSA):
        phases = (latencies.idle(listener), latencies.held(listener), latencies.stuck(listener))
        held, stuck = latencies.held_by_idle(listener), latencies.stuck_by_idle(listener)
        title = "verifying" if listener is VERIFY else "signing"
        rows.append(
            [
                title,
                *(
                    f"{1e3 * percentile(phase, 0.5):.1f} / {1e3 * percentile(phase, 0.99):.1f}"
                    for phase in phases
                ),
                " / ".join(str(len(phase)) for phase in phases),
                f"{median(held):.2f}",
                f"**{median(stuck):.2f}** ({min(stuck):.2f}-{max(stuck):.2f})",
                f"≤ {MOST_SLOWER:g}",
                "yes" if median(stuck) <= MOST_SLOWER else "**no**",
            ]
        )
    head = ["other mail", "idle p50 / p99, ms", "held", "stuck", "probes"]
    head += ["held / idle", "stuck / idle", "target", "reached"]
    facts = "; ".join(
        f"{one.in_hand} in hand during {one.window:.1f} s of probing, {one.accepted} of"
        f" {latencies.messages} accepted in the end, the last after {one.longest:.1f} s"
        for one in latencies.cycles
    )
    return table(head, rows) + (
        "\nHeld: as many clients in the middle of DATA, and nothing in the filter waits: what the"
        " sessions cost smtpd. Milliseconds are of all cycles together; the ratios are of each"
        f" cycle's own p99, the median of them.\n\nStuck: {facts}.\n"
    )


def memory_table(footprints: Sequence[Footprint]) -> str:
    """At rest and at the peak."""
    rows = []
    for one in footprints:
        ours = one.listener in {SIGN_RSA, VERIFY}
        good = one.rest <= MOST_AT_REST and one.peak <= MOST_AT_PEAK and one.arrived == one.sent
        rows.append(
            [
                f"{'verifying' if one.listener is VERIFY else 'signing'}: {one.listener.title}",
                f"**{one.rest / MB:.0f}**",
                f"**{one.peak / MB:.0f}**",
                f"{one.after / MB:.0f}",
                f"{one.lookup.highest / MB:.0f}",
                f"{one.arrived} of {one.sent}",
                f"{one.seconds:.0f} s",
                ("yes" if good else "**no**") if ours else "",
            ]
        )
    head = ["MB", "at rest", "peak", "after it", "smtpd's lookup, peak", "arrived", "time"]
    return table([*head, "≤ 60 and ≤ 600"], rows)


def dns_section(found: Comparison) -> str:
    """Our stub resolver beside dnspython's: what a look-up costs, and what a silent server does."""

    def row(title: str, name: str, factor: float = 1.0) -> list[str]:
        ours, other = (factor * found.of(which, name) for which in (OURS, DNSPYTHON))
        middle, lowest, highest = spread(found.ratio(name))
        ratio = f"**{middle:.2f}** ({lowest:.2f}-{highest:.2f})" if highest > lowest else ""
        return [title, number(ours), number(other), ratio or f"**{middle:.2f}**"]

    stuck = f"{STUCK_AT_ONCE} without an answer"
    rows = [
        *(row(f"look-ups a second, {many} at a time", f"rate {many}") for many in AT_A_TIME),
        *(
            row(f"processor, µs a look-up, {many} at a time", f"cost {many}", 1e6)
            for many in AT_A_TIME
        ),
        row(f"messages verified a second, {MESSAGES_AT_A_TIME} at a time", "message rate"),
        row("processor, ms a verified message, all of it", "message cost", 1e3),
        row("the same where all answers are in its cache", "cached cost", 1e3),
        row("resident memory at rest, MB", "rest", 1 / MB),
        row("at the peak, MB", "peak", 1 / MB),
        row(f"{stuck}: descriptors open", "descriptors"),
        row(f"{stuck}: processor, µs each", "stuck cost", 1e6),
        row(f"{stuck}: resident memory at the peak, MB", "stuck peak", 1 / MB),
        row(f"{stuck}: given up after, s (limit {LIMIT:g})", "gives up"),
        row("the first of two servers is silent: ms a look-up", "beside", 1e3),
    ]
    asked = found.of(OURS, "questions")
    return (
        "The filters' own stub resolver (`filters/mailauth/dns`) and dnspython's asynchronous one,"
        " by turns, each in a process of its own, with unbound on loopback. Only the line"
        " that says so has a cache. The questions are those that verifying a signed message of 4 KB"
        f" asks, SPF with an `mx` and an `include:`, {asked:.3g} a message, of {len(MANY)} domains"
        f" by turns. In the last five lines a try takes {ATTEMPT:g} s at most; the very last is the"
        " mean of look-ups one after the other.\n\n"
        + table(["median (range of the rounds)", "Signpost's", "dnspython's", "ratio"], rows)
    )


def results(
    facts: Sequence[tuple[str, str]],
    versions: Sequence[tuple[str, str]],
    measured: Sequence[tuple[str, Rates]],
    latencies: Latencies | None,
    footprints: Sequence[Footprint],
    resolvers: Comparison | None,
    mailboxes: Outcome | None,
    stamps: Mapping[str, str],
) -> str:
    """The whole page; `stamps` say of each part when it was measured."""
    run = table(["run", ""], [list(fact) for fact in facts])
    parts = ["# What the filters and the mailboxes cost\n", run]
    if measured:
        parts.append(
            "Messages per second: **median** (lowest-highest of the rounds), and the share of the"
            " bare echo's. `4 KB x 10` is messages of 4 KB over 10 connections at a time, each of"
            " which carries many. *As shipped*: with all that the image's smtpd.conf asks of the"
            " filter, in sessions of a login; *a bare signer*: with a key alone, as filter-dkimsign"
            " is. *The limit* is a filter in C that registers what ours does as shipped and"
            " makes one signature a message.\n"
        )
    for title, rates in measured:
        section = [f"## {title}\n"]
        for group in GROUPS:
            if any(key[0] == group.title for key in rates.found):
                section.append(
                    f"### {group.title}\n\n{rates_table(rates, group)}\n"
                    "Milliseconds of processor time a message, the **filter's** (with rspamd's)"
                    f" + smtpd's own:\n\n{cost_table(rates, group)}"
                )
        section.append(f"### Ratios\n\n{ratios_table(rates)}")
        parts.append(stamped("\n".join(section), stamps[title]))
    if latencies is not None:
        section_of = (
            f"## {latencies.messages:,} messages stuck on a name server that never answers\n\n"
        )
        parts.append(stamped(section_of + latency_table(latencies), stamps["stuck"]))
    if footprints:
        text = (
            f"## Memory\n\nResident memory, with {footprints[0].sent} messages of 25 MB at once"
            " at the peak.\n\n" + memory_table(footprints)
        )
        parts.append(stamped(text, stamps["memory"]))
    if resolvers is not None:
        parts.append(stamped(f"## Look-ups in DNS\n\n{dns_section(resolvers)}", stamps["dns"]))
    if mailboxes is not None:
        parts.append(stamped(mailboxes_section(mailboxes), stamps["mailboxes"]))
    parts.append("## Versions\n\n" + table(["", "version"], [list(one) for one in versions]))
    return "\n".join(parts)
