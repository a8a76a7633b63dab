"""The tables of books that are edited. A book that never was has no row in them: it is as its job made it."""

from sqlalchemy import JSON, Column, Double, ForeignKey, Index, Integer, String, Table, Text

from api.service.tables import metadata

book_edits = Table(
    "book_edits",
    metadata,
    Column("book_id", String(64), ForeignKey("books.id"), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("head", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("bound", String(64)),
    Column("look", JSON),
)
"""How an edited book stands. `head` is the revision that holds, `version` counts every change of that and is the ETag.

`bound` is the digest of the state that the book's editions show; null is the first.
"""

book_revisions = Table(
    "book_revisions",
    metadata,
    Column("book_id", String(64), ForeignKey("books.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(64), nullable=False),
    Column("what", Text, nullable=False),
    Column("state", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
)
"""States of a book from 0, as it was made; undo goes back in them, and an edit forgets those ahead of it."""

book_pictures = Table(
    "book_pictures",
    metadata,
    Column("book_id", String(64), ForeignKey("books.id"), primary_key=True),
    Column("drawn", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("picture", JSON, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("created_at", Double, nullable=False),
    Index("book_pictures_by_age", "book_id", "created_at"),
)
"""Pictures drawn for a book later on, by what they were drawn from: candidates, of which a state takes one a page."""
