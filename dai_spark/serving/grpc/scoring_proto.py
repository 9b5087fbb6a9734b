"""The service that is the same for every pipeline: Info, Score, and a stream of Arrow."""

from typing import Any, Dict, Mapping

from dai_spark.serving.grpc.proto_file import field, file_of, map_field, message, method, proto_text

__all__ = ["COMMENTS", "OPTION_FIELDS", "PACKAGE", "option_words", "scoring_file", "scoring_text"]

PACKAGE = "dai_spark.v1"
_P = f".{PACKAGE}."
# The options of a call, each with its type; a field that is left out is as the server has it.
OPTION_FIELDS: Mapping[str, str] = {
    "contributions": "string",
    "margin": "bool",
    "labels": "bool",
    "threshold": "double",
    "probabilities": "string",
    "intervals": "bool",
    "fast_approx": "bool",
    "apply_data_recipes": "bool",
    "on_cast": "string",
    "nan": "string",
}
COMMENTS: Mapping[str, str] = {
    "Options": "As dai_spark.ScoringOptions has them; what is left out is as the server has it.",
    "Options.contributions": '"transformed" or "original", in place of the prediction.',
    "Options.probabilities": '"columns" or "map".',
    "Options.on_cast": '"error", "warn" or "null".',
    "Options.nan": '"keep" or "bad".',
    "ScoreRequest.arrow": "An Arrow IPC stream.",
    "ScoreRequest.json": "Any of the forms of rows that POST /predict takes.",
    "ScoreReply": "The prediction of each row in their order, in the format of the rows.",
    "StreamRequest.options": "Of the first message; they hold for all.",
    "StreamReply.error": "Why this message's rows have no scores; the stream goes on.",
    "Scoring.ScoreStream": "Replies come in the order of requests, one for each.",
    "InfoReply.typed_proto": "The text of this pipeline's own service, for protoc.",
    "Column.field": "The column's field in the typed service.",
}


def scoring_file() -> Any:
    """The file ``dai_spark/v1/scoring.proto``."""
    rows = [
        field("arrow", 1, "bytes", oneof="rows"),
        field("json", 2, "bytes", oneof="rows"),
        field("csv", 3, "bytes", oneof="rows"),
        field("json_lines", 4, "bytes", oneof="rows"),
    ]
    own = [field(name, i, kind, is_optional=True) for i, (name, kind) in _numbered(OPTION_FIELDS)]
    messages = [
        message("InfoRequest", []),
        message(
            "Column",
            [
                field("name", 1, "string"),
                field("kind", 2, "string"),
                field("field", 3, "string"),
                field("examples", 4, "string", is_repeated=True),
            ],
        ),
        message(
            "InfoReply",
            [
                field("model", 1, "string"),
                field("digest", 2, "string"),
                field("is_ready", 3, "bool"),
                field("columns", 4, f"{_P}Column", is_repeated=True),
                field("outputs", 5, f"{_P}Column", is_repeated=True),
                field("labels", 6, "string", is_repeated=True),
                map_field("versions", 7, "string", "string"),
                field("typed_service", 8, "string"),
                field("typed_proto", 9, "string"),
            ],
        ),
        message("Options", own),
        message(
            "ScoreRequest",
            [
                *rows,
                field("options", 5, f"{_P}Options"),
                field("request_id", 6, "string"),
            ],
        ),
        message(
            "ScoreReply",
            [
                *rows,
                field("digest", 5, "string"),
                field("request_id", 6, "string"),
            ],
        ),
        message(
            "StreamRequest",
            [field("arrow", 1, "bytes"), field("options", 2, f"{_P}Options")],
        ),
        message(
            "RowsError",
            [field("code", 1, "int32"), field("name", 2, "string"), field("message", 3, "string")],
        ),
        message(
            "StreamReply",
            [
                field("arrow", 1, "bytes", oneof="answer"),
                field("error", 2, f"{_P}RowsError", oneof="answer"),
                field("digest", 3, "string"),
            ],
        ),
    ]
    return file_of(
        "dai_spark/v1/scoring.proto",
        PACKAGE,
        messages,
        "Scoring",
        [
            method("Info", "InfoRequest", "InfoReply"),
            method("Score", "ScoreRequest", "ScoreReply"),
            method("ScoreStream", "StreamRequest", "StreamReply", is_stream=True),
        ],
        {
            "java_multiple_files": True,
            "java_package": PACKAGE,
            "java_outer_classname": "ScoringProto",
        },
    )


def _numbered(fields: Mapping[str, str]) -> Any:
    return enumerate(fields.items(), start=1)


def scoring_text() -> str:
    """The text of the file."""
    return proto_text(scoring_file(), COMMENTS, ["The service that every pipeline has."])


def option_words(options: Any) -> Dict[str, Any]:
    """The options that a message names, as keywords of `dai_spark.ScoringOptions`.

    Parameters
    ----------
    options : Options
    """
    words = {name: getattr(options, name) for name in OPTION_FIELDS if options.HasField(name)}
    if words.get("contributions") in ("", "false"):
        words["contributions"] = False
    return words
