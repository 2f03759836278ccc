"""PostgreSQL for the server: its visitors share a few connections, where Django by itself has one for each of them.

psycopg's own pool keeps each visitor waiting until its timeout while the database is gone; this one fails at once.
"""

import os
import weakref
from typing import Any

from django.db.backends.postgresql import base
from gevent.lock import BoundedSemaphore
from psycopg import Connection, OperationalError
from psycopg.pq import TransactionStatus

# Of one worker process.
MOST_CONNECTIONS = 10
WAIT_SECONDS = 5

_places = BoundedSemaphore(MOST_CONNECTIONS)
_idle: list[Connection] = []


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's, with connections that are taken and given back; CONN_MAX_AGE must be 0 for that."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection:
        """An idle connection that works, or a new one; raises OperationalError if none gets free in WAIT_SECONDS."""
        if not _places.acquire(timeout=WAIT_SECONDS):
            raise OperationalError(f"all {MOST_CONNECTIONS} connections of this process are in use")
        # Also when nobody closes it: a place that is lost would be missing for ever.
        self.give_back = weakref.finalize(self, _places.release)
        try:
            if _idle:
                connection = _idle.pop()
                try:
                    connection.execute("SELECT 1")
                    return connection
                except OperationalError:
                    # The others went the same way, and to find that out can take seconds for each.
                    connection.close()
                    _close_idle()
            return super().get_new_connection(conn_params)  # type: ignore[no-any-return]
        except BaseException:
            self.give_back()
            raise

    def _close(self) -> None:
        if self.connection is None:
            return
        try:
            if self.connection.autocommit and self.connection.info.transaction_status == TransactionStatus.IDLE:
                _idle.append(self.connection)
            else:
                self.connection.close()
        finally:
            self.give_back()


def _close_idle() -> None:
    while _idle:
        _idle.pop().close()


# Two processes cannot share a connection.
os.register_at_fork(before=_close_idle)
