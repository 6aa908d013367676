"""Groups and commands for click: wrong usage in one line with a hint, kinds that belong to other versions, the end of a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from plutino.cli.output import Failure, Misuse, Refusal
from plutino.errors import PlutinoError
from plutino.model.nearest import nearest

_ELSEWHERE = ("plugin", "udf", "service", "service_func", "schema", "script")
"""Kinds that eKuiper's client creates and shows; here they come in documents, and over REST."""

_OTHERWISE = {"query": "use 'plutino run' or 'plutino tail'", "register": "functions of plugins come in documents, or over REST"}
"""Commands of eKuiper's client without a counterpart, and what to do instead."""

_SECTIONS = (
    ("Server", ("serve", "status", "components", "functions", "demo")),
    ("Configuration", ("import", "export", "diff", "validate", "lint", "render", "apply", "owners", "migrate")),
    ("History", ("history", "rollback", "audit", "task")),
    ("Rules", ("tail", "explain", "run")),
    ("As in eKuiper", ("create", "describe", "drop", "show", "start", "stop", "restart", "getstatus", "gettopo")),
)
"""Headings of ``plutino --help``."""

_EPILOG = "Exit codes: 0 done; 1 refused, or differences with 'diff --exit-code'; 2 wrong usage, or no server."


class Commands(click.Group):
    """A group that suggests the nearest command."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion where there is no such command."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            names = self.list_commands(ctx)
            if ctx.parent is None and args[0] in _OTHERWISE:
                raise Failure(f"there is no command {args[0]!r} here", _OTHERWISE[args[0]])
            near = nearest(args[0], names, 1)
            hint = f"did you mean {near[0]}?" if near else f"see '{ctx.command_path} --help'"
            raise Misuse(f"no command {args[0]!r}", hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands under headings; those that have none (or in a group without headings) as click lists them."""
        left = dict.fromkeys(self.list_commands(ctx))
        for title, names in _SECTIONS if ctx.parent is None else ():
            rows = [(name, self.commands[name].get_short_help_str(80)) for name in names if name in left]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
            for name in names:
                left.pop(name, None)
        if left:
            with formatter.section("Further commands" if ctx.parent is None else "Commands"):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(80)) for name in left])


class Verb(Commands):
    """One of eKuiper's verbs (``create``, ``show``): a sub-command per kind, a clear answer for kinds that it is not for."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a kind."""
        found = super().get_command(ctx, cmd_name)
        kind = cmd_name.removesuffix("s")
        if found is None and kind in _ELSEWHERE:
            known = ", ".join(sorted(self.commands))
            raise Failure(f"{ctx.command_path} {cmd_name}: {kind}s come in documents, or over REST", f"known are {known}")
        return found


class Verbed(click.Command):
    """A command with arguments of its own that also takes eKuiper's sub-commands (``import FILE`` and ``import ruleset -f FILE``)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.verbs: dict[str, click.Command] = {}

    def add_verb(self, command: click.Command) -> None:
        """Let ``command`` answer where its name is the first argument."""
        assert command.name is not None
        self.verbs[command.name] = command

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        """The context of the sub-command that is named first, else of this command."""
        verb = self.verbs.get(args[0]) if args else None
        if verb is not None:
            return verb.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name the sub-commands."""
        with formatter.section("As in eKuiper"):
            formatter.write_dl([(f"{self.name} {name}", verb.get_short_help_str()) for name, verb in self.verbs.items()])


def group_of(commands: Iterable[click.Command], version: str) -> click.Group:
    """The group of all commands."""
    group = Commands(
        "plutino",
        help="Edge stream-processing rule engine: SQL rules over live data, configured over REST and with documents.",
        epilog=_EPILOG,
        context_settings={"max_content_width": 120},
    )
    group.params.append(_version_option(version))
    for command in commands:
        group.add_command(command)
    return group


def run(group: click.Group, arguments: Sequence[str] | None = None) -> int:
    """Run a command line; the result is the exit code."""
    try:
        result = group.main(args=arguments, prog_name="plutino", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        context = error.ctx
        path = context.command_path if context is not None else "plutino"
        Misuse(error.format_message().rstrip("."), f"see '{path} --help'").show()
        return 2
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return 1
    except PlutinoError as error:
        Refusal.of(error).show()
        return 1
    except BrokenPipeError:
        # The reader of a pipe has left (`plutino tail r | head -1`): nothing is wrong, but the interpreter must not flush into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _version_option(version: str) -> click.Option:
    def show(context: click.Context, _: click.Parameter, value: bool) -> None:
        if value and not context.resilient_parsing:
            click.echo(f"plutino {version}")
            context.exit()

    return click.Option(["--version"], is_flag=True, expose_value=False, is_eager=True, callback=show, help="Show the version.")
