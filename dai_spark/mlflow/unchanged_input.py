"""Rows and params reach the model as they were given: what MLflow does to them before is put off.

MLflow holds rows and params to a model's signature before the model sees them.  With inputs of type
`AnyType` that changes values: it makes each column anew of Python's values, so that integers beside
a missing one become floats (2^53 + 1 becomes 2^53); it refuses every CSV body, since AnyType has no
pandas type; it drops params that the signature does not name, with nothing but a line in the log.

So, in a process that has imported this room or loaded a logged pipeline, four functions of
MLflow's ask first whether it is one of these that is meant, by its loader or by the names of its
inputs, and then leave rows to `dai_spark.schema.columns` and params to
`dai_spark.mlflow.call_params`.  They do for every other model what they did.  They are no public
API of MLflow's: where a version has one no more, it does what MLflow does, and docs/mlflow.md says
what that is.
"""

import functools
import io
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Set, Tuple

from mlflow.types.schema import AnyType

from dai_spark.errors import DaiSparkError
from dai_spark.mlflow.call_params import PARAM_TYPES, check_param_names
from dai_spark.mlflow.error_codes import mlflow_exception
from dai_spark.mlflow.given_rows import CSV, objects_frame, records_frame

__all__ = ["LOADER", "is_unchanged", "keep_unchanged"]

# What `python_function` names as the module that loads a logged pipeline.
LOADER = "dai_spark.mlflow"
_LOCK = threading.Lock()
_is_done = False
# Names of the inputs of the models that this process has loaded.
_inputs: Set[Tuple[str, ...]] = set()


def keep_unchanged(input_schema: Any = None) -> None:
    """Have rows of a model with these inputs, and params of all logged pipelines, left as given.

    Parameters
    ----------
    input_schema : mlflow.types.Schema, optional
        Of a model that is loaded.
    """
    global _is_done
    with _LOCK:
        if is_unchanged(input_schema):
            _inputs.add(tuple(input_schema.input_names()))
        if not _is_done:
            _is_done = True
            _replace("mlflow.pyfunc", "_validate_prediction_input", _prediction_input)
            _replace("mlflow.pyfunc", "_enforce_params_schema", _params)
            _replace("mlflow.pyfunc.scoring_server", "parse_csv_input", _csv_input)
            _replace("mlflow.pyfunc.scoring_server", "infer_and_parse_data", _json_input)


def is_unchanged(input_schema: Any) -> bool:
    """Whether a signature leaves values as they are: all of its inputs are AnyType."""
    return input_schema is not None and all(
        isinstance(getattr(column, "type", None), AnyType) for column in input_schema.inputs
    )


def _replace(
    module: str, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> None:
    with suppress(ImportError, AttributeError):
        home = import_module(module)
        original = getattr(home, name)
        setattr(home, name, functools.wraps(original)(make(original)))


def _prediction_input(original: Callable[..., Any]) -> Callable[..., Any]:
    def checked(
        data: Any, params: Any, input_schema: Any, params_schema: Any, flavor: Any = None
    ) -> Any:
        if flavor != LOADER:
            return original(data, params, input_schema, params_schema, flavor)
        _check(params)
        if input_schema is not None and not is_unchanged(input_schema):
            data, _ = original(data, None, input_schema, None, flavor)
        return data, dict(params or {})

    return checked


def _params(original: Callable[..., Any]) -> Callable[..., Any]:
    """`spark_udf` looks at them on the driver, where no model is loaded."""

    def checked(params: Any, schema: Any) -> Any:
        names = {spec.name for spec in schema.params} if schema is not None else set()
        if names != set(PARAM_TYPES):
            return original(params, schema)
        _check(params)
        return dict(params or {})

    return checked


def _check(params: Any) -> None:
    try:
        check_param_names(params)
    except DaiSparkError as error:
        raise mlflow_exception(error) from error


def _csv_input(original: Callable[..., Any]) -> Callable[..., Any]:
    def read(csv_input: Any, schema: Any = None) -> Any:
        if schema is not None and not _is_ours(schema):
            return original(csv_input, schema)
        if isinstance(csv_input, (str, Path)):
            text = Path(csv_input).read_text(encoding="utf-8")
        else:
            text = csv_input.read()
        # For a model of another kind what pandas makes of it; ours reads the text again.
        frame = original(io.StringIO(text))
        frame.attrs[CSV] = text
        return frame

    return read


def _json_input(original: Callable[..., Any]) -> Callable[..., Any]:
    def read(data: Any, schema: Any = None) -> Any:
        if schema is not None and _is_ours(schema) and len(data) == 1:
            ((form, rows),) = data.items()
            if form == "dataframe_records" and _are_records(rows):
                return _frame(lambda: records_frame(rows))
            if form == "dataframe_split" and _is_split(rows):
                columns = {
                    str(name): [row[i] for row in rows["data"]]
                    for i, name in enumerate(rows["columns"])
                }
                return _frame(lambda: objects_frame(columns, rows.get("index")))
            if form == "instances" and _are_records(rows):
                return _frame(lambda: records_frame(rows))
        # Forms that differ not, and what is none.
        return original(data, schema)

    return read


def _frame(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except DaiSparkError as error:
        raise mlflow_exception(error) from error


def _is_ours(schema: Any) -> bool:
    return is_unchanged(schema) and tuple(schema.input_names()) in _inputs


def _are_records(rows: Any) -> bool:
    return isinstance(rows, list) and bool(rows) and all(isinstance(row, dict) for row in rows)


def _is_split(rows: Any) -> bool:
    return (
        isinstance(rows, dict)
        and isinstance(rows.get("columns"), list)
        and isinstance(rows.get("data"), list)
        and set(rows) <= {"columns", "data", "index"}
        and all(isinstance(row, list) and len(row) == len(rows["columns"]) for row in rows["data"])
    )
