# Every command sets up what it needs; the first run takes minutes, later ones start at once.
PYTHON := .venv/bin/python
SPARK_LOCAL_IP ?= 127.0.0.1
export SPARK_LOCAL_IP

.PHONY: help demo docs test test-long test-matrix check format fast test-py39 test-airflow dist image serving-image test-image bench lock clean java python38

help:  ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

demo: .venv/.stamp java python38  ## score 336,776 flights with spark-submit, ten rows at the end
	@$(PYTHON) examples/demo.py

docs: .venv/.stamp  ## the documentation as a site, build/docs/index.html; what warns fails
	$(PYTHON) -m sphinx -W --keep-going -q -b html -d build/docs-doctrees docs build/docs
	@echo build/docs/index.html

test: check java python38  ## checks and the whole suite
	@# What is shared runs in one process; two use the time in which Spark and the sidecars start.
	$(PYTHON) -m pytest -n 2 --dist loadscope

test-long: .venv/.stamp java python38  ## what takes minutes, or wants Maven: HDFS, every kind of table
	$(PYTHON) -m pytest -n 2 --dist loadscope -m long

test-matrix: .venv/.stamp java python38  ## each Spark, Python, pandas and pyarrow that fits (docs/matrix.md); LANES="..."
	$(PYTHON) tests/matrix/run.py $(LANES)

check: .venv/.stamp  ## ruff, formatting, mypy, docstrings
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) scripts/docstrings.py

format: .venv/.stamp  ## mend what ruff can mend
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

fast: .venv/.stamp  ## the tests that start no process
	$(PYTHON) -m pytest tests/fast

test-py39: java python38  ## part of the suite on Python 3.9 and Spark 3.5
	@[ .venv-py39/.stamp -nt requirements-py39.lock ] || scripts/bootstrap py39
	@# Spark 3.5 itself warns of what newer libraries deprecate.
	.venv-py39/bin/python -m pytest -W default tests/fast tests/spark/test_udf.py

test-airflow:  ## the DAG of jobs/ in a real Airflow
	@[ .venv-airflow/.stamp -nt requirements-airflow.lock ] || scripts/bootstrap airflow
	@# Airflow itself warns of what its own libraries deprecate.
	.venv-airflow/bin/python -m pytest -W default tests/airflow

dist: .venv/.stamp  ## wheel, and dai_spark.zip for --py-files
	@$(PYTHON) scripts/dist.py

image: .venv/.stamp python38  ## an image with Spark and a packed environment (docs/image.md)
	@scripts/image

serving-image: .venv/.stamp python38  ## an image that serves one pipeline, of which it has none (docs/serving_image.md)
	@TARGET=serving scripts/image

test-image: .venv/.stamp java python38  ## builds the image and scores in containers (minutes, root)
	$(PYTHON) -m pytest tests/image -m "long or not long"

bench: .venv/.stamp java python38  ## all benchmarks, and benchmarks/README.md from them (hours)
	for name in throughput one_batch checks handle mlflow_face serving peers memory cold_start shapes whole_job job_floors scale bad_rows; do \
		$(PYTHON) benchmarks/$$name.py $(BENCH) || exit 1; \
	done
	$(PYTHON) benchmarks/page.py

lock: .venv/.stamp  ## pin the developers' environments anew
	.tools/bin/uv pip compile requirements-dev.in setup.py --extra env --extra conda --extra report --extra testing --extra openlineage --extra mlflow --extra serving --extra grpc --extra gunicorn --extra oci --extra telemetry --extra packager \
		--universal --python-version 3.10 --generate-hashes --no-header --no-emit-index-url \
		--quiet --upgrade --output-file requirements-dev.lock
	.tools/bin/uv pip compile requirements-py39.in setup.py --extra env --extra report --extra testing --extra openlineage --extra packager \
		--python-version 3.9 --generate-hashes --no-header --no-emit-index-url \
		--quiet --upgrade --output-file requirements-py39.lock
	.tools/bin/uv pip compile requirements-airflow.in \
		--python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
		--quiet --upgrade --output-file requirements-airflow.lock
	.tools/bin/uv pip compile setup.py --extra serving --extra grpc --extra gunicorn --extra oci --extra telemetry image/serving.in \
		--constraint requirements-dev.lock \
		--python-version 3.11 --python-platform x86_64-unknown-linux-gnu \
		--generate-hashes --no-header --no-emit-index-url \
		--quiet --upgrade --output-file image/serving.lock
	@# Of any base image, so without this system's own.
	echo 'pandas<3' | .tools/bin/uv pip compile setup.py --extra serving --extra grpc --constraint - \
		--universal --python-version 3.9 --generate-hashes --no-header --no-annotate --no-emit-index-url \
		--quiet --upgrade --output-file dai_spark/packager/requirements.lock
	for name in build requirements sbom; do \
		.tools/bin/uv pip compile image/$$name.in --constraint requirements-dev.lock \
			--python-version 3.11 --python-platform x86_64-unknown-linux-gnu \
			--generate-hashes --no-header --no-emit-index-url \
			--quiet --upgrade --output-file image/$$name.lock || exit 1; \
	done

clean:  ## remove what was built; .venv and .tools stay
	rm -rf build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis spark-warehouse

java python38:
	@scripts/bootstrap $@

.venv/.stamp: requirements-dev.lock setup.py scripts/bootstrap
	@scripts/bootstrap venv
