"""The text of the Dockerfile of an image with a pipeline."""

import json
from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence

from dai_spark.packager.asked.pack_file import Pack, RestArguments
from dai_spark.packager.base_image import OLDEST_PYTHON, BaseImage
from dai_spark.packager.engine import REFUSAL

__all__ = ["PIPELINE", "SECRETS", "ImageParts", "dockerfile"]

PIPELINE = "/opt/dai_spark/pipeline/scorer.zip"
# Variables that name files, and the secrets of the build that these are: as scripts/image has them.
SECRETS = {"PIP_CONF": "pip_conf", "NETRC": "netrc", "PIP_CERT": "pip_cert"}
# Calls that may wait for each thread: with Odahu's own numbers as many as the server's default.
_WAITING_OF_THREAD = 250
_STAGE = "prepared"
_PACKAGE = "/opt/dai_spark/package"
_HEALTH = (
    "import sys, urllib.request as r; "
    "sys.exit(r.build_opener(r.ProxyHandler({}))"
    ".open('http://%s:%d/live', timeout=4).status != 200)"
)


@dataclass(frozen=True)
class ImageParts:
    """What an image is made of.

    Attributes
    ----------
    base : BaseImage
    name : str
        Of the model, as clients call it.
    env_target : str or None
        Folder of the image that the environment is laid to; None where the base has it.
    env_interpreter : str or None
        Its Python, relative to that folder.
    labels : mapping of str to str
    """

    base: BaseImage
    name: str
    env_target: Optional[str]
    env_interpreter: Optional[str]
    labels: Mapping[str, str]


def dockerfile(pack: Pack, parts: ImageParts) -> str:
    """Write the Dockerfile; equal parts give equal text.

    Parameters
    ----------
    pack : Pack
    parts : ImageParts
    """
    base = parts.base
    has_all = base.has_dai_spark and parts.env_target is None
    # What changes seldom is a stage, and a layer, of its own: another pipeline is a small one.
    lines = [f"FROM {base.name}" + ("" if has_all else f" AS {_STAGE}")]
    if not has_all:
        # A base may have given itself to somebody who may not write.
        lines.append("USER 0")
    if not base.has_dai_spark:
        lines += _python()
    if parts.env_target is not None:
        lines += [f"COPY environment/ {parts.env_target}/", f"ENV DAI_SPARK_ENV={parts.env_target}"]
    if not base.has_dai_spark:
        lines += _package(parts)
    if not has_all:
        lines.append(f"FROM {_STAGE}")
    lines += [
        f"COPY pipeline/ {PIPELINE.rpartition('/')[0]}/",
        f"ENV DAI_SPARK_PIPELINE={PIPELINE}",
        "LABEL " + " \\\n      ".join(_pairs(parts.labels)),
        "USER 185:0",
        *_process(pack, parts),
    ]
    return "\n".join(lines) + "\n"


def _python() -> List[str]:
    oldest = f"({OLDEST_PYTHON[0]}, {OLDEST_PYTHON[1]})"
    said = (
        f"{REFUSAL}the base image has Python %d.%d, and {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or "
        "newer is needed"
    )
    check = f"import sys; v = sys.version_info; v < {oldest} and sys.exit('{said}' % v[:2])"
    mounts = " \\\n    ".join(
        f"--mount=type=secret,id={name},target=/run/secrets/{name}" for name in SECRETS.values()
    )
    return [
        "RUN command -v python3 >/dev/null \\\n"
        f' || {{ echo "{REFUSAL}the base image has no python3" >&2; exit 1; }}; \\\n'
        f'    python3 -c "{check}" \\\n'
        " && { python3 -m pip --version >/dev/null 2>&1 \\\n"
        f' || {{ echo "{REFUSAL}the Python of the base image has no pip" >&2; exit 1; }}; }}',
        "COPY requirements.lock /opt/dai_spark/image/",
        # Only what is given is named: pip fails on a file that is not there.
        f"RUN {mounts} \\\n"
        "    for name in pip_conf:PIP_CONFIG_FILE netrc:NETRC pip_cert:PIP_CERT; do \\\n"
        '        [ ! -s "/run/secrets/${name%%:*}" ] '
        '|| export "${name##*:}=/run/secrets/${name%%:*}"; \\\n'
        "    done; \\\n"
        # As variables: pip that does not know them passes them over.
        "    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \\\n"
        "    python3 -m pip install --quiet --no-cache-dir --no-compile --require-hashes \\\n"
        f"        --target {_PACKAGE} -r /opt/dai_spark/image/requirements.lock",
    ]


def _package(parts: ImageParts) -> List[str]:
    lines = [
        f"COPY package/ {_PACKAGE}/",
        f"ENV PYTHONPATH={_PACKAGE} \\\n"
        "    PYTHONDONTWRITEBYTECODE=1 \\\n"
        "    MPLCONFIGDIR=/tmp/matplotlib \\\n"
        "    HOME=/tmp",
        "WORKDIR /tmp",
    ]
    if parts.env_target is not None and parts.env_interpreter is not None:
        python = f"{parts.env_target}/{parts.env_interpreter}"
        lines.append(
            # -I: PYTHONPATH is of the server's Python.
            f"RUN {python} -I -B -c 'import pandas, pyarrow' \\\n"
            f' || {{ echo "{REFUSAL}the packed environment does not run on the base image" >&2; '
            "exit 1; }"
        )
    return lines


def _process(pack: Pack, parts: ImageParts) -> List[str]:
    """What the image runs, and how an engine asks whether it is well."""
    given = pack.arguments
    if not isinstance(given, RestArguments):
        return [
            f"ENTRYPOINT {_words([*parts.base.entrypoint, 'model'])}",
            "CMD []",
        ]
    serve = [
        *("serve", PIPELINE, "--protocol", "odahu", "--name", parts.name),
        *("--host", given.host, "--port", str(given.port), "--timeout-s", str(given.timeout)),
        *("--max-scorers", str(given.workers)),
        *("--max-waiting", str(given.workers * given.threads * _WAITING_OF_THREAD)),
    ]
    lines = [f"EXPOSE {given.port}"]
    if not parts.base.has_healthcheck:
        host = "127.0.0.1" if given.host in ("0.0.0.0", "::") else given.host
        probe = _HEALTH % (f"[{host}]" if ":" in host else host, given.port)
        python = "python" if parts.base.has_dai_spark else "python3"
        lines.append(
            "HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \\\n"
            f"    CMD {_words([python, '-c', probe])}"
        )
    return [*lines, f"ENTRYPOINT {_words([*parts.base.entrypoint, *serve])}", "CMD []"]


def _words(words: Sequence[str]) -> str:
    return json.dumps(list(words))


def _pairs(labels: Mapping[str, str]) -> List[str]:
    return [f"{name}={_quoted(value)}" for name, value in sorted(labels.items())]


def _quoted(value: str) -> str:
    """A value as Dockerfiles quote it: no variable in it is looked up, and no line begins."""
    plain = "".join(sign if sign.isprintable() else " " for sign in value)
    for sign in ("\\", '"', "$"):
        plain = plain.replace(sign, f"\\{sign}")
    return f'"{plain}"'
