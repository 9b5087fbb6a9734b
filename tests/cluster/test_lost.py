"""What a user reads when an executor, a job or the driver's JVM is gone: one sentence each."""

import pytest


@pytest.mark.long
def test_what_is_gone_is_told_in_a_sentence(run_program):
    """By the rule for it, with no stack, and with what to do."""
    made = run_program("lost.py", {})
    assert made.exit_code == 0, made.stderr
    words = {
        "executor": ("executor lost", "spark.executor.memoryOverhead"),
        "cancelled": ("cancelled", "run it again"),
        "driver": ("driver lost", "spark.driver.memory"),
    }
    for name, (kind, advice) in words.items():
        assert made.findings[name] is not None, name
        rule, said, message = made.findings[name]
        assert rule == kind, made.findings[name]
        assert advice in said
        assert message == f"The rows cannot be counted: {said}."
        assert "\n" not in said
        assert "Driver stacktrace" not in said
