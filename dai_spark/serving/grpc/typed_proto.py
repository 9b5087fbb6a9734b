"""TypedProto: a service of a pipeline's own, with a field for each of its columns."""

import hashlib
import json
import keyword
import re
import unicodedata
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import OptionError
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ScoringPlan
from dai_spark.row_formats.cells import column_of
from dai_spark.row_formats.refused_cells import RefusedCells
from dai_spark.schema.prediction import PredictionShape
from dai_spark.serving.grpc.proto_file import Messages, field, file_of, message, method, proto_text

__all__ = ["TypedProto", "TypedRows", "safe_names", "typed_proto_of"]

_PACKAGE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
# Numbers that protobuf keeps for itself.
_RESERVED = range(19_000, 20_000)
# Fields of a reply beside the pipeline's own.
_LABEL = "label"
_INTERVAL = (".lower", ".upper")


class TypedProto:
    """A service with typed messages for one pipeline.

    A request has an optional field for each column: one that is left out is a missing value.  A
    reply has the class that is chosen as a number, counted from 0 in the order of the pipeline's
    labels, its label, and a probability for each; of a regression the number itself.  Names that
    protobuf does not take are made safe, and comments tell the originals.

    The package holds a hash of columns, types and labels, unless it is named: a client of another
    pipeline finds no service, where it would else put its values into other columns.

    Parameters
    ----------
    wanted : mapping of str to PipelineColumn
        The columns that the pipeline uses, in its own order.
    schema : pyarrow.Schema
        Of its prediction without options.
    labels : sequence of str or None
        None for a regression.
    target : str or None
    package : str, optional

    Raises
    ------
    OptionError
        A package that is none.
    """

    def __init__(
        self,
        wanted: Mapping[str, PipelineColumn],
        schema: pa.Schema,
        labels: Optional[Sequence[str]],
        target: Optional[str],
        package: Optional[str] = None,
    ) -> None:
        self._wanted = dict(wanted)
        self._labels = None if labels is None else tuple(labels)
        self._outputs = list(schema.names)
        self.target = target or "prediction"
        word = safe_names([self.target])[0]
        self.title = "".join(part[:1].upper() + part[1:] for part in word.split("_") if part)
        self.title = self.title or "Target"
        if package is not None and _PACKAGE.fullmatch(package) is None:
            raise OptionError(f"{package!r} is no package of protobuf; ml.customers would be one.")
        self.package = package or f"dai.{word}.s{_hash(wanted, schema, self._labels)}"
        self.fields = _fields(self._wanted)
        self.file = self._file(word, schema)

    # -- the file ------------------------------------------------------------------------------

    def _file(self, word: str, schema: pa.Schema) -> Any:
        rows, numbers = [], _numbers()
        for name, column in self._wanted.items():
            rows += _column_fields(self.fields[name], column, numbers)
        reply: List[Dict[str, Any]] = []
        self._comments: Dict[str, str] = {}
        names = self._reply_names(word)
        self._reply = names
        numbers = _numbers()
        if self._labels is not None:
            reply.append(field(names[0], next(numbers), "int32", is_optional=True))
            reply.append(field(names[1], next(numbers), "string", is_optional=True))
        for name, found in zip(names[self._n_own :], schema):
            kind = _kind_of(found.type)
            reply.append(field(name, next(numbers), kind, is_optional=True))
        request, answer = f"{self.title}PredictRequest", f"{self.title}PredictReply"
        self.request_name, self.reply_name = request, answer
        self.method_names = (f"Predict{self.title}", f"Predict{self.title}Stream")
        self.service_name = f"{self.title}Predictor"
        return file_of(
            f"{word}.proto" if self.package.startswith("dai.") else f"{self.package}.proto",
            self.package,
            [message(request, rows), message(answer, reply)],
            self.service_name,
            [
                method(self.method_names[0], request, answer),
                method(self.method_names[1], request, answer, is_stream=True),
            ],
            {
                "java_multiple_files": True,
                "java_package": self.package,
                "java_outer_classname": f"{self.title}Proto",
                "objc_class_prefix": "DAI",
            },
        )

    @property
    def _n_own(self) -> int:
        """Fields of a reply that stand before the pipeline's."""
        return 0 if self._labels is None else 2

    def _reply_names(self, word: str) -> List[str]:
        own = [] if self._labels is None else [word, _LABEL]
        outputs = []
        for name in self._outputs:
            if self._labels is None:
                short = next((self.target + e for e in _INTERVAL if name.endswith(e)), name)
                short = self.target if name == self._outputs[0] else short
            else:
                short = "probability_" + name.partition(".")[2] if "." in name else name
            outputs.append(short)
        return safe_names([*own, *outputs])

    def text(self) -> str:
        """The text of the .proto, with the columns' own names in its comments."""
        notes: Dict[str, str] = {
            self.request_name: "A row. A field that is left out is a missing value.",
            f"{self.service_name}.{self.method_names[1]}": "Replies come in the order of requests.",
        }
        for name, column in self._wanted.items():
            shown = ", ".join(s for s in column.samples[:3] if s is not None)
            told = f"Column {json.dumps(name, ensure_ascii=False)}"
            told = f"{told}: {shown}" if shown else told
            key = f"{self.request_name}.{self.fields[name]}"
            notes[key if column.is_known else f"{key}_number"] = told
        if self._labels is not None:
            told = ", ".join(f"{i} {label}" for i, label in enumerate(self._labels))
            notes[f"{self.reply_name}.{self._reply[0]}"] = (
                f"The class that is chosen: {told}. Left out where a probability is NaN."
            )
        for safe, name in zip(self._reply[self._n_own :], self._outputs):
            notes[f"{self.reply_name}.{safe}"] = f"The pipeline's {json.dumps(name)}."
        head = [f"Rows and predictions of a pipeline that predicts {self.target}."]
        return proto_text(self.file, notes, head)

    # -- rows and replies ----------------------------------------------------------------------

    def bind(self, messages: Messages) -> "TypedRows":
        """The way from messages to tables and back.

        Parameters
        ----------
        messages : Messages
            Of `file`.
        """
        return TypedRows(
            messages.of(self.request_name),
            messages.of(self.reply_name),
            self._wanted,
            self.fields,
            self._reply,
            self._labels,
        )


class TypedRows:
    """From typed messages to a table, and from a prediction to typed messages.

    Parameters
    ----------
    request, reply : type
        Classes of messages.
    wanted : mapping of str to PipelineColumn
    fields : mapping of str to str
        The field of each column.
    names : sequence of str
        Fields of a reply.
    labels : tuple of str or None
    """

    def __init__(
        self,
        request: Any,
        reply: Any,
        wanted: Mapping[str, PipelineColumn],
        fields: Mapping[str, str],
        names: Sequence[str],
        labels: Optional[Tuple[str, ...]],
    ) -> None:
        self.request = request
        self.reply = reply
        self._wanted = wanted
        self._fields = fields
        self._names = names
        self._places = None if labels is None else {label: i for i, label in enumerate(labels)}

    @property
    def has_labels(self) -> bool:
        """Whether a reply has a class, so that the prediction is to have its label."""
        return self._places is not None

    def table(self, rows: Sequence[Any]) -> pa.Table:
        """Messages as a table of the pipeline's columns.

        Parameters
        ----------
        rows : sequence of messages

        Raises
        ------
        RefusedValuesError
            A value that the pipeline cannot be given unchanged, or a field that this service's
            messages do not have.
        """
        refused = RefusedCells("The request")
        for i, row in enumerate(rows):
            if _has_unknown(row):
                refused.add(i, "", "it has fields that this service does not know; its client was "
                            "made from another .proto")  # fmt: skip
        refused.check()
        arrays = [
            column_of(
                name, [_value(row, self._fields[name], column) for row in rows], column, refused
            )
            for name, column in self._wanted.items()
        ]
        refused.check()
        return pa.Table.from_arrays(arrays, names=list(self._wanted))

    def replies(self, scored: pa.Table) -> List[Any]:
        """A prediction with its label, where it has labels, as one message a row."""
        columns = {name: scored.column(name).to_pylist() for name in scored.column_names}
        labels = columns.pop(_LABEL, None) if self._places is not None else None
        replies = []
        for i in range(scored.num_rows):
            reply = self.reply()
            values: List[Any] = [found[i] for found in columns.values()]
            if self._places is not None:
                label = None if labels is None else labels[i]
                values = [None if label is None else self._places[label], label, *values]
            for name, value in zip(self._names, values):
                if value is not None:
                    setattr(reply, name, value)
            replies.append(reply)
        return replies


def typed_proto_of(plan: ScoringPlan, package: Optional[str] = None) -> TypedProto:
    """The service of a pipeline's own.

    Parameters
    ----------
    plan : ScoringPlan
        Described.
    package : str, optional
        See `TypedProto`.
    """
    described = plan.described
    assert described is not None
    labels = described.labels
    plain = PredictionShape(described, ScoringOptions())
    if labels is not None:
        try:
            PredictionShape(described, ScoringOptions(labels=True))
        except OptionError:
            # Its answer has no probability for each label, so none is chosen.
            labels = None
    return TypedProto(plan.wanted(), plain.schema, labels, plan.target, package)


def _value(row: Any, name: str, column: PipelineColumn) -> Any:
    if column.is_known:
        return getattr(row, name) if row.HasField(name) else None
    which = row.WhichOneof(name)
    return None if which is None else getattr(row, which)


def _has_unknown(row: Any) -> bool:
    from google.protobuf.unknown_fields import UnknownFieldSet

    return len(UnknownFieldSet(row)) > 0


def _column_fields(safe: str, column: PipelineColumn, numbers: Any) -> List[Dict[str, Any]]:
    if not column.is_known:
        # The export does not tell which of them the pipeline wants.
        return [
            field(f"{safe}_number", next(numbers), "double", oneof=safe),
            field(f"{safe}_text", next(numbers), "string", oneof=safe),
        ]
    kind = ("int64" if column.is_integer else "double") if column.is_number else "string"
    return [field(safe, next(numbers), kind, is_optional=True)]


def _fields(wanted: Mapping[str, PipelineColumn]) -> Dict[str, str]:
    """The field of each column; of one whose type is not known, the name of its two fields."""
    names: List[str] = []
    for name, column in wanted.items():
        names += [name] if column.is_known else [name, f"{name}_number", f"{name}_text"]
    safe = dict(zip(names, safe_names(names)))
    return {name: safe[name] for name in wanted}


def _numbers() -> Any:
    number = 0
    while True:
        number += 1
        if number in _RESERVED:
            number = _RESERVED.stop
        yield number


def _kind_of(kind: pa.DataType) -> str:
    if pa.types.is_float32(kind):
        return "float"
    if pa.types.is_floating(kind):
        return "double"
    if pa.types.is_boolean(kind):
        return "bool"
    return "int64" if pa.types.is_integer(kind) else "string"


def _hash(
    wanted: Mapping[str, PipelineColumn], schema: pa.Schema, labels: Optional[Tuple[str, ...]]
) -> str:
    told = [
        [[name, c.is_known, c.is_number, c.is_integer] for name, c in wanted.items()],
        [[found.name, str(found.type)] for found in schema],
        labels,
    ]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:8]


def safe_names(names: Sequence[str]) -> List[str]:
    """Names of fields for names of columns, each another one, also for protoc's languages.

    Parameters
    ----------
    names : sequence of str
    """
    found: List[str] = []
    taken = set()
    for name in names:
        plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        plain = re.sub(r"[^A-Za-z0-9_]+", "_", plain).strip("_") or "column"
        if plain[0].isdigit() or keyword.iskeyword(plain) or keyword.iskeyword(plain.lower()):
            plain = f"c_{plain}"
        safe, n = plain, 1
        # JSON's and Java's names are these without underscores.
        while safe.replace("_", "").lower() in taken:
            n += 1
            safe = f"{plain}_{n}"
        taken.add(safe.replace("_", "").lower())
        found.append(safe)
    return found
