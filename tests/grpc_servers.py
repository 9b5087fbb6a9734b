"""A gRPC server in a thread of this process, for clients of other people."""

import asyncio
import contextlib
import datetime
import functools
import ipaddress
import threading

from dai_spark.serving.grpc.grpc_server import GrpcServer, GrpcSettings


@functools.cache
def _loop():
    """One event loop for all servers of a process, since a model lives in one."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


def in_loop(coroutine):
    """What a coroutine gives, run where the servers and their models live."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result(60)


@contextlib.contextmanager
def grpc_server(get_model, **settings):
    """A server of gRPC alone on a free port of loopback, for a model that is loaded; gives it."""
    server = GrpcServer(get_model, GrpcSettings(port=0, **settings))
    in_loop(server.start())
    try:
        yield server
    finally:
        in_loop(server.stop(1.0))


def certificates():
    """PEM of a CA, and of a server and a client that it signed: ca, (key, cert), (key, cert)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    now = datetime.datetime.now(datetime.timezone.utc)

    def made(name, issuer=None, issuer_key=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        loopback = ipaddress.ip_address("127.0.0.1")
        cert = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer or subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(loopback)]), False)
            .add_extension(x509.BasicConstraints(issuer is None, None), True)
            .sign(issuer_key or key, hashes.SHA256())
        )
        return key, cert, subject

    def pem(key, cert):
        return (
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
            cert.public_bytes(serialization.Encoding.PEM),
        )

    ca_key, ca, name = made("ca")
    server, client = (pem(*made(n, name, ca_key)[:2]) for n in ("server", "client"))
    return pem(ca_key, ca)[1], server, client
