"""check_tls: certificate, key and CA of clients, read once before a server listens."""

import ssl
from pathlib import Path
from typing import NoReturn, Optional

from dai_spark.errors import OptionError

__all__ = ["check_tls"]


def check_tls(cert: Optional[Path], key: Optional[Path], client_ca: Optional[Path]) -> None:
    """Refuse files that HTTP or gRPC would fail on, or would leave out without a word.

    Parameters
    ----------
    cert, key : Path or None
        PEM; both, or none.
    client_ca : Path or None
        PEM; only with the other two.

    Raises
    ------
    OptionError
    """
    if cert is None and key is None and client_ca is None:
        return
    if cert is None or key is None:
        raise OptionError(
            "TLS wants a certificate and its key: give both --tls-cert and --tls-key, also where "
            "--tls-client-ca is given."
        )
    for flag, file in (("--tls-cert", cert), ("--tls-key", key), ("--tls-client-ca", client_ca)):
        try:
            if file is not None:
                file.read_bytes()
        except OSError as error:
            raise OptionError(f"{flag} {file} cannot be read ({error.strerror}).") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key, _no_password)
    except ssl.SSLError as error:
        raise OptionError(
            f"--tls-cert {cert} and --tls-key {key} are no certificate and its key in PEM "
            f"({error.reason or error})."
        ) from None
    if client_ca is not None:
        try:
            context.load_verify_locations(client_ca)
        except ssl.SSLError as error:
            raise OptionError(
                f"--tls-client-ca {client_ca} holds no certificate in PEM ({error.reason})."
            ) from None


def _no_password() -> NoReturn:
    # Else the terminal is asked, and a server without one waits for ever.
    raise OptionError("--tls-key has a password; give a key without one, readable by you alone.")
