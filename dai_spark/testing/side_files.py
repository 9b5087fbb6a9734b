"""The files beside the wheels in an export: those that install it or describe its columns.

Every text is our own; only names, places and the form that other tools read are DAI's.
"""

import io
import json
import textwrap
import zipfile
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import pandas as pd

from dai_spark.host.zip_entry import zip_entry
from dai_spark.testing.dai_lines import Line

__all__ = [
    "column_statistics",
    "example_program",
    "installation_files",
    "placeholders",
    "summary_zip",
]

_N_SAMPLES = 15
_N_SINGLE_ROWS = 5
_NOTE = "Written by dai_spark.testing: a stand-in for a Driverless AI export, not H2O's."


def _shown(values: "pd.Series[Any]", dtype: str) -> List[Optional[str]]:
    """Sample values as texts, whatever the type; missing is None in text, 'nan' among numbers."""
    if dtype == "object":
        return [None if pd.isna(value) else str(value) for value in values]
    return [str(np.float32(value)) for value in values]


def _range(values: "pd.Series[Any]", dtype: str) -> str:
    if dtype == "object" or values.isna().all():
        return "-"
    # str, not format: a float32 that is formatted shows the digits of a float64.
    low, high = str(np.float32(values.min())), str(np.float32(values.max()))
    return f"[{low}, {high}]" + (" or None" if values.isna().any() else "")


def _samples(table: pd.DataFrame) -> pd.DataFrame:
    """Fifteen rows from all over the table."""
    places = np.linspace(0, len(table) - 1, _N_SAMPLES).astype(int)
    samples: pd.DataFrame = table.iloc[places].reset_index(drop=True)
    return samples


def example_program(schema: Dict[str, Any], package: str, table: pd.DataFrame) -> str:
    """Write `example.py`: it runs, and columns and types can be read from it.

    Parameters
    ----------
    schema : dict
        Schema of the stand-in, as `scoring_package` reads it.
    package : str
        Name of the scoring package.
    table : pandas.DataFrame
        Training rows, for samples and ranges.

    Returns
    -------
    str
        The program.
    """
    used = [c for c in schema["columns"] if c["name"] in schema["used_columns"]]
    samples = _samples(table)
    shown = {c["name"]: _shown(samples[c["name"]], c["dtype"]) for c in used}
    width = max(len(c["name"]) for c in used) + 2
    header = [f"# {'Name':<{width}}{'Type':<10}Range"] + [
        f"# {c['name']:<{width}}{c['dtype']:<10}{_range(table[c['name']], c['dtype'])}"
        for c in used
    ]
    rows = [
        f"print(scorer.score({[shown[name][i] for name in schema['column_names']]!r}))"
        for i in range(_N_SINGLE_ROWS)
    ]
    frame = [
        f"    pd.Series({shown[c['name']]!r}, name={c['name']!r}, dtype={c['dtype']!r}),"
        for c in used
    ]
    return "\n".join(
        [
            f"# {_NOTE}",
            "#",
            "# Columns that the scorer uses:",
            "#",
            *header,
            "",
            "import pandas as pd",
            f"from {package} import Scorer",
            "",
            "scorer = Scorer()",
            "",
            "# Single rows, values in the order of get_column_names()",
            *rows,
            "",
            "# A batch",
            "columns = [",
            *frame,
            "]",
            "df = pd.concat(columns, axis=1)",
            "print(scorer.score_batch(df))",
            "",
        ]
    )


def column_statistics(schema: Dict[str, Any], table: pd.DataFrame, double_encoded: bool) -> str:
    """Write `training_data_column_stats.json`: all columns of training, the target too.

    Parameters
    ----------
    schema : dict
        Schema of the stand-in.
    table : pandas.DataFrame
        Training rows.
    double_encoded : bool
        Whether the JSON is a JSON string again, as in some exports.

    Returns
    -------
    str
        The JSON.
    """
    dtypes = {c["name"]: c["dtype"] for c in schema["columns"]}
    dtypes.setdefault(schema["target"], "object" if schema["labels"] else "float32")
    samples = _samples(table)
    found = {}
    for name, dtype in dtypes.items():
        numeric = dtype != "object"
        stats: Dict[str, Any] = {
            "is_numeric": numeric,
            "count": int(table[name].notna().sum()),
            "unique": int(table[name].nunique()),
        }
        if numeric and table[name].notna().any():
            stats.update(min=float(table[name].min()), max=float(table[name].max()))
        found[name] = {
            "data_type": "real" if numeric else "str",
            "data": _shown(samples[name], dtype),
            "stats": stats,
        }
    text = json.dumps(found, indent=None if double_encoded else 1)
    return json.dumps(text) if double_encoded else text


def installation_files(line: Line, package: str, wheel_names: Sequence[str]) -> Dict[str, str]:
    """Write the files that install an export.

    Lines stand twice in requirements.txt and tabulate stands in environment.yml alone, as in
    exports that people have shown.

    Parameters
    ----------
    line : Line
        The line of Driverless AI, for Python and pins.
    package : str
        Name of the scoring package.
    wheel_names : sequence of str
        Wheels of the export, the scoring wheel last.

    Returns
    -------
    dict of str to str
        Name to text.
    """
    pins = list(line.pins)
    requirements = pins + pins[-3:] + pins[:1] + list(wheel_names)
    conda = ["pip==21.1", "setuptools==49.6.0", "wheel==0.35.1", f"python={line.python}"]
    environment = [
        f"name: {package}",
        "channels:",
        "  - conda-forge",
        "dependencies:",
        *[f"  - {name.replace('==', '=')}" for name in conda],
        "  - pip:",
        *[f"    - {name}" for name in [*pins, "tabulate==0.8.9", *wheel_names]],
    ]
    return {
        "requirements.txt": "\n".join(requirements) + "\n",
        "req_constraints_deps.txt": "\n".join(sorted(pins)) + "\n",
        "environment.yml": "\n".join(environment) + "\n",
        "http_server_requirements.txt": "tornado==6.1\n",
        "tcp_server_requirements.txt": "tornado==6.1\nthrift==0.11.0\n",
    }


def placeholders(experiment_id: str, target: str, kind: str) -> Dict[str, str]:
    """Write the files that only have to be there; each says that it is a stand-in's.

    Parameters
    ----------
    experiment_id : str
        Id of the experiment.
    target : str
        Column that it predicts.
    kind : str
        Kind of problem, ``"binomial"``.

    Returns
    -------
    dict of str to str
        Name to text.
    """
    server = textwrap.dedent(
        f'''\
        """{_NOTE}"""

        import sys

        sys.exit("A stand-in export has no server; score with its Scorer, see example.py.")
        '''
    )
    run_example = textwrap.dedent(
        f"""\
        #!/bin/bash
        # {_NOTE}
        set -e
        cd "$(dirname "$0")"
        python3 -m venv env
        env/bin/pip install -c req_constraints_deps.txt -r requirements.txt
        env/bin/python example.py
        """
    )
    readme = textwrap.dedent(
        f"""\
        {_NOTE}

        Experiment {experiment_id}: {kind}, target {target}.
        The layout is that of a Python scoring pipeline, so that software around one can be tried
        without a Driverless AI licence. The model inside is real and small.

        run_example.sh installs it into a folder env/ and scores some rows.
        """
    )
    refusal = '#!/bin/bash\ncd "$(dirname "$0")" && exec python3 {}\n'
    return {
        "README.txt": readme,
        "run_example.sh": run_example,
        "http_server.py": server,
        "run_http_server.sh": refusal.format("http_server.py"),
        "tcp_server.py": server,
        "run_tcp_server.sh": refusal.format("tcp_server.py"),
        "scoring.thrift": f"// {_NOTE}\nnamespace py h2oai_scoring\n",
    }


def summary_zip(experiment_id: str, dai_version: str, schema: Dict[str, Any]) -> bytes:
    """Write the experiment's summary, a zip with summary.json.

    Parameters
    ----------
    experiment_id : str
        Id of the experiment.
    dai_version : str
        Version of Driverless AI.
    schema : dict
        Schema of the stand-in.

    Returns
    -------
    bytes
        The zip.
    """
    summary = {
        "note": _NOTE,
        "experiment_id": experiment_id,
        "dai_version": dai_version,
        "target": schema["target"],
        "target_column": schema["target"],
        "labels": schema["labels"],
        "is_classification": schema["labels"] is not None,
        "is_timeseries": schema["time_column"] is not None,
        "time_column": schema["time_column"],
        "group_columns": schema["group_columns"],
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zip_entry("summary.json", mode=0o600, deflate=False)
        archive.writestr(entry, json.dumps(summary, indent=1))
    return out.getvalue()
