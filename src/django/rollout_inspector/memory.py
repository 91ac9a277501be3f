"""Files without a name, and whether the project has room in memory twice."""
import os

# By the size of the project that is loaded: what it imports later, and a request's worth of data, comes on top.
times = 3
# Of control groups v2 and v1, which show a container its own as the root.
groups = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def in_memory(data):
    """Returns the descriptor of a file that has no name, for a program that this one starts or becomes."""
    if hasattr(os, "memfd_create"):
        file = os.memfd_create("django-rollout", 0)
    else:
        import tempfile

        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    while data:
        data = data[os.write(file, data) :]
    os.lseek(file, 0, os.SEEK_SET)
    os.set_inheritable(file, True)
    return file


def has_room(root="/"):
    """Whether a second process of the project may run beside this one. A limit that cannot be read leaves no room."""
    try:
        with open(root + "proc/self/statm", "rb") as file:
            own = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        with open(root + "proc/meminfo", "rb") as file:
            free = next(int(line.split()[1]) * 1024 for line in file if line.startswith(b"MemAvailable:"))
        limit, used = next(each for each in groups if os.path.exists(root + each[0]))
        with open(root + limit, "rb") as file:
            most = file.read().strip()
        with open(root + used, "rb") as file:
            free = free if most == b"max" else min(free, int(most) - int(file.read()))
    except (OSError, ValueError, IndexError, StopIteration):
        return False
    return free > times * own
