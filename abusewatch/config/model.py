"""The sections and keys of abusewatch.toml, each with its default and a sentence; docs/configuration.md is their list.

A key is here only if it does something in this version. Everything is frozen: a reload makes a new object or nothing.
"""

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from abusewatch.config.forms import (
    BasisName,
    Endpoint,
    ExistingPath,
    Hours,
    Interface,
    KindName,
    Language,
    Mailbox,
    Name,
    OwnPrefix,
    Place,
    Prefix,
    Refused,
    SeverityName,
    Zone,
    endpoint,
)
from abusewatch.contacts.settings import ContactSettings
from abusewatch.incidents import policy, quiet
from abusewatch.model.kinds import KINDS, LEADS
from abusewatch.model.message import Audience
from abusewatch.outbox import budgets

FEEDS = Path("/run/abusewatch-capture")


class Section(BaseModel):
    """A table of the file: frozen, and a key it does not know is a fault."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Network(Section):
    """Who we are and which addresses are ours."""

    organisation: str = Field(
        min_length=1, max_length=200, description="Name of the provider, as mails and reports show it."
    )
    domain: str = Field(
        pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$",
        description="Domain of the provider; message identifiers end in it.",
    )
    phone: str = Field(
        default="",
        max_length=40,
        pattern=r"^[+0-9 ()./-]*$",
        description="Telephone of the abuse desk, as mails and pages name it.",
    )
    prefixes: tuple[OwnPrefix, ...] = Field(
        default=(), description="Own prefixes. Empty: those of the customers in the inventory."
    )
    inventory: ExistingPath | None = Field(
        default=None,
        description="Customers, TOML or CSV. Without it every own address is its own customer and gets no notice.",
    )


class Source(Section):
    """Where flow records come from; one `[[source]]` each. A `capture` needs `interface`, every other type `listen` and `exporters`."""

    name: Name = Field(default="flow", description="Name in metrics and log: lower case letters, digits, hyphens.")
    type: Literal["udp", "ipfix-tcp", "capture"] = Field(
        default="udp",
        description="`udp`: NetFlow v5 and v9, IPFIX and sFlow v5, recognised by themselves; `ipfix-tcp`: IPFIX sessions; "
        "`capture`: packets of an interface, from `abusewatch capture-helper`.",
    )
    listen: Endpoint | None = Field(
        default=None,
        validate_default=True,
        description="ADDRESS:PORT to receive on. A socket that systemd hands over for it is used.",
    )
    exporters: tuple[Prefix, ...] | None = Field(
        default=None,
        validate_default=True,
        min_length=1,
        description="Addresses or prefixes of the exporters. Datagrams of others are counted and not read.",
    )
    interface: Interface | None = Field(
        default=None, validate_default=True, description="Interface of a `capture`; required for it."
    )
    feed: Place | None = Field(
        default=None,
        description="Socket on which the helper of a `capture` is awaited. Default: `/run/abusewatch-capture/INTERFACE.sock`.",
    )
    sampling: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="1:N of exporters that do not tell their rate, 1: they do not sample. 0: unknown, counts are lower bounds and "
        "mails say so; of NetFlow v5, whose every header has room for the rate, none told means that it does not sample.",
    )

    @field_validator("listen", "exporters", "interface")
    @classmethod
    def _belongs(cls, value: object, info: ValidationInfo) -> object:
        """A capture has an interface, every other source listens to exporters."""
        kind = info.data.get("type")
        wanted = (kind == "capture") is (info.field_name == "interface")
        if kind is not None and wanted and value is None:
            raise PydanticCustomError("missing", "Field required")
        if kind is not None and not wanted and value is not None:
            raise ValueError(f"does not belong to a source of type {kind!r}; remove it")
        return value

    @property
    def feed_path(self) -> Path:
        """Where the helper of a capture is awaited."""
        return self.feed or FEEDS / f"{self.interface}.sock"


class Rules(Section):
    """Which rules run."""

    local: ExistingPath | None = Field(
        default=None, description="Folder of your own rules and overrides, e.g. `rules.d`."
    )
    disable: tuple[str, ...] = Field(default=(), description="Identifiers of rules that do not run.")
    observe: tuple[str, ...] = Field(
        default=(), description="Identifiers of rules whose findings the desk alone sees, whatever their status."
    )
    detectors: tuple[str, ...] = Field(
        default=(),
        description="Coded detectors of other packages that rules may name; each runs caged in a process of its own.",
    )


class Engine(Section):
    """How the rules run."""

    workers: int = Field(
        default=1,
        ge=1,
        le=32,
        description="Processes that decide, each for its part of the own addresses. 1: all in one process. What is found is the same; "
        "each process beyond the first takes memory of its own (docs/architecture.md).",
    )


class Store(Section):
    """Where cases and the outbox are kept."""

    path: Place = Field(
        default=Path("/var/lib/abusewatch"), description="Folder of the database; one process at a time holds it."
    )
    key_file: Place | None = Field(
        default=None,
        description="File with the key that locks evidence and texts of mails. Default: the systemd credential `evidence-key`, "
        "else `evidence.key` in the store, made at the first start.",
    )


class Mail(Section):
    """How mails leave, if they leave."""

    mode: Literal["shadow", "send"] = Field(
        default="shadow", description="`shadow`: detect and compose, send nothing. `send`: deliver."
    )
    sender: Mailbox | None = Field(
        default=None, description="Address mails come from and answers go to. Default: abuse@ your domain."
    )
    templates: ExistingPath | None = Field(
        default=None,
        description="Folder of your own texts, `LANGUAGE/FILE`; a file there replaces the shipped one of that name.",
    )
    smarthost: str | None = Field(
        default=None, description="Host that takes our mail. Without it mails are files in `maildir`."
    )
    port: int = Field(default=25, ge=1, le=65535, description="Port of the smart host.")
    tls: Literal["required", "implicit", "none"] = Field(
        default="required",
        description="`required`: STARTTLS, certificate verified; `implicit`: from the start; `none`: a host on this machine.",
    )
    username: str | None = Field(default=None, description="Name to log in with at the smart host.")
    password_file: Place | None = Field(
        default=None, description="File that holds the password. Default: the systemd credential `smtp-password`."
    )
    maildir: Place | None = Field(
        default=None,
        description="Maildir that mails are written to when there is no smart host. Default: `maildir` in the store.",
    )

    dkim_keys: tuple[ExistingPath, ...] = Field(
        default=(),
        description="Private keys (PEM, RSA or Ed25519) that sign our mail; the file's name without its ending is the selector.",
    )
    smime_certificate: ExistingPath | None = Field(
        default=None,
        description="Certificate (PEM, with those above it) that signs notices to customers by S/MIME; made out to `sender`.",
    )
    smime_key: ExistingPath | None = Field(default=None, description="Its private key (PEM, RSA or elliptic curve).")
    replies: Place | None = Field(
        default=None,
        description="Maildir into which your mail server puts a COPY of mail to `sender`. With it a customer's FIXED and an "
        "operator's STOP act at once; all else stays for people. Files are deleted once read.",
    )
    bounces: Place | None = Field(
        default=None,
        description="Maildir into which your mail server puts mail to bounce+ANYTHING@ your domain. With it each mail gets "
        "an envelope sender of its own, and one that comes back is parked.",
    )

    @field_validator("username")
    @classmethod
    def _needs_host(cls, username: str | None, info: ValidationInfo) -> str | None:
        if username and not info.data.get("smarthost"):
            raise ValueError("is a login, but no smarthost is named; add smarthost or remove this")
        return username


class Contacts(Section):
    """Who answers for other networks."""

    table: ExistingPath | None = Field(
        default=None,
        description="Operator table, CSV `prefix,name,contact`. Networks in none of its prefixes are looked up, if at all, as below.",
    )
    rdap: bool = Field(
        default=False,
        description="Ask the registry (RDAP) who answers for a network. Each look-up tells it which address is about to be reported.",
    )
    dns: bool = Field(
        default=False,
        description="Ask Abusix' public DNS zone when the registry names nobody. Each look-up tells it and your resolver the same.",
    )
    lookups_per_day: int = Field(
        default=500, ge=1, le=100_000, description="Most look-ups of each kind in a day; answers are kept for a week."
    )

    def settings(self) -> ContactSettings:
        """Give the look-ups their own form of it."""
        return ContactSettings(self.rdap, self.dns, self.lookups_per_day)


def _limit(name: str) -> int:
    """Make the field of one limit; its number and its reason stand in the outbox's own table."""
    line = next(line for line in budgets.TABLE if line.name == name)
    span = "an hour" if line.span_us == budgets.HOUR_US else "24 hours"
    text = f"Most {line.counts} in {span}: {line.why}."
    field: int = Field(default=getattr(budgets.Budgets(), name), ge=0, le=1_000_000, description=text)
    return field


class Budgets(Section):
    """How much mail may leave. What is over a budget is held, and goes when there is room or the desk lets it go."""

    case_recipient_day: int = _limit("case_recipient_day")
    recipient_day: int = _limit("recipient_day")
    customer_day: int = _limit("customer_day")
    hour: int = _limit("hour")
    customer_reserve: int = _limit("customer_reserve")
    breaker_hour: int = _limit("breaker_hour")

    @field_validator("customer_reserve")
    @classmethod
    def _part_of_hour(cls, reserve: int, info: ValidationInfo) -> int:
        if reserve > info.data.get("hour", reserve):
            raise ValueError(f"is a part of `hour` and cannot be larger; {info.data['hour']} at most")
        return reserve

    def limits(self) -> budgets.Budgets:
        """Give the outbox its own form of it."""
        return budgets.Budgets(**self.model_dump())


class PolicyLine(Section):
    """What is done about some findings; the first line that fits decides, and behind them stand the shipped ones ([policy.md](policy.md))."""

    kind: tuple[KindName, ...] = Field(default=(), description="Kinds of abuse it speaks of. Empty: all.")
    severity: tuple[SeverityName, ...] = Field(
        default=(), description="`low`, `medium`, `high`, `critical`. Empty: all."
    )
    basis: tuple[BasisName, ...] = Field(
        default=(), description="`handshake`, `syn_only`, `one_way`, `anchored`, `unknown`. Empty: all."
    )
    customer: tuple[str, ...] = Field(default=(), description="Identifiers of customers. Empty: all.")
    tell: Literal["nothing", "desk", "customer", "operators"] = Field(
        description="Who is told, each with those before him; leads and what can be forged never go to operators."
    )
    approve: Literal["nobody", "operators", "everybody"] = Field(
        default="nobody", description="Whose mail is held until `abusewatch case approve`."
    )
    least_confidence: float = Field(
        default=0.0, ge=0, le=1, description="Below this confidence only the desk is told, from 0 to 1."
    )
    least_targets: int = Field(default=0, ge=0, description="Below this many attacked addresses only the desk is told.")
    least_flows: int = Field(default=0, ge=0, description="Below this many records only the desk is told.")
    why: str = Field(default="", max_length=200, description="A word for those who read the table.")

    @field_validator("tell")
    @classmethod
    def _above_no_floor(cls, tell: policy.Tell, info: ValidationInfo) -> policy.Tell:
        kinds, bases = info.data.get("kind", ()), info.data.get("basis", ())
        if tell == "operators" and kinds and all(kind in LEADS or not KINDS[kind].operator_mail for kind in kinds):
            raise ValueError(f"no line can have {', '.join(kinds)} told to operators; write customer, desk or nothing")
        if tell == "operators" and bases and policy.PROVEN.isdisjoint(bases):
            raise ValueError(
                f"no line can have what may be forged ({', '.join(bases)}) told to operators; write customer"
            )
        return tell


class Policy(Section):
    """Who is told of what, and when not. `abusewatch policy show` prints the table in force."""

    language: Language = Field(
        default="en", description="Of mail to operators; customers have theirs in the inventory."
    )
    never: tuple[Refused, ...] = Field(
        default=(), description="Mailboxes and domains (`@one.example`) of operators that want no reports."
    )
    quiet_customer: Hours = Field(
        default="", description="Hours in which customers get no mail, e.g. `22:00-07:00`; it leaves when they end."
    )
    quiet_operators: Hours = Field(default="", description="The same for operators.")
    time_zone: Zone = Field(default="UTC", description="Of these hours, e.g. `Europe/Amsterdam`.")
    urgent: SeverityName = Field(
        default="critical", description="Findings of this severity and graver ones are told in quiet hours too."
    )
    line: tuple[PolicyLine, ...] = Field(default=(), description="Lines; one `[[policy.line]]` each.")

    def settings(self) -> policy.Policy:
        """Give the incidents their own form of it."""
        zone = ZoneInfo(self.time_zone)
        hours: dict[Audience, str] = {"customer": self.quiet_customer, "operator": self.quiet_operators}
        return policy.Policy(
            own=tuple(policy.Line(**line.model_dump()) for line in self.line),
            quiet={audience: quiet.quiet(text, zone) for audience, text in hours.items() if text},
            urgent=self.urgent,
        )


class Privacy(Section):
    """What is written where people read."""

    log_personal: Literal["keep", "pseudonym", "drop"] = Field(
        default="pseudonym",
        description="Addresses and customers in the log: as they are, as a keyed hash of this run, or left out.",
    )


class Metrics(Section):
    """Metrics and health over HTTP."""

    listen: Endpoint = Field(default="127.0.0.1:9469", description="ADDRESS:PORT of /metrics and /healthz.")


def _public(text: str) -> str:
    parts = urlsplit(text)
    host = parts.hostname or ""
    if parts.scheme != "https" or "." not in host or host.replace(".", "").isdigit() or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not what customers open; write it like https://abuse.provider.example/case/")
    return text if text.endswith("/") else f"{text}/"


class CustomerPage(Section):
    """The page a notice links to: what was seen, whether it goes on, "fixed", a note. Off without `listen` and `url`."""

    listen: Endpoint | None = Field(
        default=None,
        description="ADDRESS:PORT of the page, HTTP; a web server in front of it does TLS.",
    )
    url: Annotated[str, AfterValidator(_public)] | None = Field(
        default=None,
        description="What customers open: https, a host name, and the path that the web server hands to `listen`.",
    )
    key_file: Place | None = Field(
        default=None,
        description="File with the key that signs links, 16 bytes or more. Default: the systemd credential "
        "`customer-page-key`, else `customer-page.key` in the store, made at the first start.",
    )
    days: int = Field(default=30, ge=1, le=365, description="Days that a link works.")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.listen is None) != (self.url is None):
            raise ValueError("`listen` and `url` belong together: a link needs a page, and a page a link")
        return self

    @property
    def endpoint(self) -> tuple[str, int]:
        """Where to listen; only for a page that is on."""
        return endpoint(self.listen or "")


class Config(Section):
    """The whole file."""

    network: Network
    source: tuple[Source, ...] = Field(default=(), description="Sources; at least one for `run`.")
    rules: Rules = Rules()
    engine: Engine = Engine()
    store: Store = Store()
    mail: Mail = Mail()
    contacts: Contacts = Contacts()
    policy: Policy = Policy()
    budgets: Budgets = Budgets()
    privacy: Privacy = Privacy()
    metrics: Metrics = Metrics()
    customer_page: CustomerPage = CustomerPage()

    @field_validator("source")
    @classmethod
    def _distinct(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        names = [source.name for source in sources]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"two sources are called {twice!r}; give each a name of its own, or metrics mix them up")
        return sources

    @property
    def sender(self) -> str:
        """The address mails come from."""
        return self.mail.sender or f"abuse@{self.network.domain}"
