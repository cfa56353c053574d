"""`signpost junk`: what the accounts' junk filters have learned, and how to teach and correct them.

All of an account's is vmail's, and so is each command once it knows which account is meant.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from itertools import islice

import click

from entrypoint.commands import account_changes
from entrypoint.commands.account_changes import read_merged
from entrypoint.commands.confirmation import confirm
from entrypoint.commands.junk_account import (
    JunkAccount,
    become_vmail,
    end,
    errors_said,
    warn_if_off,
)
from entrypoint.commands.progress_line import ProgressLine, clear_line
from entrypoint.config.addresses import sender_address
from entrypoint.config.domain_names import domain_name
from entrypoint.config.problems import BrokenRuleError, shown
from entrypoint.disks import explained
from entrypoint.junk import status_text
from entrypoint.junk.account_report import account_report
from entrypoint.junk.account_state import MessageClass, SenderRule, open_state
from entrypoint.junk.explanation import explain
from entrypoint.junk.lessons import forget
from entrypoint.junk.score import THRESHOLD
from entrypoint.junk.training import Training, train
from entrypoint.junk.training_source import Letter, NoLetter, label, letters
from entrypoint.paths import MAIL, account_home
from entrypoint.text import counted, table

_SENDERS = "ADDRESS|DOMAIN..."
_WILDCARD_CURE = (
    "a domain, such as example.org, stands for all its addresses and the domains below it"
)
_LEAST_THRESHOLD, _MOST_THRESHOLD = 0.1, 100.0


@click.group
def command() -> None:
    """What is junk: look at what was learned, teach from old mail, and say who never or always is.

    Each account has its own filter, with JUNK_FILTER=yes. It needs no running server: what is
    learned or said counts from the next message on.
    """


@command.command(short_help="What was learned, by account: counts, rules, sizes, trouble.")
@click.argument("account", type=account_changes.address, required=False)
@click.option("--json", "machine", is_flag=True, help="Machine-readable.")
@click.pass_context
def status(ctx: click.Context, account: str | None, machine: bool) -> None:
    """Show what was learned, of ACCOUNT or of all: counts, rules, threshold, sizes, trouble.

    Exit status 1 where something is broken.
    """
    if account is None:
        settings = read_merged(ctx)[1]
        accounts = [each.address for each in settings.accounts]
    else:
        settings, accounts = JunkAccount(ctx, account).settings, [account]
    become_vmail()
    found = {each: account_report(account_home(each, MAIL)) for each in accounts}
    if machine:
        click.echo(json.dumps([status_text.as_json(*each) for each in found.items()], indent=2))
    elif account is not None:
        for line in status_text.details(account, found[account]):
            click.echo(line)
    else:
        rows = [status_text.row(*each) for each in found.items()]
        for line in table([status_text.HEADINGS, *rows], right=(1, 2)):
            click.echo(line)
    warn_if_off(settings)
    troubles = [f"{each}: {text}" for each, report in found.items() for text in report.troubles]
    end(troubles, 1)


@command.command("explain", short_help="Why a message is junk or not, word by word.")
@click.argument("account", type=account_changes.address)
@click.argument("message")
@click.pass_context
def explain_message(ctx: click.Context, account: str, message: str) -> None:
    """Show why MESSAGE is junk for ACCOUNT or not, word by word and fact by fact.

    MESSAGE is a file with one message; - is standard input. What was known when it arrived stands
    in the field that it was stored with; of another message there is less. What strangers wrote is
    printed with escapes.
    """
    asked = JunkAccount(ctx, account)
    found = list(islice(letters(message, sys.stdin.buffer), 2))
    become_vmail()
    if len(found) > 1:
        end([f"{label(message)}: there is more than one message in it; give one"], 2)
    if isinstance(found[0], NoLetter):
        end([found[0].text], 2)
    elif isinstance(found[0], Letter):
        with errors_said():
            for line in explain(asked.home, found[0].content).lines():
                click.echo(line)
    warn_if_off(asked.settings)


@command.command("train", short_help="Learn old mail as spam, or as ham.")
@click.argument("account", type=account_changes.address)
@click.argument("cls", type=click.Choice(["spam", "ham"]), metavar="spam|ham")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.pass_context
def train_files(
    ctx: click.Context, account: str, cls: MessageClass, files: tuple[str, ...]
) -> None:
    """Learn old mail as spam, or as ham, which is all that is no spam.

    FILE is one message, an mbox, a Maildir's folder (its own messages, not those of the folders in
    it) or a folder of messages; - is standard input. What was learned before is not learned twice,
    and what was learned as the other class is learned anew. An interrupted one can be given again.

    Exit status 2 where something was left out; it is named, and the rest is learned.
    """
    asked = JunkAccount(ctx, account)
    asked.make_home()
    training, ended = Training(), ""
    line = ProgressLine()

    def show() -> None:
        if line.is_due():
            done = training.learned + training.known
            line.write(counted(done, "message"), done)

    try:
        train(training, asked.home, cls, files, sys.stdin.buffer, show)
    except KeyboardInterrupt:
        ended = "interrupted; what was learned stays, and the same command goes on"
    except OSError as error:
        training.failed = explained(error)
    clear_line()
    click.echo(
        f"{counted(training.learned, 'message')} learned as {cls}, {training.known} known before, "
        f"{training.left_out} left out"
    )
    become_vmail()
    report = account_report(asked.home)
    click.echo(f"{account}: {status_text.learned_text(report)}")
    warn_if_off(asked.settings)
    if training.failed:
        cure = "the same command goes on when that is cured"
        ended = f"nothing more can be learned: {training.failed}; {cure}"
    end([*_left_out(training), *filter(None, [ended])], 1 if ended else 2)


def _left_out(training: Training) -> list[str]:
    """A line each for the first, and one for the others."""
    more = training.left_out - len(training.named)
    return [*training.named, *([f"{more} more left out"] if more else [])]


@command.command(short_help="Name authors whose mail never goes to Junk by its words.")
@click.argument("account", type=account_changes.address)
@click.argument("senders", nargs=-1, required=True, metavar=_SENDERS)
@click.pass_context
def allow(ctx: click.Context, account: str, senders: tuple[str, ...]) -> None:
    """Mail of these authors never goes to Junk by its words, if it passes DMARC.

    A domain counts for those below it, too; an address goes before a domain. Without DMARC
    anybody could have written it: it is judged as all mail is.
    """
    said = "never goes to Junk by its words, if it passes DMARC"
    _set_rules(ctx, account, senders, "allow", said)


@command.command(short_help="Name senders whose mail always goes to Junk.")
@click.argument("account", type=account_changes.address)
@click.argument("senders", nargs=-1, required=True, metavar=_SENDERS)
@click.pass_context
def block(ctx: click.Context, account: str, senders: tuple[str, ...]) -> None:
    """Mail of these authors or envelope senders always goes to Junk, whatever DMARC says.

    A domain counts for those below it, too; an address goes before a domain.
    """
    _set_rules(ctx, account, senders, "block", "always goes to Junk, whatever it says")


@command.command()
@click.argument("account", type=account_changes.address)
@click.argument("senders", nargs=-1, required=True, metavar=_SENDERS)
@click.pass_context
def unlist(ctx: click.Context, account: str, senders: tuple[str, ...]) -> None:
    """Take back what `allow` or `block` said of these authors."""
    keys = _keys(senders)
    asked = JunkAccount(ctx, account)
    asked.make_home()
    become_vmail()
    with errors_said(), open_state(asked.home) as state:
        missing = [key for key in keys if not state.remove_sender_rule(key)]
        wider = {key: state.deciding_rule(key) for key in keys}
    for key in keys:
        if key not in missing:
            rule = wider[key]
            how = (
                "is judged as all mail is"
                if rule is None
                else f"goes by the rule `{rule[1]} {rule[0]}`"
            )
            click.echo(f"mail from {key} {how}")
    hint = f"`signpost junk status {account}` shows those there are"
    end([f"{key}: there is no such rule; {hint}" for key in missing], 1)


# A number below 0 is no option: its answer says what a score is.
@command.command(
    context_settings={"ignore_unknown_options": True},
    short_help="Show or set the score from which on mail is junk.",
)
@click.argument("account", type=account_changes.address)
@click.argument("number", required=False, metavar="[N|default]")
@click.pass_context
def threshold(ctx: click.Context, account: str, number: str | None) -> None:
    """Show or set from which score on mail is junk: a larger one lets more through."""
    value = None if number is None else _threshold(number)
    asked = JunkAccount(ctx, account)
    if number is not None:
        asked.make_home()
    become_vmail()
    if number is None:
        report = account_report(asked.home)
        click.echo(status_text.threshold_text(report.threshold))
        end(report.troubles, 1)
        return
    with errors_said(), open_state(asked.home) as state:
        state.set_threshold(value)
    click.echo(f"mail to {account} is junk from {status_text.threshold_text(value)} on")
    warn_if_off(asked.settings)


@command.command("forget", short_help="Remove all that an account's filter has learned.")
@click.argument("account", type=account_changes.address)
@click.option("--yes", is_flag=True, help="Without asking.")
@click.pass_context
def forget_account(ctx: click.Context, account: str, yes: bool) -> None:
    """Remove all that the filter of ACCOUNT has learned.

    Words, rules, threshold, and whom the account has written to. It is the cure for a database that
    is broken, too, if there is no backup of it.
    """
    asked = JunkAccount(ctx, account)
    if not yes:
        confirm(
            f"Remove all that was learned for {account}, with rules, threshold and whom it has"
            " written to?"
        )
    become_vmail()
    with errors_said():
        found = forget(asked.home)
    removed = "all that was learned is removed, with rules, threshold and whom it has written to"
    click.echo(f"{account}: {removed if found else 'nothing was learned'}")


def _set_rules(
    ctx: click.Context, account: str, senders: Sequence[str], rule: SenderRule, said: str
) -> None:
    keys = _keys(senders)
    asked = JunkAccount(ctx, account)
    asked.make_home()
    become_vmail()
    with errors_said(), open_state(asked.home) as state, state.changing():
        for key in keys:
            state.set_sender_rule(key, rule)
    for key in keys:
        below = "" if "@" in key else " and the domains below it"
        click.echo(f"mail from {key}{below} {said}")
    warn_if_off(asked.settings)


def _keys(senders: Sequence[str]) -> list[str]:
    """Addresses and domains as they are kept; ends the command with all that are none."""
    found, errors = list[str](), list[str]()
    for sender in senders:
        try:
            bare = sender.removeprefix("@")
            if "*" in bare:
                raise BrokenRuleError("there are no wildcards", _WILDCARD_CURE)
            found.append(sender_address(bare) if "@" in bare else domain_name(bare))
        except BrokenRuleError as error:
            errors.append(f"{shown(sender)}: {error.rule}; {error.cure}")
    end(errors, 2)
    return list(dict.fromkeys(found))


def _threshold(text: str) -> float | None:
    if text.lower() == "default":
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not _LEAST_THRESHOLD <= value <= _MOST_THRESHOLD:
        raise click.BadParameter(
            f"{shown(text)}: a score is a number from {_LEAST_THRESHOLD:g} to {_MOST_THRESHOLD:g}; "
            f"write it like {THRESHOLD:g}, or default",
            param_hint="N",
        )
    return value
