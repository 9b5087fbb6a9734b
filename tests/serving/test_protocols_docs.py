"""The OpenAPI document, held against the server by schemathesis, and the page to try it."""

import re
import shutil
import subprocess

import pytest
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

JSON = "application/json"
PHASES = (Phase.explicit, Phase.generate)
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def document(server):
    """The document of a server of all protocols."""
    return server.client.get("/openapi.json").json()


def test_every_operation_is_as_it_is_documented(server):
    """Whatever is sent: no status 500, and each answer of its own schema and type."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    n_asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=4, deadline=None, database=None, derandomize=True, phases=PHASES)
        @given(case=operation.as_strategy())
        def ask(case):
            nonlocal n_asked
            # What has no body of JSON is asked in the tests of the formats.
            if (case.media_type or JSON) == JSON:
                n_asked += 1
                case.call_and_validate(checks=CHECKS)

        ask()
    assert n_asked > 40


def test_every_example_is_answered(server):
    """What the page shows at first gets predictions of the schema, not a refusal."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    n_posts = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        told = operation.definition.raw
        values = {
            one["name"]: one["schema"]["enum"][0]
            for one in told.get("parameters", ())
            if one["in"] == "path"
        }
        body = told.get("requestBody", {}).get("content", {}).get(JSON)
        more = {"body": body["example"], "media_type": JSON} if body else {}
        answer = operation.Case(path_parameters=values, **more).call_and_validate(checks=CHECKS)
        assert answer.status_code == 200, (operation.path, answer.text)
        assert b'"error"' not in answer.content
        n_posts += bool(body)
    assert n_posts == 8


def test_every_path_is_documented(server, document):
    """Those that are served and not in the document are health, metrics and the page itself."""
    for path in ("/rpc", "/predict", "/invocations", "/api/model/invoke", "/model/score"):
        assert path in document["paths"]
    assert document["openapi"].startswith("3.1")
    row = document["components"]["schemas"]["Row"]
    assert row["properties"]["distance"]["type"] == ["number", "null"]
    assert row["properties"]["distance"]["examples"]


def test_the_page_loads_nothing_from_elsewhere(server):
    """No address but its own, and a policy that holds it to that."""
    page = server.client.get("/docs")
    assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    nonce = re.search(r"'nonce-([^']+)'", page.headers["content-security-policy"])[1]
    assert page.text.count(f'nonce="{nonce}"') == 2
    assert "{{" not in page.text


def test_a_token_guards_the_document_and_not_the_page(serve, export):
    """The document has values of the training data."""
    server = serve(export(), environment={"DAI_SPARK_TOKEN": "a secret"})
    assert server.client.get("/docs").status_code == 200
    assert server.client.get("/openapi.json").status_code == 401
    headers = {"Authorization": "Bearer a secret"}
    told = server.client.get("/openapi.json", headers=headers).json()
    assert told["security"] == [{"token": []}]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="there is no browser")
def test_the_page_in_a_browser(server, tmp_path):
    """Its script runs under its own policy and lists every operation."""
    words = ("--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000")
    told = subprocess.run(
        ["chromium", *words, f"--user-data-dir={tmp_path}", "--dump-dom", f"{server.url}/docs"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    for text in ("<code>/rpc</code>", "<code>/predict</code>", "<textarea"):
        assert text in told.stdout, told.stderr[-2000:]
