"""Says every 10 s how far a migration is that takes long. Runs inside of the migrate command, beside it.

The migration's own connection is left alone: a second one, which is opened for the question, reads PostgreSQL's view of
index builds. What cannot be read is not said.
"""
import json
import threading
import time

from rollout_inspector import task

every = 10
# Those of other users have no table here.
builds = """SELECT c.relname::text, p.phase, p.blocks_done, p.blocks_total, p.tuples_done, p.tuples_total
 FROM pg_stat_progress_create_index p JOIN pg_class c ON c.oid = p.relid WHERE p.datname = current_database()"""


class Progress:
    """Of one migration, as a context."""

    def __init__(self, connection, name):
        self.connection, self.name = connection, name
        self.over = threading.Event()

    def __enter__(self):
        # A thread of a project that ends must not keep it.
        threading.Thread(target=self.run, daemon=True).start()

    def __exit__(self, *error):
        self.over.set()

    def run(self):
        began = time.monotonic()
        while not self.over.wait(every):
            built = self.built()
            # The migration may have ended meanwhile.
            if self.over.is_set():
                return
            seconds = "running for %d s" % round(time.monotonic() - began)
            task.say(json.dumps({"locking": {"migration": self.name, "note": ", ".join([seconds] + built)}}))

    def built(self):
        if self.connection.vendor != "postgresql":
            return []
        try:
            other = self.connection.copy()
            try:
                with other.cursor() as cursor:
                    cursor.execute(builds)
                    return [words(*row) for row in cursor.fetchall()]
            finally:
                other.close()
        except Exception:
            # Older than PostgreSQL 12, or no connection is left.
            return []


def words(table, phase, blocks, all_blocks, rows, all_rows):
    done, of = (blocks, all_blocks) if all_blocks else (rows, all_rows)
    part = ", %d %%" % (100 * done // of) if of else ""
    return "index of %s: %s%s" % (table, phase, part)
