"""The SQLite file behind a history: its tables, how it is opened, and which kernels wrote into it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

VERSION = 1  # of the tables below; kept in the file's user_version
BUSY_S = 2.0  # how long another kernel of the same notebook may hold the file

TABLES = f"""
BEGIN IMMEDIATE;
CREATE TABLE kernel (id INTEGER PRIMARY KEY, pid INTEGER NOT NULL, born REAL NOT NULL);
CREATE TABLE job (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, kernel INTEGER NOT NULL, handler TEXT NOT NULL,
    version INTEGER NOT NULL, cold INTEGER NOT NULL, started_at REAL, request_size INTEGER NOT NULL,
    status TEXT NOT NULL DEFAULT 'IN_PROGRESS', outcome TEXT NOT NULL DEFAULT 'RUNNING', ended_at REAL,
    result_size INTEGER, rss_peak INTEGER, gpu_peak INTEGER, size INTEGER NOT NULL, note TEXT NOT NULL DEFAULT '',
    golden INTEGER NOT NULL DEFAULT 0, tolerance REAL,
    lost TEXT, error TEXT, request_sha TEXT, id_at INTEGER, facts TEXT, request TEXT, small BLOB);
CREATE TABLE body (sha256 TEXT PRIMARY KEY, size INTEGER NOT NULL, content BLOB NOT NULL);
CREATE TABLE uses (job INTEGER NOT NULL, sha256 TEXT NOT NULL);
CREATE INDEX uses_of_job ON uses (job);
CREATE INDEX uses_of_body ON uses (sha256);
PRAGMA user_version = {VERSION};
COMMIT;
"""


def connected(path: Path | None) -> sqlite3.Connection:
    """A connection to the file, made where it is missing, or to a database in memory.

    Raises `sqlite3.Error` for a file that is no history, or one of a later version.
    """
    # One lock of the store guards it; each write transaction says at once that it will write.
    connection = sqlite3.connect(
        path or ":memory:", timeout=BUSY_S, isolation_level="IMMEDIATE", check_same_thread=False
    )
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it was written by a later rp-notebook (version {version} of its tables)")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if version == 0:
            made(connection)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def made(connection: sqlite3.Connection) -> None:
    """Makes the tables, unless another kernel is just doing so."""
    try:
        connection.executescript(TABLES)
    except sqlite3.OperationalError:
        connection.rollback()
        if connection.execute("PRAGMA user_version").fetchone() != (VERSION,):
            raise


def this_kernel(connection: sqlite3.Connection) -> int:
    """The number of this process in the file. It is the same when the file is opened again."""
    import psutil

    known = (os.getpid(), psutil.Process().create_time())
    found = connection.execute("SELECT id FROM kernel WHERE pid = ? AND born = ?", known).fetchone()
    if found is not None:
        return int(found[0])
    return connection.execute("INSERT INTO kernel (pid, born) VALUES (?, ?)", known).lastrowid or 0


def mark_interrupted(connection: sqlite3.Connection) -> None:
    """Jobs that run in no kernel any more were interrupted by its end."""
    busy = "SELECT DISTINCT kernel.id, pid, born FROM job JOIN kernel ON kernel.id = kernel WHERE outcome = 'RUNNING'"
    for number, pid, born in connection.execute(busy).fetchall():
        if not _lives(pid, born):
            connection.execute(
                "UPDATE job SET outcome = 'INTERRUPTED' WHERE outcome = 'RUNNING' AND kernel = ?", (number,)
            )


def _lives(pid: int, born: float) -> bool:
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(process.create_time() == born and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
