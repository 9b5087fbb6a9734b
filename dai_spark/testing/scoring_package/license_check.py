"""The stand-in's licence: where it is looked for, and which texts are one.

It protects nothing.  It is there so that code around a pipeline meets the same variables, the same
order and the same end (`SystemExit`) as with Driverless AI.
"""

import base64
import hashlib
import os
import sys
from pathlib import Path

_SALT = b"dai_spark stand-in licence"


def make(holder: str) -> str:
    """Return the licence text of one holder; another holder has another text."""
    body = base64.urlsafe_b64encode(holder.encode("utf-8")).decode("ascii")
    return body + "." + hashlib.sha256(_SALT + body.encode("ascii")).hexdigest()


def accepts(text: str) -> bool:
    """Whether `make` could have made this text."""
    body, _, seal = text.strip().rpartition(".")
    return bool(body) and seal == hashlib.sha256(_SALT + body.encode("utf-8")).hexdigest()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def check() -> None:
    """Leave by `SystemExit(-1)`, after a line on stderr, unless a licence is found.

    The first of DAI's three places that is set decides: DRIVERLESS_AI_LICENSE_FILE,
    DRIVERLESS_AI_LICENSE_KEY, ~/.driverlessai/license.sig.
    """
    if os.environ.get("DRIVERLESS_AI_LICENSE_FILE"):
        place = "the file of DRIVERLESS_AI_LICENSE_FILE"
        text = _read(Path(os.environ["DRIVERLESS_AI_LICENSE_FILE"]))
    elif os.environ.get("DRIVERLESS_AI_LICENSE_KEY"):
        place, text = "DRIVERLESS_AI_LICENSE_KEY", os.environ["DRIVERLESS_AI_LICENSE_KEY"]
    else:
        place = "license.sig in ~/.driverlessai"
        text = _read(Path("~/.driverlessai/license.sig").expanduser())
    if not text.strip():
        sys.stderr.write("ERROR stand-in: no license found, looked last in %s\n" % place)
    elif not accepts(text):
        sys.stderr.write("ERROR stand-in: the license in %s is not valid\n" % place)
    else:
        return
    sys.stderr.flush()
    sys.exit(-1)
