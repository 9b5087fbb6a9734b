"""A Python that this host cannot run, since its C library is another: told in a sentence."""

import time

import other_python
import pytest
from scoring_calls import describe

from dai_spark.errors import EnvironmentMismatchError
from dai_spark.local.local_plan import no_uri
from dai_spark.plan.plan import ShippedFile
from dai_spark.plan.request import ScoringRequest

# A second, far below any limit.
SOON_S = 10


@pytest.fixture
def planned(export, license_text):
    """A function that plans to score with an environment's folder."""

    def make(folder):
        request = ScoringRequest.of(export(), folder, license_text, None, None, {}, no_uri, no_uri)
        # As a driver says it of a folder that lies on every host.
        return request.plan(
            lambda path, digest, _, label: ShippedFile("path", str(path), digest, label)
        )

    return make


def refused(plan, executor):
    begun = time.monotonic()
    with pytest.raises(EnvironmentMismatchError) as caught:
        describe(plan, executor)
    assert time.monotonic() - begun < SOON_S
    return caught.value.message


@pytest.mark.long
def test_a_python_for_musl_is_told(planned, executor, pipeline_python, tmp_path):
    """The kernel says that there is no such file, though there is."""
    folder = pipeline_python.parent.parent
    made = other_python.with_loader(folder, tmp_path / "env", "/lib/ld-musl-x86_64.so.1")
    told = refused(planned(made), executor)
    assert (
        "cannot be run on this-host: it wants the program loader /lib/ld-musl-x86_64.so.1" in told
    )
    assert "built for another C library (musl, as Alpine has it); build an environment" in told


def test_a_python_for_a_newer_library_is_told(planned, executor, pipeline_python, tmp_path):
    """By each attempt; the loader's own words are below the sentence."""
    made = planned(other_python.with_newer_library(pipeline_python.parent.parent, tmp_path / "env"))
    for _ in range(2):
        told = refused(made, executor)
        assert "cannot be run on this-host: it wants a newer C library (glibc 2.99 by py" in told
        assert "build the environment on a machine whose C library is not newer" in told
