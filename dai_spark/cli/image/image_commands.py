"""The command ``dai-spark image build``."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict

from dai_spark.cli.command import add_command, add_group, tell
from dai_spark.errors import DaiSparkError, OptionError

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_image_commands"]

_DETAILS = """\
What is packed stands in a file in Odahu's form (-f pack.yaml), in flags, or in both: flags win.
docker-rest is an image that answers HTTP as Odahu's does, docker-cli one with the commands `info`
and `predict`.  The image has the pipeline and its packed environment; its licence it gets when it
is run.  Standard output is the packaging with its result; all else goes to standard error.

Where Odahu's default cannot hold another one does: dockerfileBaseImage is dai_spark's serving image
of this version (`make serving-image`), since python:3.6 is too old for dai_spark; the pipeline's
own Python comes with the packed environment."""
_EXAMPLES = """\
  dai-spark image build -f pack.yaml --connections connections.yaml
  dai-spark image build scorer.zip --image-name 'wine:{{ Version }}' --push registry.example.com/ml
  dai-spark image build models:/wine@champion --integration-name docker-cli --save wine.tar
  dai-spark image build -f pack.yaml -o 'jsonpath=$[0].status.results[0].value'"""
_OPTIONS = (
    ("--image-name", str, "NAME", "{{ Name }}, {{ Version }} and {{ RandomUUID }} are filled in "
     "(default: {{ Name }}-{{ Version }}:{{ RandomUUID }})"),
    ("--port", int, "N", "port of the server (default: 5000)"),
    ("--timeout", int, "S", "how long a call may take (default: 60)"),
    ("--workers", int, "N", "batches that are scored at once (default: 1)"),
    ("--threads", int, "N", "for each of a worker's threads 250 calls may wait (default: 4)"),
    ("--host", str, "ADDRESS", "address that the server listens on (default: 0.0.0.0)"),
    ("--dockerfile-base-image", str, "IMAGE", "dai_spark's serving image, or one with Python 3.9 "
     "or newer and pip (default: localhost/dai-spark-serving:VERSION)"),
    ("--dockerfile-conda-envs-location", str, "FOLDER", "where the packed environment is laid, "
     "unless the base has it (default: /opt/conda/envs/)"),
)  # fmt: skip


def add_image_commands(commands: "Commands") -> None:
    """Add the group ``image``.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    group = add_group(commands, "image", "make images of pipelines, in Odahu's words")
    parser = add_command(
        group,
        "build",
        _build,
        "put a pipeline into an image that serves it or scores files",
        details=_DETAILS,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "pipeline",
        metavar="PIPELINE",
        nargs="?",
        help="scorer.zip, its folder, a URI, or a model (models:/NAME@ALIAS): spec.artifactName",
    )
    parser.add_argument("-f", "--file", metavar="YAML", help="the packaging: id and spec")
    parser.add_argument(
        "--artifacts", type=Path, metavar="FOLDER", help="where spec.artifactName is looked for"
    )
    parser.add_argument("--id", help="what the packaging is called")
    parser.add_argument(
        "--integration-name",
        "--integration",
        dest="integration_name",
        choices=("docker-rest", "docker-cli"),
        help="a server, or commands (default: docker-rest)",
    )
    parser.add_argument(
        "--env",
        metavar="ARCHIVE",
        help="the packed environment (default: the base image's, the model's, or DAI_SPARK_ENV)",
    )
    packing = parser.add_argument_group("arguments of the packager")
    for flag, kind, metavar, told in _OPTIONS:
        packing.add_argument(flag, type=kind, metavar=metavar, help=told)
    packing.add_argument(
        "--dockerfile-add-conda-installation",
        action=argparse.BooleanOptionalAction,
        help="lay the packed environment into the image, unless the base has it (default: yes)",
    )
    targets = parser.add_argument_group("targets")
    targets.add_argument(
        "--push", metavar="CONNECTION", help="push to this connection, or registry and folder"
    )
    targets.add_argument(
        "--pull", metavar="CONNECTION", help="pull the base image by this connection's credentials"
    )
    targets.add_argument(
        "--connections", metavar="YAML", help="registries by id, in Odahu's form, without passwords"
    )
    targets.add_argument(
        "--authfile",
        metavar="PATH",
        help="credentials, as `podman login` writes them (default: REGISTRY_AUTH_FILE, or the "
        "engine's own)",
    )
    targets.add_argument("--save", type=Path, metavar="TAR", help="write the image into a file")
    targets.add_argument(
        "--save-format",
        choices=("docker-archive", "oci"),
        default="docker-archive",
        help="of that file (default: docker-archive)",
    )
    running = parser.add_argument_group("running")
    running.add_argument(
        "--engine",
        metavar="PATH",
        help="docker, podman or buildah (default: ENGINE, or the first that works)",
    )
    running.add_argument(
        "--dry-run", action="store_true", help="print Dockerfile and packaging, and build nothing"
    )
    running.add_argument(
        "--format",
        choices=("yaml", "json", "text"),
        default="yaml",
        help="of what is printed (default: yaml); text is the image's name alone",
    )
    running.add_argument(
        "-o", "--output", metavar="jsonpath=PATH", help="print what this JSONPath finds"
    )
    parser.set_defaults(exit_status=_exit_status)


def _exit_status(error: DaiSparkError) -> int:
    return 2 if isinstance(error, OptionError) else 1


def _build(arguments: argparse.Namespace) -> None:
    import os

    try:
        from dai_spark.packager.asked.connections import connection_named, connections_of
        from dai_spark.packager.asked.pack_file import pack_of
        from dai_spark.packager.build_image import Order, build_image, draft_image
        from dai_spark.packager.entity import check_query, shown

        check_query(arguments.output)
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("jsonpath_ng", "pydantic", "yaml"):
            raise
        raise OptionError(
            f"The packager wants a package that is not here ({error.name}): pip install "
            "'dai_spark[packager]'."
        ) from None
    pack = pack_of(arguments.file, _flags(arguments))
    connections = connections_of(arguments.connections)
    for given in filter(None, (arguments.push, arguments.pull)):
        connections[given] = connection_named(given, connections, may_be_place=True)
    file = Path.cwd() if arguments.file is None else Path(arguments.file).expanduser().parent
    order = Order(
        pack,
        [arguments.artifacts] if arguments.artifacts else [file, Path.cwd()],
        connections,
        arguments.env,
        arguments.engine or os.environ.get("ENGINE"),
        arguments.authfile,
        arguments.save,
        arguments.save_format,
        os.environ,
    )
    if arguments.dry_run:
        text, entity = draft_image(order, tell)
        if arguments.output is None:
            print(f"{text}---")
    else:
        entity = build_image(order, tell, lambda line: print(line, file=sys.stderr, flush=True))
    print(shown(entity, arguments.format, arguments.output))


def _flags(arguments: argparse.Namespace) -> Dict[str, Any]:
    names = [flag[2:].replace("-", "_") for flag, *_ in _OPTIONS]
    names += ["id", "integration_name", "dockerfile_add_conda_installation"]
    found = {name: getattr(arguments, name) for name in names}
    found["artifact_name"] = arguments.pipeline
    found["docker-push"], found["docker-pull"] = arguments.push, arguments.pull
    return found
