"""The `ballast` command."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

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


def group(text: str) -> typer.Typer:
    """Return a group of commands."""
    return typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)


def examples(*lines: str) -> str:
    """Return what stands below the options of a command; the mark keeps the lines as they are."""
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
organisation = group("Organisations: the tenants that everything else belongs to.")
client = group("Clients: machine callers with scopes and keys.")
role = group("Roles of people in the programme.")
audit = group("The audit: whether it is whole, and the keys that seal it.")
keys = group("Master keys (BALLAST_MASTER_KEYS), under which the keys of people's texts are wrapped.")
app.add_typer(organisation, name="organisation")
app.add_typer(client, name="client")
app.add_typer(role, name="role")
app.add_typer(audit, name="audit")
app.add_typer(keys, name="keys")

Slug = Annotated[str, typer.Option("--organisation", metavar="SLUG", help="The organisation, by its slug.")]
Person = Annotated[str, typer.Option("--person", metavar="USER_NAME", help="The employee, by their user name.")]
OneClient = Annotated[str, typer.Option("--client", metavar="NAME", help="The client, by its name or id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


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
    """Run the worker alone: it numbers, expires and purges, beside services that run with BALLAST_WORKER=off."""
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


@organisation.command("create", epilog=examples('ballast organisation create --name "Harbour Helpline" --slug harbour'))
def create_organisation(
    name: Annotated[str, typer.Option(help="What people call it.")],
    slug: Annotated[str, typer.Option(help="Its name in commands and at sign-in: a-z, 0-9 and -, two or more.")],
    json: AsJson = False,
) -> None:
    """Make an organisation, with the library of practices and the default strain rules."""
    from app import operate

    show(operate.create_organisation(name, slug), json)


@client.command(
    "create",
    epilog=examples(
        'ballast client create --organisation harbour --name "HR sync" --scope employees:read --scope employees:write',
        "ballast client create --organisation harbour --name Genesys --scope call-events:write --json",
    ),
)
def create_client(
    organisation: Slug,
    name: Annotated[str, typer.Option(help="What the client is: unique in the organisation.")],
    scope: Annotated[list[str], typer.Option(help="What it may do, such as employees:write. Repeat for more.")],
    json: AsJson = False,
) -> None:
    """Make a client and show its key, this once: only a hash of it is kept."""
    from app import operate

    show_key(operate.create_client(organisation, name, scope), json)


@client.command(
    "rotate", epilog=examples('ballast client rotate --organisation harbour --client "HR sync" --overlap 3600')
)
def rotate_client(
    organisation: Slug,
    client: OneClient,
    overlap: Annotated[
        int, typer.Option(min=0, metavar="SECONDS", help="How long the older keys still work.")
    ] = 86_400,
    json: AsJson = False,
) -> None:
    """Give a client a new key. The older ones end after the overlap."""
    from app import operate

    show_key(operate.rotate_client(organisation, client, overlap), json)


@client.command("revoke")
def revoke_client(organisation: Slug, client: OneClient, json: AsJson = False) -> None:
    """End a client and all its keys, with the next request and for good."""
    from app import operate

    show(operate.revoke_client(organisation, client), json)


@client.command("list")
def list_clients(organisation: Slug, json: AsJson = False) -> None:
    """List the clients of an organisation. Never their keys."""
    from app import operate

    clients = operate.list_clients(organisation)
    if json:
        show(clients, json)
    else:
        table(clients)


@role.command("grant", epilog=examples("ballast role grant --organisation harbour --person noor --role programme_lead"))
def grant_role(
    organisation: Slug,
    person: Person,
    role: Annotated[str, typer.Option(help="The role, such as programme_lead.")],
    json: AsJson = False,
) -> None:
    """Grant a person a role: how the first programme lead is made. Sensitive roles wait for a programme lead's yes."""
    from app import operate

    show(operate.grant_role(organisation, person, role), json)


@keys.command("status", epilog=examples("ballast keys status"))
def keys_status(json: AsJson = False) -> None:
    """Count what stands under each master key: which ones are still needed. Never the keys."""
    from app import operate

    uses = operate.keys_status()
    if json:
        show(uses, json)
    else:
        table(uses)


@keys.command(
    "rotate", epilog=examples("BALLAST_MASTER_KEYS=$NEW,$OLD ballast keys rotate", "ballast keys rotate --dry-run")
)
def rotate_keys(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, as `ballast keys status` does.")] = False,
    json: AsJson = False,
) -> None:
    """Wrap every data key under the first master key, beside the running service. Safe to stop and to repeat.

    Give every process both keys before: the new one last, then first. Take the old one away when it says so.
    """
    if dry_run:
        keys_status(json)
        return
    from app import operate

    show(operate.rotate_keys(), json)


@audit.command(
    "verify", epilog=examples("ballast audit verify", "ballast audit verify --organisation harbour --anchor heads.log")
)
def verify_audit(
    organisation: Annotated[
        str | None, typer.Option("--organisation", metavar="SLUG", help="One organisation; all where none is named.")
    ] = None,
    anchor: Annotated[
        Path | None, typer.Option(help="The file of anchored heads; else that of BALLAST_AUDIT_ANCHOR_FILE.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="A further public key that may have sealed, in hexadecimal.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Say whether the audit is whole, and name the first entry that is not. Exit status 1 where one is not."""
    from app import audit_command

    found = audit_command.verify(organisation, anchor, key or [])
    if json:
        show(found, json)
    else:
        table([{name: value for name, value in each.items() if name != "head"} for each in found])
    if any(each["result"] != "whole" for each in found):
        raise typer.Exit(1)


@audit.command("keys", epilog=examples("ballast audit keys"))
def audit_keys(json: AsJson = False) -> None:
    """Show the public keys that seals verify with. Note them before a master key goes."""
    from app import audit_command

    keys = audit_command.public_keys()
    if json:
        show(keys, json)
    else:
        table(keys)


def show(made: Any, as_json: bool) -> None:
    """Print what was made, as JSON or as aligned text."""
    if as_json:
        import json

        print(json.dumps(made, ensure_ascii=False))
        return
    width = max(map(len, made))
    for name, value in made.items():
        print(f"{name.replace('_', ' '):<{width}}  {text(value)}")


def show_key(made: dict[str, Any], as_json: bool) -> None:
    """Print a new key, to a person with a word of warning."""
    show(made, as_json)
    if not as_json:
        print("\nThe key is shown this once and cannot be read again: keep it where secrets are kept.")


def table(rows: list[dict[str, Any]]) -> None:
    """Print rows as aligned columns."""
    if not rows:
        print("None.")
        return
    lines = [[name.replace("_", " ") for name in rows[0]], *([text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def text(value: Any) -> str:
    """Return a value as people read it."""
    if value is None:
        return "-"
    return ", ".join(value) if isinstance(value, list) else str(value)


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
