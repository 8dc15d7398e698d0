"""What the commands share: how their options read, and how they print."""

from typing import Annotated, Any

import typer

Slug = Annotated[str, typer.Option("--organisation", metavar="SLUG", help="The organisation, by its slug.")]
Person = Annotated[str, typer.Option("--person", metavar="USER_NAME", help="The employee, by their user name.")]
OneClient = Annotated[str, typer.Option("--client", metavar="NAME", help="The client, by its name or id.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def group(text: str) -> typer.Typer:
    """Return a group of commands."""
    return typer.Typer(help=text, no_args_is_help=True, rich_markup_mode=None)


def examples(*lines: str) -> str:
    """Return what stands below the options of a command; the mark keeps the lines as they are."""
    return "\n".join(["\b", "Examples:" if len(lines) > 1 else "Example:", *(f"  {line}" for line in lines)])


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
