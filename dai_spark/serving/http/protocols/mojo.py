"""The REST of H2O's MOJO scorers and of H2O MLOps: ``/model/score``, rows and scores as texts."""

from typing import Any, Dict, List, Mapping, Tuple

import pyarrow as pa
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from dai_spark.errors import DaiSparkError, RequestError, UnreadableRowsError
from dai_spark.row_formats.csv_rows import table_of_texts
from dai_spark.row_formats.json_schema import example_rows
from dai_spark.row_formats.prediction_bytes import plain_table
from dai_spark.row_formats.refused_cells import RefusedCells, shown
from dai_spark.row_formats.strict_json import json_value
from dai_spark.schema.columns import check_columns, check_once
from dai_spark.serving.http.documented import Documented, array_of, object_of
from dai_spark.serving.http.http_calls import HttpCalls
from dai_spark.serving.http.protocols.http_protocol import Protocol
from dai_spark.serving.served_model import ServedModel

__all__ = ["mojo_protocol"]

_WHERE = "The request"
_KNOWN = ("fields", "rows", "includeFieldsInOutput", "noFieldNamesInOutput", "idField")
_SHAPLEY = "requestShapleyValueType"
_SHAPLEY_WORDS: Mapping[str, Any] = {"TRANSFORMED": "transformed", "ORIGINAL": "original"}
_CONTRIBUTION, _BIAS = "contrib_", "contrib_bias"


def mojo_protocol(calls: HttpCalls) -> Protocol:
    """Fields and rows of texts in, fields and scores of texts out.

    Parameters
    ----------
    calls : HttpCalls
    """

    async def score(request: Request) -> Response:
        model = calls.model()
        value = json_value(await calls.body(request), nan_is_null=True)
        asked = _asked(value)
        fields, rows = _fields_and_rows(value)
        table = _table(fields, rows, model)
        kept = _kept(value, fields)
        scored = await calls.score(request, model, table)
        told: Dict[str, Any] = {"id": model.pipeline.experiment_id}
        if not value.get("noFieldNamesInOutput"):
            told["fields"] = [*kept, *scored.column_names]
        places = [fields.index(name) for name in kept]
        scores = _texts(scored)
        told["score"] = [
            [*(_text(row[i]) or "" for i in places), *texts] for row, texts in zip(rows, scores)
        ]
        if asked:
            words = {"contributions": asked}
            given = await calls.score(request, model, table, words)
            told["featureShapleyContributions"] = _contributions(given)
        return JSONResponse(told, headers={"X-Model-Digest": model.digest})

    async def schema(request: Request) -> Response:
        model = calls.model()
        outputs = await model.prediction_schema()
        inputs = [
            {
                "name": column.name,
                "dataType": ("Int64" if column.is_integer else "Float64")
                if column.is_number
                else "Str",
            }
            for column in model.columns.values()
        ]
        fields = [{"name": field.name, "dataType": _mojo_type(field.type)} for field in outputs]
        return JSONResponse(
            {
                "id": model.pipeline.experiment_id,
                "schema": {"inputFields": inputs, "outputFields": fields},
            }
        )

    async def sample(request: Request) -> Response:
        rows = example_rows(calls.model().columns.values(), 1)
        texts = ["" if value is None else str(value) for value in rows[0].values()]
        return JSONResponse({"fields": list(rows[0]), "rows": [texts]})

    async def model_id(request: Request) -> Response:
        return PlainTextResponse(calls.model().pipeline.experiment_id)

    routes: List[Route] = [
        Route("/model/score", score, methods=["POST"]),
        Route("/model/schema", schema, methods=["GET"]),
        Route("/model/sample_request", sample, methods=["GET"]),
        Route("/model/id", model_id, methods=["GET"]),
    ]
    return Protocol("mojo", routes, _error, _paths)


def _paths(documented: Documented) -> Dict[str, Any]:
    text = {"type": "string"}
    texts = array_of(text)
    error = object_of(message=text)
    rows = [["" if v is None else str(v) for v in row.values()] for row in documented.rows]
    score = documented.operation(
        "Score rows of texts",
        object_of(id=text, score=array_of(texts)),
        body=object_of(
            fields=texts, rows=array_of(array_of({"type": ["string", "number", "null"]}))
        ),
        example={"fields": documented.columns, "rows": rows},
        error=error,
    )
    schema = documented.operation(
        "Fields that go in and come out", object_of(id=text, schema={}), error=error
    )
    sample = documented.operation(
        "A request that is answered", object_of(fields=texts, rows=array_of(texts)), error=error
    )
    named = documented.operation("The experiment", text, media_type="text/plain", error=error)
    return {
        "/model/score": {"post": score},
        "/model/schema": {"get": schema},
        "/model/sample_request": {"get": sample},
        "/model/id": {"get": named},
    }


def _asked(value: Any) -> Any:
    """The contributions that are asked for; None for none.

    Raises
    ------
    RequestError
        The body is no request, or asks for what is not here.
    """
    if not isinstance(value, Mapping) or "fields" not in value or "rows" not in value:
        raise RequestError('The body must be an object with "fields" and "rows".')
    unknown = [name for name in value if name not in (*_KNOWN, _SHAPLEY) and value[name]]
    if unknown:
        raise RequestError(f"The request has {', '.join(map(repr, unknown))}, unknown here.")
    told = value.get(_SHAPLEY)
    if told in (None, "NONE"):
        return None
    if not isinstance(told, str) or told not in _SHAPLEY_WORDS:
        raise RequestError(
            f"{_SHAPLEY} is {shown(told)}; it is one of NONE, {', '.join(_SHAPLEY_WORDS)}."
        )
    return _SHAPLEY_WORDS[told]


def _fields_and_rows(value: Mapping[str, Any]) -> Tuple[List[str], List[List[Any]]]:
    fields, rows = value["fields"], value["rows"]
    if not isinstance(fields, list) or not all(isinstance(name, str) for name in fields):
        raise UnreadableRowsError(f"{_WHERE} has fields that are no list of names.")
    if not isinstance(rows, list):
        raise UnreadableRowsError(f"{_WHERE} has rows that are no list.")
    refused = RefusedCells(_WHERE)
    for i, row in enumerate(rows):
        if not isinstance(row, list):
            refused.add(i, "", f"{shown(row)} (it is no list of texts)")
        elif len(row) != len(fields):
            refused.add(i, "", f"it has {len(row)} texts for {len(fields)} fields")
    refused.check()
    return fields, rows


def _table(fields: List[str], rows: List[List[Any]], model: ServedModel) -> pa.Table:
    check_once(list(model.columns), fields, _WHERE)
    # By a type that suits every column, so that only those that are missing are told.
    check_columns(dict.fromkeys(fields, pa.null()), model.columns, _WHERE)
    refused = RefusedCells(_WHERE)
    columns = {}
    for name in model.columns:
        place = fields.index(name)
        for i, row in enumerate(rows):
            if not _is_text(row[place]):
                refused.add(i, name, f"{shown(row[place])} (it is no text and no number)")
        columns[name] = [row[place] for row in rows]
    refused.check()
    # A text without anything is a missing value.
    arrays = {
        name: pa.array([_text(value) or None for value in values], pa.string())
        for name, values in columns.items()
    }
    return table_of_texts(arrays, model.columns, _WHERE)


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return value is None or type(value) in (int, float)
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else repr(value)


def _kept(value: Mapping[str, Any], fields: List[str]) -> List[str]:
    kept = value.get("includeFieldsInOutput") or []
    if value.get("idField"):
        kept = [value["idField"], *kept]
    if not isinstance(kept, list) or not all(name in fields for name in kept):
        raise RequestError(f"{shown(kept)} are to be in the output, and are no fields of the rows.")
    return list(dict.fromkeys(kept))


def _texts(table: pa.Table) -> List[List[str]]:
    columns = [
        column.cast(pa.string()).fill_null("").to_pylist() for column in plain_table(table).columns
    ]
    return [list(row) for row in zip(*columns)]


def _contributions(table: pa.Table) -> Dict[str, Any]:
    """Contributions by class, the bias last."""
    names = table.column_names
    n_features = next((i for i, name in enumerate(names) if name.startswith(_BIAS)), len(names) - 1)
    width = n_features + 1
    ending = names[n_features][len(_BIAS) :] if n_features < len(names) else ""
    texts = _texts(table)
    groups = []
    for first in range(0, len(names), width):
        group: Dict[str, Any] = {"contributions": [row[first : first + width] for row in texts]}
        if ending:
            group = {"outputGroupName": names[first + n_features][len(_BIAS) + 1 :], **group}
        groups.append(group)
    features = [
        name[len(_CONTRIBUTION) : len(name) - len(ending)]
        if name.startswith(_CONTRIBUTION)
        else name
        for name in names[:width]
    ]
    return {"features": features, "contributionGroups": groups}


def _mojo_type(kind: pa.DataType) -> str:
    if pa.types.is_floating(kind):
        return "Float32" if pa.types.is_float32(kind) else "Float64"
    if pa.types.is_integer(kind):
        return "Int64"
    return "Bool" if pa.types.is_boolean(kind) else "Str"


def _error(request: Request, error: DaiSparkError, status: int) -> Response:
    return JSONResponse({"status": status, "message": error.message}, status)
