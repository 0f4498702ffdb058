"""Reading abusewatch.toml: all faults at once, each with file, line, key, what is wrong and what to do."""

import difflib
import os
import tomllib
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SecretsSettingsSource, SettingsConfigDict

from abusewatch.config.model import Config
from abusewatch.config.position import Key, line_of, lines_of
from abusewatch.storage.vault import store_key

SEARCHED = (Path("/etc/abusewatch/abusewatch.toml"), Path("abusewatch.toml"))
SECRET_WORDS = ("password", "passwd", "secret", "token", "private_key", "api_key")
MASK = "********"


class Fault(NamedTuple):
    """One thing wrong in a file that a person wrote."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        """Write `file:line: key: what, what to do`."""
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


class ConfigError(ValueError):
    """The configuration has faults; `faults` holds all of them."""

    def __init__(self, faults: list[Fault]) -> None:
        """Keep the faults in the order of the file."""
        super().__init__(f"{len(faults)} fault{'s' * (len(faults) != 1)} in the configuration")
        self.faults = faults


class Credentials(BaseSettings):
    """Secrets that systemd hands over as files in $CREDENTIALS_DIRECTORY, each named like its field with hyphens."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", alias_generator=lambda name: name.replace("_", "-"))

    smtp_password: SecretStr | None = None
    customer_page_key: SecretStr | None = None
    evidence_key: SecretStr | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,  # the interface's names
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read files only: a secret in the environment is readable in /proc and inherited by children."""
        folder = os.environ.get("CREDENTIALS_DIRECTORY")
        return (SecretsSettingsSource(settings_cls, secrets_dir=folder),) if folder else (init_settings,)


def evidence_key(file: Path | None) -> bytes | None:
    """Read the key of the store where it lies elsewhere than beside it; None where it does not. OSError when it cannot be."""
    secret = Credentials().evidence_key
    return store_key(file, secret.get_secret_value() if secret else None)


def find() -> Path:
    """Choose the first configuration file that exists, or the first place when none does."""
    return next((path for path in SEARCHED if path.is_file()), SEARCHED[0])


def load(path: Path) -> Config:
    """Read and check the whole file; ConfigError carries every fault, OSError when it cannot be read."""
    text = path.read_text("utf-8")
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(path, str(error))]) from None
    try:
        return Config.model_validate(data, context={"base": path.parent})
    except ValidationError as error:
        lines = lines_of(text)
        faults = {_fault(path, lines, detail) for detail in error.errors()}
        raise ConfigError(sorted(faults, key=lambda fault: (fault.line, fault.key))) from None


def _syntax(path: Path, message: str) -> Fault:
    what, _, where = message.partition(" (at line ")
    number = where.partition(",")[0]
    return Fault(str(path), int(number) if number.isdigit() else 1, "", f"{what}; this is not TOML")


def _fault(path: Path, lines: dict[Key, int], detail: ErrorDetails) -> Fault:
    key: Key = tuple(detail["loc"])
    return Fault(str(path), line_of(lines, key), dotted(key), _words(key, detail))


def dotted(key: Key) -> str:
    """Write a key as people do: source[0].listen."""
    text = ""
    for part in key:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _words(key: Key, detail: ErrorDetails) -> str:
    """Say what is wrong and what to do, in the words of the one who wrote the file."""
    context = detail.get("ctx") or {}
    value = detail["input"]
    words = {
        "extra_forbidden": lambda: _unknown(key),
        "missing": lambda: f"is missing; {_describe(key)}",
        "literal_error": lambda: f"is {value!r}, must be {context['expected']}",
        "value_error": lambda: str(context["error"]),
        "string_pattern_mismatch": lambda: f"{value!r} has the wrong form; {_describe(key)}",
        "too_short": lambda: f"is empty; {_describe(key)}",
        "tuple_type": lambda: f"is {value!r}; write a list, [ ... ]",
        "string_type": lambda: f"is {value!r}; write text in quotes",
        "int_parsing": lambda: f"is {value!r}; write a whole number",
        "less_than_equal": lambda: f"is {value!r}; at most {context['le']} is possible",
        "greater_than_equal": lambda: f"is {value!r}; at least {context['ge']} is possible",
    }
    plain = f"is {value!r}; {detail['msg'][0].lower()}{detail['msg'][1:]}"
    return words.get(detail["type"], lambda: plain)()


def _unknown(key: Key) -> str:
    name = str(key[-1])
    if any(word in name.lower() for word in SECRET_WORDS):
        return "secrets do not stand in this file; put it in a file of its own and name that in mail.password_file"
    model = _model_at(key[:-1])
    known = list(model.model_fields) if model else []
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"unknown key; did you mean {close[0]!r}?" if close else f"unknown key; known here: {', '.join(known)}"


def _describe(key: Key) -> str:
    model = _model_at(key[:-1])
    field = model.model_fields.get(str(key[-1])) if model else None
    text = (field.description if field else None) or (_model_at(key) or Config).__doc__ or ""
    return text[0].lower() + text[1:].rstrip(".")


def _model_at(key: Key) -> type[BaseModel] | None:
    """Walk the models along a key; None where it leaves them."""
    model: type[BaseModel] = Config
    for part in key:
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        inner = next(_models_in(field.annotation), None) if field else None
        if inner is None:
            return None
        model = inner
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)


def masked(config: Config) -> dict[str, Any]:
    """Give the effective configuration as plain data, with what guards a secret masked."""

    def walk(value: Any, name: str = "") -> Any:
        if isinstance(value, Mapping):
            return {key: walk(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, name) for inner in value]
        secret = name == "username" or any(word in name for word in SECRET_WORDS)
        return MASK if secret and value is not None else value

    plain: dict[str, Any] = walk(config.model_dump(mode="json"))
    return plain
