"""A task's function in few bytes, with the licence beside what is packed.

Spark writes a function of more than a megabyte into a file of ``spark.local.dir``, so that the
licence must be in none that is so large.  What makes one large are the names and types of columns,
which pack to a tenth and less.  The licence is not packed: what is sent is what can be looked at.
"""

import io
import pickle
import zlib
from typing import Any, Callable, Iterator, List, Tuple

from dai_spark.artifacts.license import License

__all__ = ["packed_function", "packed_type", "unpacked_function", "unpacked_type"]


def packed_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that does the same in a task, and pickles small.

    Parameters
    ----------
    function : callable
        Takes one iterator and gives one, as the bodies of `dai_spark.client.udf_bodies` do.
    """
    content, apart = _pack(function)

    def score(given: Iterator[Any]) -> Iterator[Any]:
        from dai_spark.plan.packed_function import unpacked_function

        yield from unpacked_function(content, apart)(given)

    # Spark reads the kind of UDF from them, in the order of the arguments.
    *argument, result = function.__annotations__.values()
    score.__name__ = function.__name__
    score.__annotations__ = {"given": argument[0], "return": result}
    return score


def _pack(function: Callable[..., Any]) -> Tuple[bytes, List[License]]:
    from pyspark import cloudpickle

    apart: List[License] = []

    pickler: Any = cloudpickle.CloudPickler

    # pyspark carries its own cloudpickle, without types.
    class Packer(pickler):  # type: ignore[misc]
        def persistent_id(self, found: Any) -> Any:
            if not isinstance(found, License):
                return None
            apart.append(found)
            return len(apart) - 1

    sink = io.BytesIO()
    Packer(sink).dump(function)
    return zlib.compress(sink.getvalue(), 1), apart


class _Unpacker(pickle.Unpickler):
    def __init__(self, content: bytes, apart: List[License]) -> None:
        super().__init__(io.BytesIO(content))
        self._apart = apart

    def persistent_load(self, number: Any) -> Any:
        return self._apart[number]


def unpacked_function(content: bytes, apart: List[License]) -> Callable[..., Any]:
    """The function that `packed_function` was given; called in a task, once."""
    function: Callable[..., Any] = _Unpacker(zlib.decompress(content), apart).load()
    return function


def packed_type(struct: Any) -> Any:
    """Return an equal StructType that pickles small; Spark pickles it beside the function.

    Pickle asks the object itself how it is pickled, so this is said by the one object: a class of
    our own would be no type that Spark knows.
    """
    made = type(struct)(list(struct.fields))
    content = zlib.compress(struct.json().encode("utf-8"), 1)
    made.__reduce_ex__ = lambda protocol: (unpacked_type, (type(struct), content))
    return made


def unpacked_type(kind: Any, content: bytes) -> Any:
    """The StructType that `packed_type` was given."""
    import json

    return kind.fromJson(json.loads(zlib.decompress(content)))
