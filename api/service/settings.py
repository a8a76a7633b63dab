"""What a running service needs to know: one frozen value, handed to every process of it as JSON."""

import ipaddress
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from api.settings import Settings

DATABASE_FILENAME = "fableverse.sqlite"
STORE_DIRNAME = "store"
LOCAL_OWNER = "local"
"""Who owns everything where nobody has to say who they are."""


def is_loopback(host: str) -> bool:
    """Whether a host, a name or an address without a port, is this machine alone."""
    name = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """Where the service keeps things, what it listens to and how many processes work for it."""

    data_dir: Path
    """Everything that has to outlive a restart, unless the two URLs below point elsewhere."""
    host: str = "127.0.0.1"
    port: int = 8000
    ask_keys: bool = False
    """Whether API keys are asked for on loopback too, as behind a proxy; elsewhere they always are."""
    database_url: str | None = None
    """An SQLAlchemy URL of a PostgreSQL database; None is an SQLite file in `data_dir`."""
    store_url: str | None = None
    """An fsspec URL of the place for pictures and books; None is a folder in `data_dir`."""
    drawing_workers: int = 1
    """Processes with the picture model loaded."""
    text_workers: int = 1
    """Processes that write stories and bind books."""
    worker_module: str = "api.service.worker"
    """What is run as a worker."""
    idle_unload_s: float | None = None
    """Seconds without work after which the picture model is unloaded; None keeps it."""
    stall_s: float = 120.0
    """A worker that makes no progress on a task for so many seconds is ended and its task given to another."""
    private_webhooks: bool = False
    """Whether webhooks may be plain HTTP and lie within this machine's own network."""
    most_open_jobs: int = 100
    """Jobs that one owner of a key may have waiting."""
    render_seconds_per_hour: float = 1800.0
    """Seconds of drawing that one owner of a key may have within an hour."""
    base: Settings = field(default_factory=Settings)
    """Model, bank, language model and templates, as for every other command."""

    @property
    def needs_keys(self) -> bool:
        """Whether requests have to bring an API key."""
        return self.ask_keys or not is_loopback(self.host)

    @property
    def database(self) -> str:
        """The URL of the database."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / DATABASE_FILENAME}"

    @property
    def store(self) -> str:
        """The URL of the store."""
        return self.store_url or f"file://{self.data_dir.resolve() / STORE_DIRNAME}"

    @property
    def engine_database(self) -> str:
        """Where the engine of durable jobs keeps its own tables: a file beside ours, or a schema of the same server."""
        return self.database_url or f"sqlite:///{self.data_dir.resolve() / 'workflows.sqlite'}"

    @property
    def learning_dir(self) -> Path:
        """The folder of what learning jobs have learnt so far; names begin with the job's id."""
        return self.data_dir / "learning"

    @property
    def drafts_dir(self) -> Path:
        """The folder of stories under way, each under its job's id."""
        return self.data_dir / "drafts"

    def bank_dir_of(self, owner: str) -> Path:
        """The folder of an owner's concepts; nobody reads that of another."""
        if owner == LOCAL_OWNER:
            return self.base.bank_dir
        return self.data_dir / "banks" / owner

    def to_json(self) -> str:
        """The settings for a process of the service; the language model's key travels in its environment instead."""
        values = asdict(self)
        del values["base"]["openai_api_key"]
        return json.dumps(values, default=str)

    @classmethod
    def from_json(cls, text: str, *, openai_api_key: str | None) -> Self:
        """What `to_json` wrote, with the key."""
        values: dict[str, Any] = json.loads(text)
        base = _with_paths(Settings, values.pop("base"))
        return cls(**_with_paths(cls, values), base=Settings(**base, openai_api_key=openai_api_key))


def _with_paths(cls: type, values: dict[str, Any]) -> dict[str, Any]:
    paths = {each.name for each in fields(cls) if each.type in (Path, Path | None)}
    return {name: Path(value) if name in paths and value is not None else value for name, value in values.items()}
