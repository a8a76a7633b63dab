"""The tables of the service. Every row says whose it is in `owner`, and every query asks for it."""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION: Final = 1
"""Raised with every change of a table; a database of another version is refused, and one that lacks a table gets it."""

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String(64), primary_key=True), Column("value", JSON, nullable=False))

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("result", JSON),
    Column("error", JSON),
    Column("last_event", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Index("jobs_by_owner", "owner", "id"),
    Index("jobs_by_state", "state"),
)
"""What was asked for and what became of it. `subject` is the id of the book, scene, story or concept it makes."""

events = Table(
    "events",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(64), nullable=False),
    Column("type", String(32), nullable=False),
    Column("data", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""What happened to a job, numbered from 1 without gaps."""

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(96), primary_key=True),
    Column("job_id", String(64), ForeignKey("jobs.id"), nullable=False),
    Column("owner", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("role", String(16), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("inputs", String(64)),
    Column("picture", String(64)),
    Column("state", String(16), nullable=False),
    Column("position", Integer, nullable=False),
    Column("starts", Integer, nullable=False),
    Column("worker", String(64)),
    Column("lease", String(64)),
    Column("result", JSON),
    Column("error", JSON),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Index("tasks_by_role", "role", "state"),
    Index("tasks_by_job", "job_id"),
    Index("tasks_by_worker", "worker"),
    Index("tasks_by_inputs", "owner", "inputs"),
)
"""The parts of jobs that a worker does at one go: a story written, a scene drawn, a book bound.

Of a drawing, `inputs` is a hash of all that decides how the picture looks and `picture` the hash of what came of it.
"""

turns = Table(
    "turns",
    metadata,
    Column("role", String(16), primary_key=True),
    Column("owner", String(64), primary_key=True),
    Column("begun_at", Double, nullable=False),
)
"""When an owner's last task of a role was begun, so that whose turn it is need not be read from all tasks there ever
were."""

drawing_times = Table(
    "drawing_times",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("seconds", Double, nullable=False),
    Column("finished_at", Double, nullable=False),
    Index("drawing_times_by_owner", "owner", "finished_at"),
)
"""How long drawing workers worked for whom, a row for each task that ended; no job is named, so none has to be left."""

previews = Table(
    "previews",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id"), primary_key=True),
    Column("picture", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
)
"""How each picture of a job stood last while it was drawn, as JPEG; swept once the job has ended."""

workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("beats", Integer, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("is_ready", Boolean, nullable=False),
    Column("task_id", String(96)),
    Column("started_at", Double, nullable=False),
)
"""Processes that work. `beats` counts on while the process lives, `progress` while its work moves."""

stories = Table(
    "stories",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("story", JSON),
    Column("writer", String(255)),
    Column("warnings", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Index("stories_by_owner", "owner", "id"),
)
"""Stories; `version` counts edits and is what an ETag says. `story` is null until it is written."""

books = Table(
    "books",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("story_id", String(64), nullable=False),
    Column("title", Text),
    Column("artifacts", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("books_by_owner", "owner", "id"),
)
"""Books; `artifacts` are their files by name, empty until the book is bound."""

scenes = Table(
    "scenes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("job_id", String(64), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("picture", JSON),
    Column("created_at", Double, nullable=False),
    Index("scenes_by_owner", "owner", "id"),
)
"""Single pictures; `picture` is null until it is drawn."""
