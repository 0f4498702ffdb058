"""The reference page of abusewatch.toml, written from the models: docs/configuration.md is this text, and a test says so."""

import types
import typing
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from abusewatch.config.model import Config, Section

HEAD = """# abusewatch.toml

Made by `abusewatch check --reference`; the sentences stand in `abusewatch/config/model.py`.
Unknown keys are faults. Relative paths start at the folder of the file. `abusewatch check` lists all faults at once,
`abusewatch check --show` prints the configuration in force with secrets masked.
"""


def reference() -> str:
    """Write the page: a table of keys for each section, in the order of the file."""
    return HEAD + "".join(_part(name, field) for name, field in Config.model_fields.items())


def _part(name: str, field: FieldInfo) -> str:
    """Write a section, and behind it the lists of tables that stand in it."""
    section = _section(field.annotation)
    title = f"[[{name}]]" if field.annotation is not section else f"[{name}]"
    text = f"\n## `{title}`\n\n{section.__doc__}\n\n| key | value | default | what |\n|---|---|---|---|\n"
    nested = {key: inner for key, inner in section.model_fields.items() if _is_tables(inner.annotation)}
    text += "".join(_row(key, inner) for key, inner in section.model_fields.items() if key not in nested)
    return text + "".join(_part(f"{name}.{key}", inner) for key, inner in nested.items())


def _is_tables(annotation: Any) -> bool:
    arguments = typing.get_args(annotation)
    return bool(arguments) and isinstance(arguments[0], type) and issubclass(arguments[0], Section)


def _row(key: str, field: FieldInfo) -> str:
    default = "**required**" if field.default is PydanticUndefined else f"`{_shown(field.default)}`"
    if field.default is None or field.default in {(), ""}:
        default = "none"
    return f"| `{key}` | {_form(field.annotation)} | {default} | {field.description} |\n"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else f'"{value}"'


def _form(annotation: Any) -> str:
    """Name the form of a value as a person would."""
    arguments = [a for a in typing.get_args(annotation) if a is not type(None)]
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        return " or ".join(f'`"{choice}"`' for choice in arguments)
    if origin is tuple:
        return f"list of {_form(arguments[0])}s"
    if origin in (types.UnionType, typing.Union, typing.Annotated):
        return _form(arguments[0])
    return {bool: "`true` or `false`", int: "number", float: "number", str: "text"}.get(annotation, "path")


def _section(annotation: Any) -> type[Section]:
    """Find the section a field of the file holds, alone or in a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    section: type[Section] = typing.get_args(annotation)[0]
    return section
