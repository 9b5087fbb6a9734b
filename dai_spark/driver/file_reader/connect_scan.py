"""Spark Connect: a DataFrame that is a bare scan of Parquet files, as far as a client can see it.

The client has the query as it was written, and of the server's plan a text.  The files are the
server's, so that one of its tasks looks at them.
"""

import json
import re
from typing import TYPE_CHECKING, Any, Dict, List, Sequence, Tuple
from urllib.parse import unquote

from dai_spark.client.read_files.footers import FileColumn, FileFacts, ReadSettings
from dai_spark.client.read_files.look_body import look_body
from dai_spark.client.read_files.unproved import Unproved

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["connect_scan", "looked_at_by_task", "n_splits", "server_files"]

_OPTIONS = frozenset({"mergeschema", "recursivefilelookup", "pathglobfilter"})
_NODE = re.compile(r"^[\s:+\-*()0-9]*(\w+)")
_QUOTED = re.compile(r"`((?:[^`]|``)+)`")
_SPLITS = re.compile(r"Range \(0, 1, step=1, splits=(\d+)\)")
_MOST_FILES = 20_000


def connect_scan(frame: "DataFrame") -> Tuple[str, ...]:
    """Return which of the files' columns each column of a frame is.

    Runs on the client.

    Raises
    ------
    Unproved
        The frame is anything but columns of ``spark.read.parquet``, chosen and renamed.
    """
    # Its class in Connect, which the stubs do not tell from the classic one.
    asked: Any = frame
    proto = asked._plan.to_proto(asked.sparkSession.client).root
    names = _names(proto)
    _check_server(asked)
    return names


def _names(relation: Any) -> Tuple[str, ...]:
    """The names below, for the columns that the topmost projection gives."""
    given: List[Dict[str, str]] = []
    wanted: List[str] = []
    while relation.WhichOneof("rel_type") == "project":
        pairs = [_projected(one) for one in relation.project.expressions]
        if not given:
            wanted = [name for name, _ in pairs]
        given.append(dict(pairs))
        relation = relation.project.input
    kind = relation.WhichOneof("rel_type")
    if kind != "read":
        raise Unproved(f"it is more than a scan of files: {kind}")
    read = relation.read
    if read.is_streaming or read.WhichOneof("read_type") != "data_source":
        raise Unproved("over Spark Connect only spark.read.parquet(...) tells what it reads")
    source = read.data_source
    unknown = sorted({name.lower() for name in source.options} - _OPTIONS)
    if source.format.lower() != "parquet" or source.predicates or unknown:
        raise Unproved(f"it is read as {source.format or 'the default format'} with {unknown}")
    for level in given:
        missing = [name for name in wanted if name not in level]
        if missing:
            raise Unproved(f"column {missing[0]} is not told from others by its name")
        wanted = [level[name] for name in wanted]
    return tuple(wanted)


def _projected(expression: Any) -> Tuple[str, str]:
    """A column's name above a projection, and below it."""
    name = None
    if expression.WhichOneof("expr_type") == "alias":
        name = expression.alias.name[0] if len(expression.alias.name) == 1 else None
        expression = expression.alias.expr
        if name is None:
            raise Unproved("a column has several names")
    if expression.WhichOneof("expr_type") != "unresolved_attribute":
        raise Unproved(f"a column is computed ({expression.WhichOneof('expr_type')})")
    attribute = expression.unresolved_attribute
    text = attribute.unparsed_identifier
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        plain = quoted.group(1).replace("``", "`")
    elif "`" not in text and "." not in text:
        plain = text
    else:
        raise Unproved(f"{text} may be a field of a column")
    if plain.lower() == "_metadata" or attribute.is_metadata_column:
        raise Unproved("it has a column of metadata")
    return name or plain, plain


def _check_server(frame: Any) -> None:
    """Make sure that the server has put nothing into the plan: a filter, or rows that it keeps."""
    told: str = frame._explain_string(extended=True)
    _, _, behind = told.partition("== Optimized Logical Plan ==")
    optimised, _, physical = behind.partition("== Physical Plan ==")
    logical = [_NODE.match(line) for line in optimised.splitlines() if line.strip()]
    names = [match.group(1) if match else "" for match in logical]
    if not names or not set(names) <= {"Project", "Relation"}:
        other = next((name for name in names if name not in ("Project", "Relation")), "nothing")
        raise Unproved(f"the server's plan of it has a {other}")
    if "FileScan parquet" not in physical:
        raise Unproved("the server does not read it as plain Parquet files")


def server_files(frame: "DataFrame") -> List[str]:
    """Return the files that the server would read, as paths of its hosts.

    Raises
    ------
    Unproved
        They are elsewhere than in the local file system, or in partitions.
    """
    paths = []
    for uri in frame.inputFiles():
        match = re.fullmatch(r"file:(?://)?(/.*)", uri)
        if match is None:
            raise Unproved(f"its files are not in the local file system: {uri}")
        path = unquote(match.group(1))
        if "=" in path.rpartition("/")[0]:
            raise Unproved("over Spark Connect the values of partitions are Spark's to tell")
        paths.append(path)
    if len(paths) > _MOST_FILES:
        raise Unproved(f"it has more than {_MOST_FILES:,} files")
    return paths


def looked_at_by_task(
    spark: Any, paths: Sequence[str], columns: Sequence[FileColumn], settings: ReadSettings
) -> List[FileFacts]:
    """Have one task of the server look at files; see `look_at_files`.

    Raises
    ------
    Unproved
    """
    body = look_body(paths, columns, settings)
    answer = json.loads(spark.range(0, 1, 1, 1).mapInArrow(body, "answer string").collect()[0][0])
    if "unproved" in answer:
        raise Unproved(answer["unproved"])
    return [
        FileFacts._make([*fields[:-1], tuple((n_rows, n_bytes) for n_rows, n_bytes in fields[-1])])
        for fields in answer["files"]
    ]


def n_splits(spark: Any) -> int:
    """Return how many tasks the server makes of what has no number of its own.

    Parameters
    ----------
    spark : SparkSession
    """
    told = spark.range(1)._explain_string(extended=False)
    match = _SPLITS.search(told)
    if match is None:
        raise Unproved("the server does not tell how many tasks it runs at once")
    return int(match.group(1))
