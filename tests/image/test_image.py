"""The image, run as platforms run it: locked, without network, alone and as a cluster."""

import json
import re
import shutil
import time
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

JOB = "/opt/dai_spark/jobs/score_table.py"
FOUND = "dai_spark: environment /opt/dai_spark/environment, which DAI_SPARK_ENV names"


def words(target):
    """What the job is told: no environment."""
    return [
        *("--pipeline", "/data/scorer.zip", "--source", "parquet:/data/flights.parquet"),
        *("--target", f"delta:/data/out/{target}", "--keep", "flight_id", "--json"),
    ]


def report_of(done):
    """The report that ends a job's output; spark-submit joins it with what the driver says."""
    return json.loads(re.findall(r"^\{.*\}$", done.stdout, flags=re.MULTILINE)[-1])


def layers(engine, image):
    """The folders of an image's layers, as the storage has them."""
    (inspected,) = json.loads(engine.podman("image", "inspect", image).stdout)
    data = inspected["GraphDriver"]["Data"]
    return [Path(p) for p in [*data.get("LowerDir", "").split(":"), data["UpperDir"]] if p]


def test_a_locked_container_scores_into_a_delta_table(run, data, scores_of, own_flight_scores):
    """No network, no home, an unknown user of group 0, a read-only root, 3 GB: bit for bit."""
    done = run("spark-submit", "--master", "local[2]", JOB, *words("alone"))
    said = done.stdout + done.stderr
    assert FOUND in said
    assert "shipping /" not in said
    assert report_of(done)["n_rows"] == len(own_flight_scores)
    found = scores_of(data / "out" / "alone")
    assert_frame_equal(found, own_flight_scores.sort_index(), check_exact=True)


def test_the_container_is_as_locked_as_that(run):
    """What the other tests rest on: user, group, file system, network, memory."""
    script = (
        "id -u; id -g; touch /etc/x /opt/x 2>&1 | grep -c Read-only; "
        "python -c \"import os; print(sorted(os.listdir('/sys/class/net')))\"; "
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; "
        "java -XshowSettings:system -version 2>&1 | grep 'Memory Limit'; whoami"
    )
    lines = run("bash", "-c", script).stdout.splitlines()
    assert lines[:4] == ["1000650000", "0", "2", "['lo']"]
    assert str(3 << 30) in lines
    assert any("3.00G" in line for line in lines)
    assert lines[-1] == "spark"


def test_a_cluster_of_containers_scores_with_the_images_environment(
    cluster, engine, data, scores_of, own_flight_scores
):
    """Both workers score, and the slim pipeline is all that travels."""
    start = "spark-class", "org.apache.spark.deploy"
    master = cluster(
        "dai-spark-master", start[0], f"{start[1]}.master.Master", *("--host", "127.0.0.1")
    )
    wait_for(engine, master, "New state: ALIVE")
    workers = [
        cluster(
            f"dai-spark-worker-{number}",
            *(start[0], f"{start[1]}.worker.Worker", "--host", "127.0.0.1"),
            *("--cores", "1", "--memory", "1g", "spark://127.0.0.1:7077"),
        )
        for number in (1, 2)
    ]
    for worker in workers:
        wait_for(engine, worker, "Successfully registered with master")
    driver = cluster(
        "dai-spark-driver",
        *("spark-submit", "--master", "spark://127.0.0.1:7077", "--executor-memory", "700m"),
        *("--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.sql.files.minPartitionNum=4"),
        *("--conf", "spark.sql.files.openCostInBytes=0", JOB, *words("cluster")),
    )
    assert engine.podman("wait", driver, timeout_s=280).stdout.strip() == "0", logs(engine, driver)
    said = logs(engine, driver)
    assert FOUND in said
    shipped = re.findall(r"shipping (\S+) \(([0-9.,]+) MB\)", said)
    assert [name for name, _ in shipped] == ["/data/scorer.zip"]
    assert float(shipped[0][1]) < 1
    for worker in workers:
        assert "Asked to launch executor" in logs(engine, worker)
    found = scores_of(data / "out" / "cluster")
    assert_frame_equal(found, own_flight_scores.sort_index(), check_exact=True)


def logs(engine, name):
    """What a container has written so far."""
    done = engine.podman("logs", name)
    return done.stdout + done.stderr


def wait_for(engine, name, text, limit_s=60):
    """Wait until a container has written a text."""
    end = time.monotonic() + limit_s
    while text not in logs(engine, name):
        assert time.monotonic() < end, logs(engine, name)
        time.sleep(0.5)


def test_s3_and_azure_have_all_that_they_load(run, data):
    """Both get as far as the wire, which is cut, with the few libraries that the image has."""
    (data / "stores.py").write_text(STORES)
    told = json.loads(run("spark-submit", "/data/stores.py").stdout.splitlines()[-1])
    assert "ConnectException" in told["s3a"] or "Connection refused" in told["s3a"], told
    assert "UnknownHostException" in told["abfss"], told
    assert "NoClassDefFound" not in str(told)
    assert "ClassNotFound" not in str(told)


STORES = """
import json
from pyspark.sql import SparkSession
builder = SparkSession.builder.master("local[1]")
for name, value in {
    "fs.s3a.endpoint": "http://127.0.0.1:9", "fs.s3a.endpoint.region": "eu-central-1",
    "fs.s3a.access.key": "a", "fs.s3a.secret.key": "b", "fs.s3a.path.style.access": "true",
    "fs.s3a.attempts.maximum": "1", "fs.s3a.retry.limit": "0",
    "fs.azure.io.retry.max.retries": "0",
    "fs.azure.account.key.a.dfs.core.windows.net": "YQ==",
}.items():
    builder = builder.config("spark.hadoop." + name, value)
spark = builder.getOrCreate()
told = {}
for uri in ("s3a://bucket/table", "abfss://c@a.dfs.core.windows.net/table"):
    try:
        spark.read.parquet(uri)
    except Exception as error:
        told[uri.split(":")[0]] = str(getattr(error, "java_exception", None) or error)
        java = getattr(error, "_origin", None) or getattr(error, "java_exception", None)
        while java is not None:
            told[uri.split(":")[0]] += "\\\\n" + java.toString()
            java = java.getCause()
print(json.dumps(told))
"""


def test_kubernetes_starts_an_executor_as_it_starts_sparks_own(run, data):
    """The command line that `executor` becomes, with every option that Kubernetes has set."""
    java = data / "java" / "bin" / "java"
    java.parent.mkdir(parents=True, exist_ok=True)
    java.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    java.chmod(0o755)
    given = {
        "JAVA_HOME": "/data/java",
        "SPARK_JAVA_OPT_0": "-Dspark.driver.port=7078",
        "SPARK_JAVA_OPT_10": "-Dlast=a b",
        "SPARK_JAVA_OPT_2": "-Dsecond=2",
        "SPARK_EXECUTOR_MEMORY": "1024m",
        "SPARK_CLASSPATH": "/extra/*",
        "SPARK_DRIVER_URL": "spark://CoarseGrainedScheduler@driver:7078",
        "SPARK_EXECUTOR_ID": "3",
        "SPARK_EXECUTOR_CORES": "2",
        "SPARK_APPLICATION_ID": "spark-abc",
        "SPARK_EXECUTOR_POD_IP": "10.0.0.7",
        "SPARK_RESOURCE_PROFILE_ID": "0",
        "SPARK_EXECUTOR_POD_NAME": "pod-3",
    }
    options = [word for item in given.items() for word in ("--env", "=".join(item))]
    assert run("executor", options=options).stdout.splitlines() == [
        *("-Dspark.driver.port=7078", "-Dsecond=2", "-Dlast=a b", "-Xms1024m", "-Xmx1024m"),
        *("-cp", "/opt/spark/conf:/extra/*:/opt/spark/jars/*:::/tmp"),
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        *("--driver-url", "spark://CoarseGrainedScheduler@driver:7078", "--executor-id", "3"),
        *("--cores", "2", "--app-id", "spark-abc", "--hostname", "10.0.0.7"),
        *("--resourceProfileId", "0", "--podName", "pod-3"),
    ]
    # With the real Java the class is there, and looks for its driver.
    given.update(
        JAVA_HOME="/opt/java", SPARK_DRIVER_URL="spark://CoarseGrainedScheduler@localhost:9"
    )
    given["SPARK_EXECUTOR_POD_IP"] = "127.0.0.1"
    options = [word for item in given.items() for word in ("--env", "=".join(item))]
    done = run("executor", options=options, check=False)
    assert done.returncode == 1
    assert "localhost" in done.stderr
    assert "Connection refused" in done.stderr


def test_kubernetes_starts_a_driver_as_well(run, data, scores_of, own_flight_scores):
    """`driver` becomes spark-submit in client mode; its application is in the image."""
    options = ("--env", "SPARK_DRIVER_BIND_ADDRESS=127.0.0.1")
    master = ("--conf", "spark.master=local[2]", "--conf", "spark.driver.host=127.0.0.1")
    run("driver", *master, f"local://{JOB}", *words("driver"), options=options)
    found = scores_of(data / "out" / "driver")
    assert_frame_equal(found, own_flight_scores.sort_index(), check_exact=True)


@pytest.mark.parametrize("which", ["image", "serving_image"])
def test_no_layer_holds_a_secret_or_an_export(
    engine, which, context, license_text, password, request
):
    """Of what lay in the context and was given as a secret nothing is left, nor is it told."""
    image = request.getfixturevalue(which)
    told = engine.podman("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout
    told += engine.podman("image", "inspect", image).stdout
    assert password not in told
    marks = [password.encode(), license_text.encode(), b"scoring_h2oai_experiment_"]
    scorer = (context / "scorer.zip").read_bytes()
    n_files = 0
    for layer in layers(engine, image):
        for path in layer.rglob("*"):
            if path.is_symlink() or not path.is_file():
                continue
            n_files += 1
            assert path.name not in ("scorer.zip", "license.sig", "pip.conf"), path
            content = path.read_bytes()
            assert content[:4] != b"PK\3\4" or content != scorer, path
            # The library itself knows how an export's wheel is called.
            known = marks[:2] if "/site-packages/dai_spark/" in str(path) else marks
            assert not any(mark in content for mark in known), path
    assert n_files > 10_000


def test_a_new_dai_spark_is_layers_on_top(engine, image, context):
    """What was slow to make is the same layers; the image tells its versions and digests."""
    (inspected,) = json.loads(engine.podman("image", "inspect", image).stdout)
    labels = inspected["Labels"]
    assert labels["dai_spark.spark.version"] == "4.1.1"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", labels["dai_spark.environment.digest"])
    assert labels["org.opencontainers.image.version"]
    assert inspected["User"] == "185:0"
    environment = next(
        number
        for number, layer in enumerate(layers_in_order(engine, image))
        if (layer / "opt/dai_spark/environment/dai_spark_environment.json").exists()
    )
    package = next(
        number
        for number, layer in enumerate(layers_in_order(engine, image))
        if list(layer.glob("opt/spark-python/lib/python3*/site-packages/dai_spark/__init__.py"))
    )
    assert package > environment


def layers_in_order(engine, image):
    """The layers from the base upwards; overlay lists the lower ones from the top."""
    *lower, upper = layers(engine, image)
    return [*reversed(lower), upper]


def test_the_bill_of_materials_lists_all_four_kinds(image, context, run):
    """Beside the image, and in it: system, cluster's Python, packed environment, jars."""
    bill = json.loads((context / "build" / "image.cdx.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    found = {component["purl"].split("@")[0] for component in bill["components"]}
    wanted = {
        "pkg:deb/debian/openjdk-17-jre-headless",
        "pkg:pypi/pyspark",
        "pkg:pypi/dai-spark",
        "pkg:pypi/lightgbm",
        "pkg:maven/software.amazon.awssdk/s3",
    }
    assert wanted <= found
    jars = {name.rpartition("/")[2] for name in found if name.startswith("pkg:maven/")}
    assert {"delta-spark_4.1_2.13", "iceberg-spark-runtime-4.1_2.13", "hadoop-azure"} <= jars
    inside = run("cat", "/opt/dai_spark/sbom.cdx.json").stdout
    assert json.loads(inside) == bill


def test_a_companys_certificate_is_trusted_by_all(run, company):
    """By Python, by what asks for a file of certificates, and by Java."""
    script = (
        "import ssl; names = [c['subject'] for c in ssl.create_default_context().get_ca_certs()];"
        f"print(sum({company!r} in str(name) for name in names), len(names) > 50)"
    )
    assert run("python", "-c", script).stdout == "1 True\n"
    # Java names a certificate by its file.
    keys = ("-keystore", "/etc/ssl/certs/java/cacerts", "-storepass", "changeit")
    assert "debian:company_chain-1.pem, " in run("keytool", "-list", *keys).stdout
    assert run("sh", "-c", "readlink -f $REQUESTS_CA_BUNDLE $PIP_CERT $SSL_CERT_FILE").stdout == (
        "/etc/ssl/certs/ca-certificates.crt\n" * 3
    )


def test_another_command_is_run_as_it_stands(run):
    """With its exit status, as a user with a name and a folder of its own."""
    done = run("bash", "-c", 'touch "$HOME/x" && whoami && exit 7', check=False)
    assert (done.returncode, done.stdout.strip()) == (7, "spark")
    assert "score-table" in run().stdout


def test_the_image_travels_as_a_tar(engine, image, tmp_path):
    """Saved here and loaded where no image is, it runs: the other side of an air gap."""
    if shutil.disk_usage(tmp_path).free < 8 << 30:
        pytest.skip("the tar and what it is loaded into want 8 GB of disk")
    other = engine.elsewhere(tmp_path / "other")
    try:
        engine.podman("save", "--output", tmp_path / "image.tar", image, timeout_s=600)
        assert other.podman("image", "exists", image, check=False).returncode == 1
        other.podman("load", "--input", tmp_path / "image.tar", timeout_s=600)
        told = other.podman("run", "--rm", "--network", "none", image, "dai-spark", "--version")
        assert told.stdout.startswith("dai-spark ")
    finally:
        (tmp_path / "image.tar").unlink(missing_ok=True)
        other.podman("rmi", "--all", "--force", check=False, timeout_s=300)
