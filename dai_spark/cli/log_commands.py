"""The command ``dai-spark log verify``."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from dai_spark.cli.command import add_command, add_group
from dai_spark.cli.predict_command import add_pipeline_arguments
from dai_spark.table_job.report.outcome import exit_status

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_log_commands", "prove_log"]

_DETAILS = """\
Each row that was logged is scored again by the pipeline, with the options of its call, and every
bit of every column is compared.  Rows with masked columns, and those of other pipelines, cannot be
scored again; they are counted.  The exit status is 7 if a row differs, a file cannot be read, or no
row could be proved."""
_EXAMPLES = """\
  dai-spark log verify scorer.zip /var/log/scores --env dai-1.10.tar.zst"""


def add_log_commands(commands: "Commands") -> None:
    """Add the group ``log``.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    group = add_group(commands, "log", "look into what a server has logged")
    verify = add_command(
        group,
        "verify",
        _verify,
        "score logged rows again and compare all bits",
        details=_DETAILS,
        examples=_EXAMPLES,
    )
    add_pipeline_arguments(verify)
    verify.add_argument("folder", metavar="FOLDER", help="of `dai-spark serve --log`")
    verify.add_argument("--json", action="store_true", help="print one object of JSON")
    verify.set_defaults(exit_status=exit_status)


def _verify(arguments: argparse.Namespace) -> None:
    prove_log(
        arguments.pipeline,
        arguments.folder,
        env=arguments.env,
        license_file=arguments.license_file,
        is_json=arguments.json,
    )


def prove_log(
    pipeline: str, folder: str, *, env: Optional[str], license_file: Optional[str], is_json: bool
) -> None:
    """Score a log again and print what that has shown.

    Parameters
    ----------
    pipeline, folder : str
    env, license_file : str or None
    is_json : bool

    Raises
    ------
    VerificationError
        The log was not proved.
    """
    from dai_spark.inference_log.verify_log import verify_log
    from dai_spark.local.open_scorer import open_scorer

    with open_scorer(pipeline, env, license_file=license_file) as scorer:
        proof = verify_log(Path(folder), scorer)
    print(json.dumps(proof.to_json()) if is_json else proof.text())
    proof.check()
