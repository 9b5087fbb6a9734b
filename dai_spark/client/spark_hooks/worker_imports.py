"""settle_imports: archives are not listed anew before each of a worker's tasks."""

import os
import sys
import zipimport
from typing import Any

__all__ = ["settle_imports"]

# dai_spark's own archive where it has come as a py-file, whose name tells its content.
_OWN: Any = getattr(__spec__ and __spec__.loader, "archive", None)


def settle_imports() -> None:
    """Forget the finders of packages within Spark's archives and dai_spark's own.

    Called at the end of a task.  Before each task Spark's worker calls
    `importlib.invalidate_caches`, for which Python 3.10 to 3.12 lists an archive once for each of
    its packages: for pyspark.zip 0.1 to 0.3 s of a core.  A finder that is gone is made anew by
    the next import that asks for it, from the list that Python holds already.  Nobody changes what
    ``PYTHONPATH`` names while an executor runs; the finders of other archives stay, since Spark may
    overwrite a py-file.
    """
    archives = {_OWN, *os.environ.get("PYTHONPATH", "").split(os.pathsep)}
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimport.zipimporter) and finder.archive in archives:
            del sys.path_importer_cache[path]
