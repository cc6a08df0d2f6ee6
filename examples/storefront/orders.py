"""Orders, in one SQLite file per host."""

import secrets
import sqlite3
import threading
from contextlib import closing


class Orders:
    """Orders that survive a restart of the shop and outlive its releases. Safe to use from several threads."""

    def __init__(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        # One connection for all threads: SQLite has one writer anyway, and connections of clients come and go.
        self._database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")  # with WAL: consistent after a crash, no fsync per order
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, product TEXT NOT NULL, quantity INTEGER NOT NULL,"
            " placed_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP) WITHOUT ROWID"
        )

    def place(self, product, quantity):
        """Writes an order and returns its id."""
        order = secrets.token_hex(8)
        self._ask("INSERT INTO orders (id, product, quantity) VALUES (?, ?, ?)", order, product, quantity)
        return order

    def find(self, order):
        """(product, quantity, placed_at) of an order; None if there is none."""
        return self._ask("SELECT product, quantity, placed_at FROM orders WHERE id = ?", order)

    def check(self):
        """Asks the database; raises sqlite3.Error if it does not answer."""
        self._ask("SELECT 1 FROM orders LIMIT 1")

    def close(self):
        """Writes everything to the file and lets go of it."""
        with self._lock:
            self._database.close()

    def _ask(self, statement, *values):
        with self._lock, closing(self._database.execute(statement, values)) as rows:
            return rows.fetchone()
