"""The `ballast` command."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.cli_custody import audit, keys
from app.cli_organisation import client, organisation, role
from app.terminal import AsJson, Person, Slug, examples, show

HELP = """Ballast backs resilience programmes for people who answer customers' calls.

\b
A first look, with a database of its own and a demo organisation:
    ballast serve

\b
An organisation of yours, a client that may post calls, a first programme lead:
    ballast organisation create --name "Harbour Helpline" --slug harbour
    ballast client create --organisation harbour --name Genesys --scope call-events:write
    ballast role grant --organisation harbour --person noor --role programme_lead

Settings come from the environment (BALLAST_DATABASE_URL, BALLAST_DATA_DIR, ...): docs/operating.md lists them. Without
BALLAST_DATABASE_URL every command uses the embedded PostgreSQL under .data, also while `ballast serve` runs on it.
"""
app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(organisation, name="organisation")
app.add_typer(client, name="client")
app.add_typer(role, name="role")
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")


def say_version(asked: bool) -> None:
    """Print the version, when asked."""
    if asked:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"ballast {version('ballast')}")
        except PackageNotFoundError:
            print("ballast, from a source tree that is not installed")
        raise typer.Exit


@app.callback()
def ballast(
    _: Annotated[
        bool, typer.Option("--version", callback=say_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


@app.command(
    epilog=examples(
        "ballast serve",
        "PORT=9000 ballast serve --host 0.0.0.0",
        "BALLAST_DATABASE_URL=postgresql://ballast@db/ballast ballast serve --workers 4",
    )
)
def serve(
    host: Annotated[str, typer.Option(envvar="HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="How many processes share the socket (BALLAST_WORKERS).")
    ] = None,
) -> None:
    """Serve the API, with the embedded PostgreSQL where no database is given.

    In development it also brings the database to this version's level, makes the demo organisation in an empty one, and
    prints a request to paste for each kind of caller. In production (BALLAST_ENVIRONMENT=production) it only checks.
    """
    from app import launch, server

    settings = launch.read_settings()
    if workers is not None:
        settings = settings.model_copy(update={"workers": workers})
    server.serve(settings, host, port, partial(print, flush=True))


@app.command()
def worker(
    host: Annotated[str, typer.Option(envvar="HOST", help="The address for BALLAST_METRICS_PORT.")] = "127.0.0.1",
) -> None:
    """Run the worker alone: it numbers, delivers, expires and purges, beside services that run with BALLAST_WORKER=off.

    Any number of them may run side by side.
    """
    from app import launch, server

    server.work(launch.read_settings(), host)


@app.command(
    epilog=examples(
        "BALLAST_OWNER_DATABASE_URL=postgresql://ballast_owner@db/ballast "
        "BALLAST_DATABASE_URL=postgresql://ballast@db/ballast ballast migrate"
    )
)
def migrate() -> None:
    """Bring the database to this version's level. Safe to run twice, and twice at once."""
    from app import operate

    before, after = operate.migrate()
    print(f"At {after} already." if before == after else f"Migrated from {before or 'nothing'} to {after}.")


@app.command()
def demo() -> None:
    """Make the demo organisation "harbour", to try things on. Not in production."""
    from app import operate

    print(operate.demo())


@app.command()
def openapi(
    check: Annotated[bool, typer.Option("--check", help="Only say whether the file is current.")] = False,
) -> None:
    """Write the description of the API to openapi/openapi.json, from the code alone."""
    from app import operate

    print(operate.openapi(check=check))


@app.command(
    epilog=examples(
        'curl -H "Authorization: Bearer $(ballast token --organisation harbour --person amira)" '
        "http://127.0.0.1:8000/v1/me"
    )
)
def token(organisation: Slug, person: Person, json: AsJson = False) -> None:
    """Issue an access token of the development issuer for one person. Not in production."""
    from app import operate

    made = operate.token(organisation, person)
    show(made, json) if json else print(made["access_token"])


@app.command(epilog=examples("ballast restore-check --ledger erasures.jsonl"))
def restore_check(
    ledger: Annotated[
        Path | None, typer.Option(help="The file of the ledger; else that of BALLAST_ERASURE_LEDGER_FILE.")
    ] = None,
    json: AsJson = False,
) -> None:
    """After a restore, before anybody is let in: erase again whom the ledger of erasures names. Safe to repeat."""
    from app import erasure_command

    show(erasure_command.restore_check(ledger), json)


def main() -> None:
    """Run the command. A refusal is one sentence on standard error and the exit status 1; a wrong usage is 2."""
    from app import launch

    launch.stop_like_ctrl_c()
    try:
        app(prog_name="ballast")
    except launch.REFUSALS as refusal:
        print(f"ballast: {refusal}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            raise
        print(f"ballast: {error.filename} cannot be used: {error.strerror}.", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
