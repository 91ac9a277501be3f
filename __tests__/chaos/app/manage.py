import os
import sys

from django.core.management import execute_from_command_line

try:
    # The first program of its container; the migration follows in the same one.
    open("/tmp/begun", "x").close()
    os.remove(f"/data/chaos-{os.environ['NAMESPACE']}.sqlite3")
except (FileExistsError, FileNotFoundError):
    pass

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
execute_from_command_line(sys.argv)
