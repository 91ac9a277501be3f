"""Reports to django-rollout which migrations this image brings, judges them, and runs the migrate command.

Its files are those of src/django/rollout_inspector of django-rollout, packed. All of it is inside of one function,
because `shell -c` runs it among names that are not ours: Django 4.2 in the globals of its own module, 5.2 and
later in a copy with all models of the project.
"""


def django_rollout_inspect():
    import base64
    import importlib.util
    import sys
    import zlib

    top = "rollout_inspector"
    texts = zlib.decompress(base64.b64decode("FILES")).decode("utf-8").split("\0")
    files = dict(text.split("\n", 1) for text in texts)

    def file_of(name):
        return ("__init__" if name == top else name[len(top) + 1 :]) + ".py"

    class Finder:
        """Imports the files from this text."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name.partition(".")[0] == top and file_of(name) in files:
                return importlib.util.spec_from_loader(name, Finder, is_package=name == top)

        @staticmethod
        def create_module(spec):
            return None

        @staticmethod
        def exec_module(module):
            file = file_of(module.__name__)
            module.__file__ = top + "/" + file
            exec(compile(files[file], module.__file__, "exec"), module.__dict__)

        @staticmethod
        def get_source(name):
            """For a traceback."""
            return files.get(file_of(name))

        @staticmethod
        def get_data(path):
            return files[path.rpartition("/")[2]].encode("utf-8")

    sys.meta_path.insert(0, Finder)
    from rollout_inspector import main

    main.main()


django_rollout_inspect()
