"""gRPC by clients that are not ours: grpcio with reflection, and Triton's."""

import asyncio
import json
import time

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tritonclient.grpc as triton
from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_servers import certificates, grpc_server, in_loop
from grpc_status import rpc_status
from tritonclient.grpc import service_pb2

import dai_spark
from dai_spark.cli import main
from dai_spark.serving.grpc.grpc_server import GrpcServer, GrpcSettings
from dai_spark.serving.grpc.inference_proto import inference_file
from dai_spark.serving.open_served import ModelSettings, open_served
from dai_spark.serving.secret_files.bearer_token import BearerToken
from dai_spark.serving.served_model import MergeSettings

LATE = ["late.no", "late.yes"]
SCORING = "dai_spark.v1.Scoring"


class Client:
    """What grpcurl is: a client that knows no .proto but what reflection tells it."""

    def __init__(self, channel, metadata=()):
        self.channel = channel
        self._metadata = metadata
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self.database)

    def messages(self, service, method):
        """Classes of a call's request and reply."""
        found = self._pool.FindServiceByName(service).FindMethodByName(method)
        return [message_factory.GetMessageClass(m) for m in (found.input_type, found.output_type)]

    def call(self, service, method, timeout=30, **fields):
        """One request, one reply."""
        request, reply = self.messages(service, method)
        call = self.channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda sent: sent.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        return call(request(**fields), timeout=timeout, metadata=self._metadata)

    def stream(self, service, method, requests, timeout=60):
        """Many of both."""
        request, reply = self.messages(service, method)
        call = self.channel.stream_stream(
            f"/{service}/{method}",
            request_serializer=lambda sent: sent.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        return call((request(**fields) for fields in requests), timeout=timeout)


@pytest.fixture(scope="module")
def pipeline(export):
    """The flights of two classes."""
    return str(export())


@pytest.fixture(scope="module")
def model(pipeline, packed_environment, license_file):
    """The pipeline, loaded as the server has it."""
    model = open_served(
        pipeline,
        ModelSettings(
            packed_environment.path,
            MergeSettings(n_scorers=2),
            license_file=str(license_file),
            name="flights",
        ),
    )
    yield model
    in_loop(model.close())


@pytest.fixture(scope="module")
def rows(flights):
    """Rows with missing values."""
    frame = flights.head(100).copy()
    for name in frame.select_dtypes("number"):
        frame[name] = frame[name].astype("float64")
    frame.loc[5, "dep_delay"] = np.nan
    frame["tailnum"] = frame["tailnum"].astype(object)
    frame.loc[7, "tailnum"] = None
    return frame


@pytest.fixture(scope="module")
def expected(own_scorer, pipeline, rows):
    """What the pipeline's own Scorer gives."""
    with own_scorer(pipeline) as own:
        return own.score(rows).to_numpy()


@pytest.fixture(scope="module")
def server(model):
    """One server for all tests that do not change it."""
    with grpc_server(lambda: model, most_bytes=1 << 20) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    """A client of it."""
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield Client(channel)


@pytest.fixture(scope="module")
def info(client):
    """What the server says of its pipeline."""
    return client.call(SCORING, "Info")


def arrow_bytes(frame):
    """Rows as an Arrow stream."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def scores(data):
    """Scores of an Arrow stream."""
    return pa.ipc.open_stream(data).read_all().select(LATE).to_pandas().to_numpy()


def typed_row(info, row):
    """Fields of a typed request; what is missing is left out."""
    values = {column.field: row[column.name] for column in info.columns}
    return {name: v for name, v in values.items() if v is not None and v == v}


# -- what is there -----------------------------------------------------------------------------


def test_reflection_tells_what_is_there(client, info):
    """Also the service of the pipeline's own."""
    assert set(client.database.get_services()) == {
        SCORING,
        "inference.GRPCInferenceService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        info.typed_service,
    }


def test_info_says_what_goes_in_and_out(info, model):
    """Columns with their fields, outputs, labels, versions, the .proto."""
    assert (info.model, info.digest, info.is_ready) == ("flights", model.digest, True)
    assert [c.name for c in info.columns] == list(model.plan.wanted())
    assert {c.name: c.kind for c in info.columns}["carrier"] == "text"
    assert [(c.name, c.kind) for c in info.outputs] == [(name, "float") for name in LATE]
    assert list(info.labels) == ["no", "yes"]
    assert info.versions["python"].startswith("3.8")
    assert "service LatePredictor {" in info.typed_proto


def test_health_says_who_answers(server, model):
    """Of each service."""
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", SCORING, "inference.GRPCInferenceService"):
            found = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            assert found.status == health_pb2.HealthCheckResponse.SERVING


def test_a_server_without_a_model_says_so():
    """It is live, and not ready."""
    with (
        grpc_server(lambda: None) as waiting,
        grpc.insecure_channel(f"127.0.0.1:{waiting.port}") as channel,
    ):
        stub = health_pb2_grpc.HealthStub(channel)
        found = stub.Check(health_pb2.HealthCheckRequest(), timeout=10)
        assert found.status == health_pb2.HealthCheckResponse.NOT_SERVING
        lonely = Client(channel)
        assert not lonely.call(SCORING, "Info").is_ready
        with pytest.raises(grpc.RpcError) as caught:
            lonely.call(SCORING, "Score", json=b"[]")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


# -- Score -------------------------------------------------------------------------------------


def test_score_takes_each_format(client, rows, expected):
    """Arrow, JSON, JSON Lines and CSV, answered in kind, with the pipeline's bits."""
    found = client.call(SCORING, "Score", arrow=arrow_bytes(rows), request_id="mine")
    assert np.array_equal(scores(found.arrow), expected)
    assert found.request_id == "mine"
    words = {"orient": "records", "double_precision": 15}
    found = client.call(SCORING, "Score", json=rows.to_json(**words).encode())
    values = [[row[name] for name in LATE] for row in json.loads(found.json)]
    assert np.array_equal(np.array(values, "float32"), expected)
    lines = rows.to_json(**words, lines=True).encode()
    found = client.call(SCORING, "Score", json_lines=lines).json_lines.splitlines()
    values = [[json.loads(line)[name] for name in LATE] for line in found]
    assert np.array_equal(np.array(values, "float32"), expected)
    found = client.call(SCORING, "Score", csv=rows.to_csv(index=False).encode()).csv
    values = [line.split(",") for line in found.decode().splitlines()[1:]]
    assert np.array_equal(np.array(values, "float32"), expected)


def test_options_of_a_call_change_that_call(client, rows, model):
    """And no other."""
    data = arrow_bytes(rows)
    found = client.call(SCORING, "Score", arrow=data, options={"labels": True, "threshold": 0.2})
    table = pa.ipc.open_stream(found.arrow).read_all()
    assert table.column_names == [*LATE, "label"]
    found = client.call(SCORING, "Score", arrow=data, options={"contributions": "original"})
    assert "contrib_carrier" in pa.ipc.open_stream(found.arrow).read_all().column_names
    found = client.call(SCORING, "Score", arrow=data)
    assert pa.ipc.open_stream(found.arrow).read_all().column_names == LATE


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"json": b"{"}, "is no JSON"),
        ({"arrow": b"xx"}, "Arrow stream cannot be read"),
        ({}, "has no rows"),
        ({"json": b"[]", "options": {"margin": True, "contributions": "original"}}, "exclude"),
    ],
)
def test_what_cannot_be_meant_is_the_clients_fault(client, fields, words):
    """INVALID_ARGUMENT, with the sentence."""
    with pytest.raises(grpc.RpcError) as caught:
        client.call(SCORING, "Score", **fields)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert words in caught.value.details()


def test_a_value_that_does_not_fit_is_a_detail(client, rows):
    """Row and column can be read by a program."""
    records = json.loads(rows.head(3).to_json(orient="records"))
    records[2]["month"] = "May"
    with pytest.raises(grpc.RpcError) as caught:
        client.call(SCORING, "Score", json=json.dumps(records).encode())
    status = rpc_status.from_call(caught.value)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert (info.reason, info.domain) == ("RefusedValuesError", "dai_spark")
    assert bad.field_violations[0].field == "rows[2].month"
    assert '"May"' in bad.field_violations[0].description


def test_a_message_that_is_too_large_is_refused(client, rows):
    """By gRPC itself, and what was compressed when it is unpacked."""
    many = rows.loc[rows.index.repeat(200)]
    with pytest.raises(grpc.RpcError) as caught:
        client.call(SCORING, "Score", arrow=arrow_bytes(many))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    table = pa.Table.from_pandas(many, preserve_index=False)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    data = bytes(sink.getvalue())
    assert len(data) < 1 << 20
    with pytest.raises(grpc.RpcError) as caught:
        client.call(SCORING, "Score", arrow=data)
    assert "when they are unpacked" in caught.value.details()


def test_a_deadline_is_the_clients(client, rows):
    """What comes too late has no scores, and a call without a deadline has all the time."""
    data = arrow_bytes(rows)
    assert client.call(SCORING, "Score", arrow=data, timeout=None).arrow
    with pytest.raises(grpc.RpcError) as caught:
        client.call(SCORING, "Score", arrow=data, timeout=0.003)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_client_that_goes_away_is_not_scored(client, rows, model):
    """Its rows leave the queue, and the next client's are scored."""
    request, reply = client.messages(SCORING, "Score")
    call = client.channel.unary_unary(
        f"/{SCORING}/Score",
        request_serializer=lambda sent: sent.SerializeToString(),
        response_deserializer=reply.FromString,
    )
    data = arrow_bytes(rows)
    # Each kind of options is a batch of its own, so that some of them wait.
    options = [{"labels": True, "threshold": i / 100} for i in range(60)]
    before = model.merger.counts.n_dropped
    calls = [call.future(request(arrow=data, options=one)) for one in options]
    deadline_s = time.monotonic() + 10
    while model.merger.n_waiting < 20 and time.monotonic() < deadline_s:
        time.sleep(0.001)
    for one in calls:
        one.cancel()
    assert client.call(SCORING, "Score", arrow=data).arrow
    while model.merger.n_waiting and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert model.merger.counts.n_dropped > before


def test_rows_of_many_clients_are_merged(client, info, rows, model, expected):
    """And each has its own scores."""
    request, reply = client.messages(info.typed_service, "PredictLate")
    call = client.channel.unary_unary(
        f"/{info.typed_service}/PredictLate",
        request_serializer=lambda sent: sent.SerializeToString(),
        response_deserializer=reply.FromString,
    )
    before = model.merger.counts.n_batches
    records = rows.to_dict("records")
    calls = [call.future(request(**typed_row(info, row)), timeout=30) for row in records]
    found = [[one.result().probability_no, one.result().probability_yes] for one in calls]
    assert np.array_equal(np.array(found, "float32"), expected)
    assert model.merger.counts.n_batches - before < 50


# -- streams -----------------------------------------------------------------------------------


def test_a_stream_answers_each_message_in_its_order(client, rows, expected):
    """A message that is wrong has an error, and the stream goes on."""
    pieces = [rows.iloc[i : i + 5] for i in range(0, 100, 5)]
    requests = [{"arrow": arrow_bytes(piece)} for piece in pieces]
    requests[0]["options"] = {"labels": True}
    requests.insert(7, {"arrow": arrow_bytes(pieces[0].drop(columns="month"))})
    replies = list(client.stream(SCORING, "ScoreStream", requests))
    assert len(replies) == 21
    failed = replies.pop(7)
    assert failed.error.name == "ColumnError"
    assert failed.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert "lacks month" in failed.error.message
    assert np.array_equal(np.concatenate([scores(reply.arrow) for reply in replies]), expected)
    table = pa.ipc.open_stream(replies[0].arrow).read_all()
    assert table.column_names == [*LATE, "label"]


def test_a_stream_goes_on_when_another_model_takes_over(
    model, pipeline, packed_environment, license_file, rows, expected
):
    """Each message is scored by the one that is served; none is lost."""
    settings = ModelSettings(
        packed_environment.path, MergeSettings(n_scorers=1), license_file=str(license_file)
    )
    first = open_served(pipeline, settings)
    served = [first]
    pieces = [rows.iloc[i : i + 10] for i in range(0, 100, 10)]

    def requests():
        for i, piece in enumerate(pieces):
            if i == 5:
                served[0] = model
                in_loop(first.close())
            yield {"arrow": arrow_bytes(piece)}

    with (
        grpc_server(lambda: served[0]) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        replies = list(Client(channel).stream(SCORING, "ScoreStream", requests()))
    assert not [reply.error.message for reply in replies if reply.HasField("error")]
    assert np.array_equal(np.concatenate([scores(reply.arrow) for reply in replies]), expected)


def test_a_stream_without_messages_ends(client):
    """And one whose options come late is told so."""
    assert list(client.stream(SCORING, "ScoreStream", [])) == []
    requests = [{"arrow": b""}, {"options": {"labels": True}}]
    with pytest.raises(grpc.RpcError) as caught:
        list(client.stream(SCORING, "ScoreStream", requests))
    assert "in its first message" in caught.value.details()


# -- the pipeline's own service ----------------------------------------------------------------


def test_typed_rows_have_the_pipelines_bits(client, info, rows, expected):
    """One by one and as a stream; the class as a number and its label."""
    records = rows.to_dict("records")
    first = client.call(info.typed_service, "PredictLate", **typed_row(info, records[0]))
    typed = (typed_row(info, row) for row in records)
    replies = list(client.stream(info.typed_service, "PredictLateStream", typed))
    found = [[reply.probability_no, reply.probability_yes] for reply in replies]
    assert np.array_equal(np.array(found, "float32"), expected)
    assert replies[0] == first
    chosen = (expected[:, 1] >= 0.5).astype(int)
    assert [reply.late for reply in replies] == chosen.tolist()
    assert [reply.label for reply in replies] == [["no", "yes"][i] for i in chosen]


def test_a_client_of_another_pipeline_is_refused(client, info, rows):
    """By the name of the service; and where that is alike, by fields that are unknown."""
    with pytest.raises(grpc.RpcError) as caught:
        client.channel.unary_unary("/dai.late.s00000000.LatePredictor/PredictLate")(b"", timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    # Field 999, a varint.
    call = client.channel.unary_unary(f"/{info.typed_service}/PredictLate")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xb8\x3e\x01", timeout=10)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "does not know" in caught.value.details()


def test_another_model_has_a_service_of_its_own(
    model, export, packed_environment, license_file, rows, info
):
    """Once it has taken the other one's place, whose clients are refused and not scored wrong."""
    settings = ModelSettings(
        packed_environment.path, MergeSettings(n_scorers=1), license_file=str(license_file)
    )
    other = open_served(str(export(kind="regression")), settings)
    served = [model]
    try:
        with (
            grpc_server(lambda: served[0]) as server,
            grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ):
            row = rows.to_dict("records")[0]
            before = Client(channel)
            assert before.call(info.typed_service, "PredictLate", **typed_row(info, row)).label
            served[0] = other
            with pytest.raises(grpc.RpcError) as caught:
                before.call(info.typed_service, "PredictLate", **typed_row(info, row))
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
            after = Client(channel)
            told = after.call(SCORING, "Info")
            assert told.typed_service in after.database.get_services()
            assert info.typed_service not in after.database.get_services()
            found = after.call(told.typed_service, "PredictDelay", **typed_row(told, row))
            table = pa.Table.from_pandas(rows.head(1), preserve_index=False)
            asked = in_loop(_score_once(other, table.select(list(other.columns))))
            assert np.float32(found.delay) == asked
    finally:
        in_loop(other.close())


async def _score_once(model, table):
    scored = await model.score(table, model.options, None, "r")
    return scored.column(0)[0].as_py()


# -- the Open Inference Protocol ---------------------------------------------------------------


def tensors(metadata, rows):
    """Rows as Triton's client wants them."""
    found = []
    for given in metadata.inputs:
        values = rows[given.name].tolist()
        if given.datatype == "BYTES":
            array = np.array([[(v or "").encode()] for v in values], dtype=object)
        else:
            array = np.array([[v] for v in values], dtype="float64")
        tensor = triton.InferInput(given.name, list(array.shape), given.datatype)
        tensor.set_data_from_numpy(array)
        found.append(tensor)
    return found


@pytest.fixture(scope="module")
def inference(server):
    """Triton's own client."""
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def test_tritons_client_asks_all_that_it_can(inference, model, rows):
    """Server and model are live and ready, and say what they take."""
    assert inference.is_server_live()
    assert inference.is_server_ready()
    assert inference.is_model_ready("flights")
    assert inference.is_model_ready("flights", model.digest[:12])
    assert not inference.is_model_ready("other")
    assert inference.get_server_metadata().name == "dai_spark"
    metadata = inference.get_model_metadata("flights")
    assert [(o.name, o.datatype) for o in metadata.outputs] == [(name, "FP32") for name in LATE]
    with pytest.raises(triton.InferenceServerException, match="no model 'other'"):
        inference.infer("other", tensors(metadata, rows))


def test_tritons_client_scores(inference, rows, expected):
    """NaN is missing, and BOOL tensors tell which texts are."""
    metadata = inference.get_model_metadata("flights")
    mask = triton.InferInput("tailnum.is_null", [100, 1], "BOOL")
    mask.set_data_from_numpy(rows[["tailnum"]].isna().to_numpy())
    found = inference.infer("flights", [*tensors(metadata, rows), mask], request_id="7")
    assert found.get_response().id == "7"
    assert np.array_equal(np.hstack([found.as_numpy(name) for name in LATE]), expected)
    wanted = [triton.InferRequestedOutput("label")]
    found = inference.infer(
        "flights", tensors(metadata, rows), outputs=wanted, parameters={"labels": True}
    )
    assert found.as_numpy("late.no") is None
    assert set(found.as_numpy("label").ravel()) == {b"no", b"yes"}
    with pytest.raises(triton.InferenceServerException, match="label_s is no parameter"):
        inference.infer("flights", tensors(metadata, rows), parameters={"label_s": True})


def test_contents_by_type_are_taken_too(client, rows, expected, inference):
    """Clients that do not send raw bytes are not answered with raw bytes."""
    service = "inference.GRPCInferenceService"
    inputs = []
    for given in inference.get_model_metadata("flights").inputs:
        column = rows[given.name].head(3)
        contents = (
            {"bytes_contents": [v.encode() for v in column]}
            if given.datatype == "BYTES"
            else {"fp64_contents": column}
        )
        inputs.append(
            {"name": given.name, "datatype": given.datatype, "shape": [3], "contents": contents}
        )
    found = client.call(service, "ModelInfer", model_name="flights", inputs=inputs)
    values = [list(output.contents.fp32_contents) for output in found.outputs]
    assert np.array_equal(np.array(values, "float32").T, expected[:3])
    assert len(found.raw_output_contents) == 0


def test_the_protocol_is_tritons(client):
    """Each message has the fields, numbers and types of Triton's own client."""

    def fields(message):
        own = {
            f.name: (f.number, f.type, f.label, f.type_name.rpartition(".")[2])
            for f in message.field
        }
        return own, {m.name: fields(m) for m in message.nested_type}

    theirs = descriptor_pb2.FileDescriptorProto()
    service_pb2.DESCRIPTOR.CopyToProto(theirs)
    known = {message.name: fields(message) for message in theirs.message_type}
    ours = inference_file()
    assert len(ours.message_type) == 14
    for message in ours.message_type:
        assert fields(message) == known[message.name], message.name
    methods = {m.name: (m.input_type, m.output_type) for m in theirs.service[0].method}
    for method in ours.service[0].method:
        assert (method.input_type, method.output_type) == methods[method.name]


# -- who may call ------------------------------------------------------------------------------


def test_a_token_is_wanted_of_all_calls_but_health(model, rows):
    """In the metadata, as clients of HTTP have it."""
    with grpc_server(lambda: model, token=BearerToken("s3cret")) as server:
        address = f"127.0.0.1:{server.port}"
        with grpc.insecure_channel(address) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            assert stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status == 1
            calls = (
                channel.unary_unary(f"/{SCORING}/Info"),
                channel.unary_unary("/inference.GRPCInferenceService/ServerLive"),
            )
            for metadata in ((), [("authorization", "Bearer wrong")], [("authorization", "")]):
                for call in calls:
                    with pytest.raises(grpc.RpcError) as caught:
                        call(b"", timeout=10, metadata=metadata)
                    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
                stream = channel.stream_stream(f"/{SCORING}/ScoreStream")
                with pytest.raises(grpc.RpcError) as caught:
                    list(stream(iter([b""]), timeout=10, metadata=metadata))
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            for call in calls:
                assert call(b"", timeout=10, metadata=[("authorization", "Bearer s3cret")])
        headers = {"authorization": "Bearer s3cret"}
        with triton.InferenceServerClient(address) as client:
            assert client.is_server_live(headers=headers)


def test_tls_of_both_sides(model):
    """Who has no certificate of the CA is not served."""
    ca, (key, cert), (own_key, own_cert) = certificates()
    words = {"tls_key": key, "tls_cert": cert}
    with grpc_server(lambda: model, **words) as server:
        address = f"127.0.0.1:{server.port}"
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca)) as channel:
            assert Client(channel).call(SCORING, "Info").is_ready
    with grpc_server(lambda: model, **words, tls_client_ca=ca) as server:
        address = f"127.0.0.1:{server.port}"
        both = grpc.ssl_channel_credentials(ca, own_key, own_cert)
        with grpc.secure_channel(address, both) as channel:
            assert Client(channel).call(SCORING, "Info").is_ready
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(ca)) as channel:
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(f"/{SCORING}/Info")(b"", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_an_address_that_is_taken_is_told(server, model):
    """And does not share its calls with another server."""

    async def start():
        await GrpcServer(lambda: model, GrpcSettings(port=server.port)).start()

    with pytest.raises(dai_spark.errors.OptionError, match="the address is taken"):
        asyncio.run(start())


# -- the command line --------------------------------------------------------------------------


def test_the_proto_of_a_pipeline_is_that_of_its_server(
    server, info, pipeline, packed_environment, license_file, tmp_path, capsys
):
    """Whoever is asked."""
    known = ["--env", str(packed_environment.path), "--license-file", str(license_file)]
    assert main(["grpc", "proto", pipeline, *known, "-o", str(tmp_path / "a.proto")]) == 0
    assert main(["grpc", "proto", f"127.0.0.1:{server.port}"]) == 0
    assert (tmp_path / "a.proto").read_text() == info.typed_proto == capsys.readouterr().out
    assert main(["grpc", "proto", pipeline, *known, "--package", "ml"]) == 0
    assert "package ml;" in capsys.readouterr().out
    assert main(["grpc", "proto", "--service", "inference"]) == 0
    assert "service GRPCInferenceService {" in capsys.readouterr().out
    assert main(["grpc", "proto"]) == 2


def test_a_file_is_scored_through_a_server(server, rows, expected, tmp_path, capsys):
    """``dai-spark grpc client``; a wrong file is told as ``predict`` tells it."""
    address = f"127.0.0.1:{server.port}"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    words = ["grpc", "client", address, str(tmp_path / "rows.csv"), str(tmp_path / "out.parquet")]
    assert main([*words, "--labels"]) == 0, capsys.readouterr().err
    found = pq.read_table(tmp_path / "out.parquet")
    assert found.column_names == [*LATE, "label"]
    assert np.array_equal(found.select(LATE).to_pandas().to_numpy(), expected)
    (tmp_path / "rows.csv").write_text("month\nx\n")
    assert main(words) == 2
    assert "The CSV lacks" in capsys.readouterr().err
    assert main(["grpc", "client", "127.0.0.1:1", str(tmp_path / "rows.csv"), "-"]) == 2
    assert "does not say what it serves (UNAVAILABLE" in capsys.readouterr().err
