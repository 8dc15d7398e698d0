"""`ballast keys` and `audit`: the master keys, and whether the audit is whole."""

from pathlib import Path
from typing import Annotated

import typer

from app.terminal import AsJson, examples, group, show, table

audit = group("The audit: whether it is whole, and the keys that seal it.")
keys = group("Master keys (BALLAST_MASTER_KEYS), under which the keys of people's texts are wrapped.")


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
