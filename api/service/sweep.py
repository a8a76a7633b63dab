"""Clears away what nobody needs any more: files of the store that no row of the database names, and old previews.

A store therefore belongs to one database: another one's files would be cleared too.
"""

import asyncio
import logging
import re
import time
from typing import Final

from sqlalchemy import JSON, String, Text, cast, delete, select
from sqlalchemy.exc import DBAPIError

from api.service.database import Database
from api.service.jobs import ENDED
from api.service.ledger import forget_drawn
from api.service.store import ContentStore
from api.service.tables import jobs, metadata, previews

logger = logging.getLogger(__name__)

DAY_S: Final = 24 * 3600.0
_HASH: Final = re.compile(r"\b[0-9a-f]{64}\b")


def sweep(database: Database, store: ContentStore, *, older_than_s: float = DAY_S) -> int:
    """Delete what is older and named nowhere, previews of jobs that have ended, and drawing times that no quota needs.

    Returns how many files that were.


    What is put into the store has its row within moments, so a day is long enough for the row to be there.
    """
    ended = select(jobs.c.id).where(jobs.c.state.in_(ENDED))
    with database.write() as connection:
        connection.execute(delete(previews).where(previews.c.job_id.in_(ended)))
        forget_drawn(connection, before=time.time() - DAY_S)
    return store.forget_all_but(named_hashes(database), older_than_s=older_than_s)


def named_hashes(database: Database) -> frozenset[str]:
    """Everything in any text of any row that looks like a hash."""
    found: set[str] = set()
    with database.read() as connection:
        for table in metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, (JSON, String)):
                    texts = connection.execute(select(cast(column, Text)).where(column.is_not(None))).scalars()
                    found.update(digest for text in texts for digest in _HASH.findall(text))
    return frozenset(found)


async def keep_swept(database: Database, store: ContentStore) -> None:
    """Sweep now and then once a day, until canceled; what goes wrong is logged, and tried again a day later."""
    while True:
        try:
            if count := await asyncio.to_thread(sweep, database, store):
                logger.info("deleted %d files of the store that nothing names any more", count)
        except (DBAPIError, OSError):
            logger.exception("the store was not swept")
        await asyncio.sleep(DAY_S)
