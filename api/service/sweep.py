"""Clears away what nobody needs any more: files of the store that no row of the database names, and what jobs left.

A store therefore belongs to one database: another one's files would be cleared too.
"""

import asyncio
import logging
import re
import shutil
import time
from typing import Final

from sqlalchemy import JSON, Connection, String, Text, cast, delete, select

from api.service.database import Database
from api.service.deletion import delete_job
from api.service.edge_tables import webhook_outbox
from api.service.jobs import ENDED, OPEN, STOPPED
from api.service.ledger import forget_drawn
from api.service.payloads import concepts_of
from api.service.settings import ServiceSettings
from api.service.store import ContentStore
from api.service.tables import jobs, metadata, previews
from concepts.bank import ConceptBank
from generator.isolation_files import clear_isolation

logger = logging.getLogger(__name__)

DAY_S: Final = 24 * 3600.0
RETRY_S: Final = 7 * DAY_S
"""How long what a retry could go on from is kept."""
OUTBOX_S: Final = 30 * DAY_S
"""How long it can be looked up what became of an event that a webhook was told of, or could not be."""
_HASH: Final = re.compile(r"\b[0-9a-f]{64}\b")
_JOB_ID: Final = re.compile(r"job_[0-9a-f]{32}")


def sweep(database: Database, store: ContentStore, settings: ServiceSettings, *, older_than_s: float = DAY_S) -> int:
    """Delete what jobs left, then what is older in the store and named nowhere; how many files of the store that were.

    What is put into the store has its row within moments, so a day is long enough for the row to be there.
    """
    ended = select(jobs.c.id).where(jobs.c.state.in_(ENDED))
    with database.write() as connection:
        connection.execute(delete(previews).where(previews.c.job_id.in_(ended)))
        forget_drawn(connection, before=time.time() - DAY_S)
        over = webhook_outbox.c.due_at.is_(None) & (webhook_outbox.c.created_at < time.time() - OUTBOX_S)
        connection.execute(delete(webhook_outbox).where(over))
        _forget_uploads(connection, settings)
    _clear_folders(database, settings)
    clear_isolation(settings.learning_dir)
    return store.forget_all_but(named_hashes(database), older_than_s=older_than_s)


def _forget_uploads(connection: Connection, settings: ServiceSettings) -> None:
    """Delete jobs that alone keep a picture somebody sent: captions, and learning of which the bank has nothing."""
    now = time.time()
    ended = select(jobs.c.id, jobs.c.owner, jobs.c.request).where(jobs.c.state.in_(ENDED))
    captions = ended.where(jobs.c.kind == "caption", jobs.c.finished_at < now - DAY_S)
    learning = ended.where(jobs.c.kind == "concept", jobs.c.finished_at < now - RETRY_S)
    doomed = [job.id for job in connection.execute(captions)]
    for job in connection.execute(learning):
        if concepts_of(job.request).isdisjoint(ConceptBank(settings.bank_dir_of(job.owner)).ids()):
            doomed.append(job.id)
    for job_id in doomed:
        delete_job(connection, job_id)


def _clear_folders(database: Database, settings: ServiceSettings) -> None:
    """Delete checkpoints and drafts of jobs that are done or gone, or that ended too long ago to be tried again."""
    folders = [folder for folder in (settings.learning_dir, settings.drafts_dir) if folder.is_dir()]
    paths = {path: found[0] for folder in folders for path in folder.iterdir() if (found := _JOB_ID.match(path.name))}
    may_go_on = jobs.c.state.in_(OPEN) | (jobs.c.state.in_(STOPPED) & (jobs.c.finished_at > time.time() - RETRY_S))
    with database.read() as connection:  # after the folders were looked at, so that no new job's files are among them
        kept = set(connection.execute(select(jobs.c.id).where(may_go_on)).scalars())
    for path in (path for path, job_id in paths.items() if job_id not in kept):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def named_hashes(database: Database) -> frozenset[str]:
    """Everything in any text of any row that looks like a hash, but for what webhooks were told: that needs no file."""
    found: set[str] = set()
    with database.read() as connection:
        for table in set(metadata.tables.values()) - {webhook_outbox}:
            for column in table.columns:
                if isinstance(column.type, (JSON, String)):
                    texts = connection.execute(select(cast(column, Text)).where(column.is_not(None))).scalars()
                    found.update(digest for text in texts for digest in _HASH.findall(text))
    return frozenset(found)


async def keep_swept(database: Database, store: ContentStore, settings: ServiceSettings) -> None:
    """Sweep now and then once a day, until canceled; what goes wrong is logged, and tried again a day later."""
    while True:
        try:
            if count := await asyncio.to_thread(sweep, database, store, settings):
                logger.info("deleted %d files of the store that nothing names any more", count)
        except Exception:  # whatever it is, the next sweep finds it all as it is
            logger.exception("the store was not swept")
        await asyncio.sleep(DAY_S)
