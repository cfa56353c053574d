"""The command `signpost`: one module a subcommand under `commands/`, loaded when it is called.

Results go to standard output, logs and errors to standard error. A configuration that cannot be
used ends every command with all its mistakes and exit status 2.
"""

from __future__ import annotations

import importlib
import sys

import click

from entrypoint.config.problems import ConfigurationError, DiskError, VolumeError
from entrypoint.disks import explained
from entrypoint.volume_format import refuse_newer

COMMANDS = {
    "start": "Start the mail server, which the container does by itself.",
    "check": "Check the configuration and the rendered smtpd.conf, and change nothing.",
    "render": "Print every file that a start would write, secrets masked.",
    "dns": "Print the DNS records to publish.",
    "keys": "Look at the DKIM keys and change them.",
    "verify": "Explain what SPF, DKIM, ARC and DMARC say of a message.",
    "dmarc-report": "Read DMARC reports, the mail that rua= and ruf= ask for.",
    "tls-report": "Read TLS reports, the mail that _smtp._tls asks for.",
    "doctor": "Check what the world sees of this server, each line with its cure.",
    "health": "Does mail move, and does what leaves have its signature?",
    "account": "Look at the accounts; add, change and remove some.",
    "alias": "Look at the aliases; add and remove some.",
    "app-password": "Further passwords of an account, each for one device.",
    "hash": "Ask for a password and print its hash, for ACCOUNTS.",
    "blocked": "Who is shut out for failed logins, and for how long.",
    "queue": "Look at the queue and act on it.",
    "junk": "What the junk filters have learned; teach and correct them.",
    "trace": "What became of a message: its way, with times and verdicts.",
    "backup": "Everything in one archive, while the server runs.",
    "restore": "A backup into new and empty volumes.",
    "import": "Bring the mail of another server over, by IMAP.",
}


class _Lazy(click.Group):
    """Imports a subcommand only when it runs: `verify` needs no cryptography of the start."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a module of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = cmd_name.replace("-", "_")
        command = importlib.import_module(f"entrypoint.commands.{module}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Names the near ones where there is no such command: click knows only imported ones."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=COMMANDS, ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="signpost", prog_name="signpost")
def signpost() -> None:
    """A mail server that signs what it sends and verifies what it receives."""
    # Whatever it is that is called: most commands write, and none could read.
    refuse_newer()


def main() -> None:
    """Run the command line."""
    try:
        signpost(prog_name="signpost")
    except ConfigurationError as error:
        for line in error.errors:
            print(f"error: {line}", file=sys.stderr)
        fit = isinstance(error, DiskError | VolumeError)
        because = "" if fit else "the configuration cannot be used; "
        print(f"error: {because}nothing was started", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        # A full disk, most of all: /data's, the queue's, or the container's own.
        print(f"error: {explained(error)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
