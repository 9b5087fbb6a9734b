"""The table job's command line: each setting has a flag, and what is said arrives as it was."""

import argparse
import dataclasses
import inspect
import re
import shlex
from pathlib import Path

import pytest

from dai_spark import errors
from dai_spark.cli import main
from dai_spark.errors import BadRowsError, DriftError, OptionError, TableExistsError
from dai_spark.plan.options import ScoringOptions
from dai_spark.table_job.report.outcome import EXIT_STATUSES, STATUSES, exit_status
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.settings.arguments import add_arguments, job_words
from dai_spark.table_job.settings.job import INCREMENTAL, MODES, TableJob
from dai_spark.table_job.settings.toml_config import FLAGS, kinds

DONE = {"done", "nothing to do", "already done", "dry run"}
ROOT = Path(__file__).resolve().parent.parent.parent

# Of every setting: what is said on the command line, and what `score_table` is to be given.
SAID = {
    "pipeline": ("--pipeline scorer.zip", "scorer.zip"),
    "env": ("--env dai-1.10.tar.zst", "dai-1.10.tar.zst"),
    "source": ("--source lake.customers", "lake.customers"),
    "target": ("--target delta:s3a://lake/scores", "delta:s3a://lake/scores"),
    "license_file": ("--license-file license.sig", "license.sig"),
    "source_options": (
        "--source-option header=true --source-option sep='='",
        {"header": "true", "sep": "="},
    ),
    "target_options": ("--target-option compression=zstd", {"compression": "zstd"}),
    "where": ("--where \"day = '2026-05-08'\"", "day = '2026-05-08'"),
    "source_version": ("--source-version 12", "12"),
    "source_timestamp": ("--source-timestamp '2026-05-08 02:00'", "2026-05-08 02:00"),
    "read": ("--read files", "files"),
    "columns": (
        "--column 'income.monthly=income / 12' --column age=years",
        {"income.monthly": "income / 12", "age": "years"},
    ),
    "mode": ("--mode merge", "merge"),
    "key": ("--key id,date", ["id", "date"]),
    "keep": ("--keep id,date --keep region", ["id", "date", "region"]),
    "partition_by": ("--partition-by date", ["date"]),
    "target_branch": ("--target-branch audit", "audit"),
    "publish": ("--no-publish", False),
    "target_format": ("--target-format iceberg", "iceberg"),
    "n_files": ("--files 8", 8),
    "max_file_rows": ("--max-file-rows 1000000", 1_000_000),
    "prediction": ("--prediction score", "score"),
    "prediction_layout": ("--prediction-layout flat", "flat"),
    "lineage": ("--no-lineage", False),
    "lookback": ("--lookback '2 days'", "2 days"),
    "delete_missing": ("--delete-missing", True),
    "evolve_schema": ("--evolve-schema", True),
    "job_name": ("--job-name customers", "customers"),
    "run_id": ("--run-id 2026-05-08", "2026-05-08"),
    "on_overlap": ("--on-overlap refuse", "refuse"),
    "overlap_timeout_s": ("--overlap-timeout-s 60", 60.0),
    "work_folder": ("--work-folder s3a://lake/work", "s3a://lake/work"),
    "incremental": ("--incremental missing", "missing"),
    "since": ("--since loaded_at", "loaded_at"),
    "since_mark": ("--since-mark 2026-05-07", "2026-05-07"),
    "checkpoint": ("--checkpoint s3a://lake/checkpoint", "s3a://lake/checkpoint"),
    "keep_running": ("--stream", True),
    "quarantine": ("--quarantine lake.bad", "lake.bad"),
    "max_bad_rows": ("--max-bad-rows 0.1%", "0.1%"),
    "on_cast": ("--on-cast null", "null"),
    "nan": ("--nan bad", "bad"),
    "dry_run": ("--dry-run", True),
    "verify": ("--verify 20", 20),
    "fail_on_drift": ("--fail-on-drift 0.25", 0.25),
    "min_rows": ("--min-rows 50%", "50%"),
    "allow_empty": ("--allow-empty", True),
    "contract": ("--contract contract.toml", "contract.toml"),
    "openlineage": ("--openlineage", True),
    "report": (
        "--report a.json,a.html --report b.json",
        ["a.json", "a.html", "b.json"],
    ),
    "margin": ("--margin", True),
    "contributions": ("--contributions original", "original"),
    "fast_approx": ("--fast-approx", True),
    "group_by": ("--group-by store,item", ["store", "item"]),
    "order_by": ("--order-by week", ["week"]),
    "max_group_bytes": ("--max-group-bytes 1000000", 1_000_000),
    "apply_data_recipes": ("--apply-data-recipes", True),
    "labels": ("--labels", True),
    "threshold": ("--threshold 0.3", 0.3),
    "probabilities": ("--probabilities map", "map"),
    "intervals": ("--no-intervals", False),
    "batch_rows": ("--batch-rows 500", 500),
    "batch_bytes": ("--batch-bytes 1000000", 1_000_000),
    "start_method": ("--start-method spawn", "spawn"),
    "max_scorers": ("--max-scorers 2", 2),
    "max_batches_per_scorer": ("--max-batches-per-scorer 100", 100),
    "max_scorer_memory_bytes": ("--max-scorer-memory-bytes 4000000000", 4_000_000_000),
    "start_timeout_s": ("--start-timeout-s 30", 30.0),
    "batch_timeout_s": ("--batch-timeout-s 1.5", 1.5),
    "idle_timeout_s": ("--idle-timeout-s 10", 10.0),
    "env_vars": ("--env-var TZ=UTC", {"TZ": "UTC"}),
    "diagnose": ("--diagnose", True),
    "json": ("--json", True),
    "quiet": ("--quiet", True),
}
NEEDED = "--pipeline p.zip --env e.tar.gz --source a --target b"


def parser():
    made = argparse.ArgumentParser(prog="dai-spark score-table")
    add_arguments(made)
    return made


def words(text, config=None):
    """What `score_table` is given for a command line and the text of a configuration."""
    said = shlex.split(text)
    if config is not None:
        said += ["--config", "test://job.toml"]
    return job_words(parser().parse_args(said), lambda uri: config.encode(), {})


def test_every_setting_of_a_job_is_listed_here():
    """A setting that TableJob or ScoringOptions gains cannot be forgotten below."""
    fields = {f.name for owner in (TableJob, ScoringOptions) for f in dataclasses.fields(owner)}
    # `options` holds the ScoringOptions; the other two are of a UDF alone.
    assert set(SAID) == fields - {"options", "udf_type", "deterministic"} | {"json", "quiet"}
    assert set(kinds()) == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_every_setting_has_a_flag(name):
    """What is said arrives under the setting's own name, and nothing else does."""
    text, value = SAID[name]
    assert words(text) == {name: value}
    assert type(words(text)[name]) is type(value)


@pytest.mark.parametrize("name", SAID)
def test_every_flag_is_its_settings_name(name):
    """Who knows the keyword knows the flag; the exceptions are those of one table."""
    said = FLAGS.get(name, f"--{name.replace('_', '-')}")
    assert shlex.split(SAID[name][0])[0] in (said, said.replace("--", "--no-", 1))


def test_nothing_is_said_of_what_is_not_said():
    """Defaults are those of TableJob, not of the parser."""
    assert words(NEEDED) == {"pipeline": "p.zip", "env": "e.tar.gz", "source": "a", "target": "b"}


def test_what_was_parsed_makes_a_job():
    """TableJob takes the words as they are, with names as tuples."""
    job = TableJob.of(words(f"{NEEDED} --key id --keep id,day --mode merge --batch-rows 7"))
    assert (job.key, job.keep, job.options.batch_rows) == (("id",), ("id", "day"), 7)


def test_flags_win_over_the_file():
    """Values are replaced, entries of a table one by one, and a switch can be taken back."""
    config = """
        mode = "append"
        keep = ["a", "b"]
        dry_run = true
        lineage = false
        report = ["a.json"]
        verify = 5
        [source_options]
        header = true
        sep = ";"
    """
    said = words(
        "--mode overwrite --keep all --no-dry-run --lineage --report b.html "
        "--source-option sep=, --source-option quote=x",
        config,
    )
    assert said == {
        "mode": "overwrite",
        "keep": None,
        "dry_run": False,
        "lineage": True,
        "report": ["b.html"],
        "verify": 5,
        "source_options": {"header": "true", "sep": ",", "quote": "x"},
    }


def test_keep_can_be_nothing():
    """An empty list of columns is no list of all columns."""
    assert words("--keep ''") == {"keep": []}
    assert words("--keep all") == {"keep": None}


@pytest.mark.parametrize(
    "text",
    [
        "--mod append",
        "--mode upsert",
        "--files some",
        "--source-option header",
        "--column =1",
        "--incremental daily",
        "--nan drop",
    ],
)
def test_what_cannot_be_parsed_is_wrong_usage(text, capsys):
    """Status 2; abbreviations as well, which would change their meaning with the next option."""
    with pytest.raises(SystemExit) as leave:
        words(text)
    assert leave.value.code == STATUSES["usage"] == 2
    assert text.split()[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("--source a --target b", "The job lacks pipeline."),
        (f"{NEEDED} --mode merge", "mode merge wants --key."),
        (f"{NEEDED} --stream", "--stream wants --incremental stream."),
        (f"{NEEDED} --max-bad-rows many --quarantine c", "max_bad_rows='many' is neither"),
        (f"{NEEDED} --config /no/such/job.toml", "The configuration /no/such/job.toml cannot be"),
    ],
)
def test_wrong_usage_is_told_before_spark_starts(text, told, capsys, monkeypatch):
    """One sentence and status 2, although no session could be made here."""
    monkeypatch.setenv("JAVA_HOME", "/no/java")
    assert main(["score-table", *shlex.split(text)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dai-spark: {told}")


def test_each_way_to_end_has_a_status_of_its_own():
    """0 to 8 and 130, by what the error says of itself; an unknown word is a failure."""
    assert list(EXIT_STATUSES) == [0, 1, 2, 3, 4, 5, 6, 7, 8, 130]
    assert {*STATUSES.values(), 130} == set(EXIT_STATUSES)
    refused = TableExistsError("there")
    assert exit_status(refused) == 1
    refused.status = "refused"
    assert exit_status(refused) == 3
    assert exit_status(OptionError("x")) == 2
    assert exit_status(BadRowsError("x")) == 4
    assert exit_status(DriftError("x")) == 5
    refused.status = "of a later version"
    assert exit_status(refused) == 1


def test_every_status_that_an_error_sets_is_known():
    """The error classes, and the texts that list statuses, have the words of one table."""
    set_by_classes = {getattr(errors, name).status for name in errors.__all__ if name[0].isupper()}
    assert set_by_classes | {"refused"} == set(STATUSES) - DONE
    for owner in (errors.DaiSparkError, Report):
        status = inspect.getdoc(owner).partition("\nstatus : str\n")[2].partition("\nmessage")[0]
        words = set(re.findall(r'``"([^"]+)"``', status))
        assert words | DONE == set(STATUSES)


def test_other_commands_know_done_and_failed_alone(capsys):
    """The table job's statuses are no other command's."""
    assert main(["pipeline", "show", "/no/such.zip"]) == 1
    assert "No scoring pipeline lies at /no/such.zip" in capsys.readouterr().err


def test_the_help_says_all():
    """Every option has a text, its default where it has one, and each status its meaning."""
    made = parser()
    told = " ".join(made.format_help().split())
    for action in made._actions:
        assert action.help, action.option_strings
    helps = {action.dest: action.help for action in made._actions}
    for owner in (TableJob, ScoringOptions):
        for field in dataclasses.fields(owner):
            default = field.default
            if (
                field.name not in helps
                or type(default) not in (bool, int, float, str)
                or not default
            ):
                continue
            (shown,) = re.findall(r"\(default: ([^),]+(?:,\d+)*)", helps[field.name])
            if type(default) in (bool, str):
                assert shown == ("yes" if default is True else default), field.name
            else:
                assert float(shown.replace(",", "")) == default, field.name
    for number, meaning in EXIT_STATUSES.items():
        assert f"{number} {meaning}" in told
    for meaning in (*MODES.values(), *INCREMENTAL.values()):
        assert meaning in told
    assert "SUPPRESS" not in told


def test_the_examples_of_the_help_are_right():
    """Three command lines to copy; with a complete configuration each makes a job."""
    text = parser().epilog.replace("\\\n", " ")
    examples = re.findall(r"^ +spark-submit jobs/score_table.py (.*)$", text, flags=re.MULTILINE)
    assert len(examples) == 3
    config = 'pipeline = "p.zip"\nenv = "e.tar.gz"\nsource = "a"\ntarget = "b"\n'
    for example in examples:
        said = job_words(
            parser().parse_args(shlex.split(example.replace("--config ", "--config test://"))),
            lambda uri: config.encode(),
            {},
        )
        assert TableJob.of(said).pipeline


def test_the_page_says_all():
    """docs/table_job.md lists every flag, and what each exit status means."""
    page = (ROOT / "docs" / "table_job.md").read_text(encoding="utf-8")
    for action in parser()._actions:
        if action.dest != "help":
            for flag in action.option_strings:
                listed = rf"^(\|[^|]*|`--batch-rows.*)?`{flag}[ `]"
                assert re.search(listed, page, flags=re.MULTILINE), flag
    for number, meaning in EXIT_STATUSES.items():
        assert f"| {number} | {meaning} |" in page.replace("`", "")
