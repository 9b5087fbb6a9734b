"""What pipelines have said of themselves before, kept by content for later drivers here."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Optional

from dai_spark.host.atomic_file import write_atomically
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.package_zip import package_zip
from dai_spark.plan.plan import Description, ScoringPlan

__all__ = ["described_before", "remember"]


def described_before(plan: ScoringPlan) -> Optional[Description]:
    """Return what the pipeline of a plan has said; None where it was not asked on this host."""
    try:
        return Description.from_json(json.loads(_memory(plan).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remember(plan: ScoringPlan, described: Description) -> None:
    """Keep what the pipeline of a plan has said."""
    content = json.dumps(dataclasses.asdict(described)).encode("utf-8")
    write_atomically(_memory(plan), content)


def _memory(plan: ScoringPlan) -> Path:
    # The package's own digest: another version may describe otherwise.
    text = json.dumps(
        [plan.key(plan.license), plan.options.for_answer(), package_zip().name], sort_keys=True
    )
    name = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return private_folder(cache_folder() / "described") / f"{name}.json"
