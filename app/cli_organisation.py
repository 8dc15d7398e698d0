"""`ballast organisation`, `client` and `role`: tenants, machine callers, and the first programme lead."""

from typing import Annotated

import typer

from app.terminal import AsJson, OneClient, Person, Slug, examples, group, show, show_key, table

organisation = group("Organisations: the tenants that everything else belongs to.")
client = group("Clients: machine callers with scopes and keys.")
role = group("Roles of people in the programme.")


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
