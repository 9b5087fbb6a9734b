"""--config: the same settings from a file, refused in one sentence where they cannot be meant."""

import re
from pathlib import Path

import pytest

from dai_spark.errors import OptionError
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.settings.toml_config import kinds, read_config

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "jobs" / "example.toml"


def config(text, **environment):
    """What a configuration at a URI says."""

    def read(uri):
        assert uri == "s3a://jobs/job.toml"
        return text.encode()

    return read_config("s3a://jobs/job.toml", read, environment)


def refusal(text, **environment):
    """The sentence with which a configuration is refused."""
    with pytest.raises(OptionError) as raised:
        config(text, **environment)
    assert raised.value.status == "usage"
    assert "s3a://jobs/job.toml" in raised.value.message
    assert "\n" not in raised.value.message
    return raised.value.message


def test_the_example_is_a_job():
    """jobs/example.toml as it stands is one that score_table would take."""
    words = read_config(str(EXAMPLE), lambda uri: b"", {})
    job = TableJob.of(words)
    assert (job.mode, job.incremental, job.key) == ("merge", "missing", ("customer_id",))
    assert job.columns["income.monthly"] == "income / 12"


def test_the_example_shows_every_setting():
    """Each setting is a line of jobs/example.toml, and each line that is a comment can be used."""
    text = EXAMPLE.read_text(encoding="utf-8")
    names = set(re.findall(r"^(?:# )?([a-z_]+) = ", text, flags=re.MULTILINE))
    names |= set(re.findall(r"^\[([a-z_]+)\]$", text, flags=re.MULTILINE))
    assert set(kinds()) <= names
    environment = {"DAY": "2026-05-08", "DATABASE_PASSWORD": "x"}
    for line in re.findall(r"^# ([A-Za-z_]+ = .*)$", text, flags=re.MULTILINE):
        known = config(text.replace(f"# {line}", line), **environment)
        assert len(str(known)) > len(str(config(text, **environment))), line


@pytest.mark.parametrize("key", ["max-scorers", "max_scorers"])
def test_names_are_written_as_flags_or_as_keywords(key):
    """- and _ are the same, so a line can be copied from either."""
    assert config(f"{key} = 3") == {"max_scorers": 3}


def test_what_a_person_writes_is_understood():
    """A number of bad rows, a version, a day, whole seconds, a list as flags take it."""
    assert config(
        """
        max_bad_rows = 100
        source_version = 12
        source_timestamp = 2026-05-08T02:00:00
        overlap_timeout_s = 60
        key = "id, date"
        keep = "all"
        report = "a.json"
        partition_by = ["a,b"]
        """
    ) == {
        "max_bad_rows": "100",
        "source_version": "12",
        "source_timestamp": "2026-05-08 02:00:00",
        "overlap_timeout_s": 60.0,
        "key": ["id", "date"],
        "keep": None,
        "report": ["a.json"],
        "partition_by": ["a,b"],
    }


def test_options_of_spark_are_texts():
    """Spark's own options say true and numbers as text."""
    found = config("[source_options]\nheader = true\nfetchsize = 1000\n'a.b' = 'c'\n")
    assert found == {"source_options": {"header": "true", "fetchsize": "1000", "a.b": "c"}}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_scorer = 3", "there is no option max_scorer; did you mean max_scorers?"),
        ("max-scorer = 3", "there is no option max-scorer; did you mean max-scorers?"),
        ("files = 3", "there is no option files; did you mean n_files?"),
        ("stream = true", "there is no option stream; did you mean keep_running?"),
        ("column = 'a'", "there is no option column; did you mean columns?"),
        ("udf_type = 'arrow'", "there is no option udf_type."),
        ("verbose = true", "there is no option verbose."),
        ("max-scorers = 3\nmax_scorers = 4", "gives max_scorers twice"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(text, told):
    """A misspelt key is not passed over; it is answered in the spelling it came in."""
    assert told in refusal(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pipeline = 5", "pipeline wants a text, but is a whole number."),
        ("lineage = 'no'", "lineage wants true or false, but is a text."),
        ("verify = true", "verify wants a whole number, but is true or false."),
        ("verify = 5.0", "verify wants a whole number, but is a number."),
        ("fail-on-drift = '0.2'", "fail-on-drift wants a number, but is a text."),
        ("key = 3", "key wants a list of texts, but is a whole number."),
        ("key = ['a', 3]", "key wants a list of texts, but is a list."),
        ("columns = 'a'", "columns wants a table, but is a text."),
        ("run_id = 2026-05-08", "run_id wants a text, but is a date or a time."),
        ("[columns]\nage = 3", "columns.age wants a text, but is a whole number."),
        ("[source_options]\na.b = 'c'", "source_options.a is a table, not a text; a name with"),
    ],
)
def test_a_value_of_another_type_is_refused(text, told):
    """File and key are named, and what was found."""
    assert told in refusal(text)


@pytest.mark.parametrize("key", ["license", "license_key", "license-text"])
def test_a_licence_does_not_belong_into_the_file(key):
    """The sentence says where it belongs, and nothing of the licence."""
    told = refusal(f"{key} = 'c2VjcmV0'")
    assert "license_file" in told
    assert "c2VjcmV0" not in told


@pytest.mark.parametrize(
    "line",
    [
        "password = 'geheim'",
        "'fs.s3a.secret.key' = 'geheim'",
        "'fs.s3a.access.key' = 'geheim'",
        "sfToken = 'geheim'",
        "url = 'jdbc:postgresql://host/db?user=me&password=geheim'",
    ],
)
def test_a_password_does_not_belong_into_the_file(line):
    """It is refused without being shown, and taken from the environment."""
    told = refusal(f"[source_options]\n{line}")
    assert "${NAME}" in told
    assert "geheim" not in told
    found = config(f"[source_options]\n{line.replace('geheim', '${SECRET}')}", SECRET="geheim")
    assert "geheim" in str(found)


def test_variables_are_taken_from_the_environment():
    """In texts, lists and tables; what a variable holds is not looked into again."""
    found = config(
        """
        where = "day = '${DAY}' AND note != '$${DAY}'"
        report = ["${FOLDER}/a.json"]
        [columns]
        age = "${FOLDER}"
        """,
        DAY="2026-05-08",
        FOLDER="${DAY}",
    )
    assert found == {
        "where": "day = '2026-05-08' AND note != '${DAY}'",
        "report": ["${DAY}/a.json"],
        "columns": {"age": "${DAY}"},
    }


def test_a_variable_that_is_not_set_is_told():
    """Key and variable are named; no empty text is put in its place."""
    assert "run_id wants the environment variable DAY, which is not set" in refusal(
        "run_id = 'customers-${DAY}'"
    )
    assert "begins no ${NAME}" in refusal("run_id = '${DAY:-today}'", DAY="x")


def test_a_file_that_is_no_configuration_is_told(tmp_path):
    """Not there, not TOML, not text: one sentence that names the file."""
    path = tmp_path / "job.toml"
    with pytest.raises(OptionError, match=rf"{path} cannot be read \(No such file"):
        read_config(str(path), lambda uri: b"", {})
    path.write_bytes(b"mode = append")
    with pytest.raises(OptionError, match=rf"{path} is not TOML: .*line 1"):
        read_config(str(path), lambda uri: b"", {})
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match=rf"{path} is not TOML"):
        read_config(str(path), lambda uri: b"", {})


def test_a_local_file_is_read_here(tmp_path):
    """Only a URI is given to the reader, which may need a session."""

    def refuse(uri):
        raise AssertionError(uri)

    path = tmp_path / "job.toml"
    path.write_text('mode = "append"')
    assert read_config(str(path), refuse, {}) == {"mode": "append"}
