"""The schedules of jobs/: each is read by its own tool, and its command line by ours."""

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest

from dai_spark.cli.main import _parser
from dai_spark.table_job.settings.arguments import job_words
from dai_spark.table_job.settings.job import TableJob

JOBS = Path(__file__).resolve().parent.parent.parent / "jobs"

# Databricks' classes are not for Python 3.9, whose lane has none of these tools.
needs_tools = pytest.mark.skipif(sys.version_info < (3, 10), reason="Databricks wants Python 3.10")


def job(words):
    """The job of a schedule's command line, with jobs/example.toml for its configuration."""
    words = list(words)
    assert words[words.index("--config") + 1].endswith("/customers.toml")
    words[words.index("--config") + 1] = str(JOBS / "example.toml")
    said = job_words(_parser().parse_args(["score-table", *words]), lambda uri: b"", {})
    said.pop("quiet", None)
    return TableJob.of(said)


@needs_tools
def test_cron_reads_the_crontab():
    """One line, at half past two each night, whose only % are escaped."""
    from crontab import CronTab

    path = JOBS / "cron" / "score-customers.cron"
    table = CronTab(tabfile=str(path), user=False)
    (line,) = (one for one in table if one.is_enabled())
    assert line.is_valid()
    assert line.slices.render() == "30 2 * * *"
    assert set(table.env) == {
        "SHELL",
        "PATH",
        "JAVA_HOME",
        "DRIVERLESS_AI_LICENSE_FILE",
        "MAILTO",
    }
    assert path.read_text(encoding="utf-8").endswith("\n")
    (raw,) = (text for text in path.read_text().splitlines() if text.startswith("30 2 "))
    assert raw.replace(r"\%", "").count("%") == 0
    words = shlex.split(raw.replace(r"\%", "%"))
    assert words[5].endswith("/jobs/cron/tell-failure")
    assert (JOBS / "cron" / "tell-failure").stat().st_mode & 0o111
    assert words.index("spark-submit") == 7
    script = next(i for i, word in enumerate(words) if word.endswith("/jobs/score_table.py"))
    # Output goes where tell-failure sends it.
    assert words[-1] == "--quiet"
    found = job(words[script + 1 :])
    assert found.run_id == "customers-$(date +%F)"
    assert found.on_overlap == "refuse"


class Plain(ast.NodeTransformer):
    """Texts with a name in braces become plain ones."""

    def visit_JoinedStr(self, node):
        parts = (
            part.value if isinstance(part, ast.Constant) else "{" + ast.unparse(part.value) + "}"
            for part in node.values
        )
        return ast.Constant("".join(parts))


def test_the_dag_says_what_we_understand():
    """Read as Python alone; tests/airflow loads it in a real Airflow."""
    tree = ast.parse((JOBS / "airflow" / "score_customers.py").read_text(encoding="utf-8"))
    (day,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DAY"
    )
    (words,) = (
        [word.replace("{DAY}", day) for word in ast.literal_eval(ast.unparse(node.value))]
        for node in ast.walk(Plain().visit(tree))
        if isinstance(node, ast.keyword) and node.arg == "application_args"
    )
    found = job(words)
    assert "data_interval_start" in day
    assert found.run_id == f"customers-{day}"
    assert found.where == f"day = DATE '{day}'"
    assert len(found.report) == 2


@needs_tools
def test_databricks_reads_the_bundle():
    """The job is one of Databricks' own classes, field by field; its script is in the bundle."""
    import yaml
    from databricks.bundles.jobs import Job

    path = JOBS / "databricks" / "databricks.yml"
    bundle = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert set(bundle) == {"bundle", "sync", "variables", "targets", "resources"}
    # Without it the CLI refuses to deploy in this mode.
    assert bundle["targets"]["prod"]["workspace"]["root_path"]
    (told,) = bundle["resources"]["jobs"].values()
    made = Job.from_dict(told)
    (task,) = made.tasks
    assert made.email_notifications.on_failure
    assert made.email_notifications.on_duration_warning_threshold_exceeded
    assert [rule.metric.value for rule in made.health.rules] == ["RUN_DURATION_SECONDS"]
    script = task.spark_python_task.python_file
    assert (path.parent / script).resolve() == JOBS / "score_table.py"
    assert any(
        (path.parent / folder).resolve() in (path.parent / script).resolve().parents
        for folder in bundle["sync"]["paths"]
    )
    assert task.job_cluster_key in [cluster.job_cluster_key for cluster in made.job_clusters]
    # Quartz wants six fields, and ? for one of the two days.
    fields = made.schedule.quartz_cron_expression.split()
    assert len(fields) == 6
    assert "?" in (fields[3], fields[5])
    variables = {f"${{var.{name}}}" for name in bundle["variables"]}
    for parameter in (*task.spark_python_task.parameters, *(lib.whl for lib in task.libraries)):
        if "${" in parameter:
            assert parameter[: parameter.index("}") + 1] in variables
    found = job(task.spark_python_task.parameters)
    assert found.run_id == "customers-{{job.trigger.time.iso_date}}"
    assert len(found.report) == 2


@needs_tools
def test_kubernetes_reads_the_application():
    """The operator's own models take every field, and give each back: none is unknown to them."""
    import yaml
    from kubeflow_spark_api.models import SparkV1beta2ScheduledSparkApplicationSpec

    path = JOBS / "kubernetes" / "score-customers.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (told["apiVersion"], told["kind"]) == (
        "sparkoperator.k8s.io/v1beta2",
        "ScheduledSparkApplication",
    )
    spec = SparkV1beta2ScheduledSparkApplicationSpec.from_dict(told["spec"])
    assert spec.to_dict() == told["spec"]
    assert len(spec.schedule.split()) == 5
    assert spec.concurrency_policy == "Forbid"
    application = spec.template
    assert application.main_application_file.endswith("/jobs/score_table.py")
    found = job(application.arguments)
    assert found.run_id is None
    # What the arguments name is where the pod has it.
    words = dict(zip(application.arguments[::2], application.arguments[1::2]))
    mounts = [one.path for one in (*application.driver.config_maps, *application.driver.secrets)]
    for flag in ("--config", "--license-file"):
        assert str(Path(words[flag]).parent) in mounts


@needs_tools
def test_prometheus_tells_of_a_run_that_failed_or_never_was():
    """Each rule says who is told; by the metrics that the operator for Spark has."""
    import yaml

    path = JOBS / "kubernetes" / "alerts.yaml"
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (told["apiVersion"], told["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    (group,) = told["spec"]["groups"]
    metrics = set()
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["team"]
        assert rule["annotations"]["summary"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        metrics.update(re.findall(r"spark_\w+", rule["expr"]))
    assert metrics == {
        "spark_application_failure_count",
        "spark_application_failed_submission_count",
        "spark_application_success_count",
    }


def test_variables_that_are_honoured_are_read():
    """The page's table names each variable once; the programs read those that it says they do."""
    page = (JOBS.parent / "docs" / "mlflow_project.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`[A-Z][^|]*) \| (honoured|replaced)", page, flags=re.MULTILINE)
    names = [(name, how) for cell, how in rows for name in re.findall(r"`([A-Z0-9_]+)`", cell)]
    assert len(names) == len(dict(names)) == 28
    sources = "".join(
        path.read_text(encoding="utf-8") for path in sorted((JOBS / "mlflow").rglob("*.py"))
    )
    elsewhere = {"DATABRICKS_HOST", "DATABRICKS_TOKEN", "DRIVERLESS_AI_LICENSE_FILE"}
    for name, how in names:
        assert (f'"{name}"' in sources) == (how == "honoured" and name not in elsewhere), name
