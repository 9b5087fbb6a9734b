"""Where the environment is found when a caller names none."""

import pytest

from dai_spark.errors import OptionError
from dai_spark.plan.default_environment import CONF, VARIABLE, chosen_environment


@pytest.fixture
def chosen(monkeypatch):
    """A function: what is chosen, and what is said, for an argument, a setting and a variable."""

    def choose(env=None, *, conf=None, variable=None):
        if variable is None:
            monkeypatch.delenv(VARIABLE, raising=False)
        else:
            monkeypatch.setenv(VARIABLE, variable)
        said = []
        return chosen_environment(env, {CONF: conf}.get, said.append), said

    return choose


def test_the_argument_is_taken_and_nothing_is_said(chosen):
    """Whatever else names one; the user sees it in the call."""
    assert chosen("a.tar.gz", conf="/conf", variable="/variable") == ("a.tar.gz", [])


@pytest.mark.parametrize("env", [None, ""])
def test_the_setting_comes_before_the_variable(chosen, env):
    """A session's own choice wins over the host's; a job's empty text is no choice."""
    found = chosen(env, conf="/conf", variable="/variable")
    assert found == ("/conf", ["environment /conf, which spark.dai_spark.env names"])


@pytest.mark.parametrize("conf", [None, ""])
def test_the_variable_is_the_last(chosen, conf):
    """What an image says of itself, where no setting, or an empty one, is made."""
    found = chosen(conf=conf, variable="/variable")
    assert found == ("/variable", ["environment /variable, which DAI_SPARK_ENV names"])


@pytest.mark.parametrize("variable", [None, ""])
def test_none_at_all_is_an_error_that_names_all_ways(chosen, variable):
    """An empty variable is none."""
    with pytest.raises(OptionError) as refused:
        chosen(variable=variable)
    for way in ("env=", "--env", CONF, VARIABLE, "dai-spark env build"):
        assert way in refused.value.message


def test_without_spark_the_variable_is_found_and_logged(tmp_path, monkeypatch, caplog):
    """score_pandas looks there too: its refusal of the pipeline comes behind that line."""
    from dai_spark import score_pandas
    from dai_spark.errors import PipelineError

    monkeypatch.setenv(VARIABLE, "/nowhere/environment")
    with caplog.at_level("INFO", "dai_spark"), pytest.raises(PipelineError):
        score_pandas(None, tmp_path / "scorer.zip")
    assert caplog.messages == ["environment /nowhere/environment, which DAI_SPARK_ENV names"]
