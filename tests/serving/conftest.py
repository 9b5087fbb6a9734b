"""One server of the flights' pipeline, and the pipeline's own scores."""

import sys

import pytest

if sys.version_info < (3, 10):
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def serve(packed_environment, license_file, tmp_path_factory):
    """A function that starts a server of a pipeline and waits until it is ready."""
    from scoring_server import ScoringServer

    begun = []

    def start(pipeline, *words, waits=True, **more):
        log = tmp_path_factory.mktemp("server") / "server.log"
        files = ("--env", packed_environment.path, "--license-file", license_file)
        server = ScoringServer(pipeline, log, *files, *words, **more)
        begun.append(server)
        return server.wait() if waits else server

    yield start
    for server in begun:
        server.close()


@pytest.fixture(scope="session")
def server(serve, export):
    """A server that many tests share, of HTTP and gRPC."""
    return serve(export(), "--grpc-port", 0)


@pytest.fixture(scope="session")
def second_export(export):
    """Another pipeline of the same columns."""
    return export(n_trees=21)


@pytest.fixture(scope="session")
def server_of_two(serve, export, second_export, tmp_path_factory):
    """One with a split, a shadow and a log; `second` is the second pipeline's own file."""
    import shutil

    folder = tmp_path_factory.mktemp("two")
    path = folder / "second.zip"
    shutil.copyfile(second_export, path)
    words = ("--split", "tailnum:40%", path, "--shadow", path, "--log", folder / "log")
    server = serve(export(), *words)
    server.second = path
    return server


@pytest.fixture(scope="session")
def rows(flights):
    """Forty flights, some with missing values, as a frame."""
    return flights.iloc[:: len(flights) // 40].reset_index(drop=True)


@pytest.fixture(scope="session")
def records(rows):
    """The same as JSON has them."""
    import json

    return json.loads(rows.to_json(orient="records", double_precision=15))


@pytest.fixture(scope="session")
def own(own_scores, export, rows):
    """The pipeline's own scores of them, as rows of JSON: float32."""
    import numpy as np

    scores = own_scores(export(), rows)
    names = list(scores.columns)
    return [
        {name: np.float32(value) for name, value in zip(names, row)}
        for row in scores.itertuples(index=False)
    ]
