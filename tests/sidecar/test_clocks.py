"""A sidecar whose host's clock is put forward or back, or differs from its client's."""

import time

import host_clock
import pytest
from processes import wait_until
from scoring_calls import describe, log_of

from dai_spark.errors import SidecarStartError

# More than Java and Python: a compiler of C.
pytestmark = pytest.mark.long
HOURS_S = 7200


@pytest.fixture
def clock(tmp_path):
    """Variables for a sidecar's environment, and a function that puts its clock."""
    file = tmp_path / "clock"
    host_clock.put(file, 0)
    variables = {
        "LD_PRELOAD": str(host_clock.built(tmp_path)),
        "HOST_CLOCK_FILE": str(file),
    }
    return variables, lambda offset_s: host_clock.put(file, offset_s)


def is_alone(executor):
    """Whether a sidecar's last scorer has gone, which has waited for a while."""
    return not [*executor.folder.glob("*/scorer-*")]


def test_a_clock_that_is_put_forward_ends_no_sidecar(plan, executor, clock):
    """It is not idle for two hours because somebody has put the clock."""
    variables, put = clock
    made = plan(env_vars=variables, idle_timeout_s=60)
    describe(made, executor)
    assert wait_until(lambda: is_alone(executor))
    put(HOURS_S)
    time.sleep(2)
    describe(made, executor)
    assert log_of(executor).count("Scorer() constructed") == 1


def test_a_clock_that_is_put_back_keeps_no_sidecar(plan, executor, clock):
    """It ends when it was idle for so long, and not two hours later."""
    variables, put = clock
    describe(plan(env_vars=variables, idle_timeout_s=8), executor)
    assert wait_until(lambda: is_alone(executor))
    put(-HOURS_S)
    assert wait_until(lambda: not [*executor.folder.glob("*/ready.json")], 20)


@pytest.mark.parametrize("offset_s", [-HOURS_S, HOURS_S])
def test_a_failed_load_is_remembered_for_a_minute_by_any_clock(
    plan, executor, export, clock, offset_s
):
    """The sidecar and who reads why it failed need not have one clock."""
    variables, put = clock
    put(offset_s)
    made = plan(export(fate="raise_in_load"), env_vars=variables)
    for _ in range(2):
        with pytest.raises(SidecarStartError):
            describe(made, executor)
    assert log_of(executor).count("\nRuntimeError: stand-in: raise_in_load") == 1
