"""JobArguments: what `score_table` takes as keywords, so that an editor shows and checks them."""

from typing import Mapping, Optional, Sequence, Union

from dai_spark.plan.option_arguments import OptionArguments
from dai_spark.plan.options import ScoringOptions

__all__ = ["JobArguments"]

# One name or several.
Names = Union[str, Sequence[str]]


class JobArguments(OptionArguments, total=False):
    """Fields of `TableJob` and of `ScoringOptions` as keyword arguments; any may be left out.

    What each means stands in these two.
    """

    license_file: Optional[str]
    source_options: Mapping[str, str]
    target_options: Mapping[str, str]
    where: Optional[str]
    source_version: Optional[str]
    source_timestamp: Optional[str]
    read: str
    columns: Mapping[str, str]
    mode: str
    key: Names
    keep: Optional[Names]
    partition_by: Names
    target_branch: Optional[str]
    publish: bool
    target_format: Optional[str]
    n_files: Optional[int]
    max_file_rows: Optional[int]
    prediction: str
    prediction_layout: str
    lineage: bool
    evolve_schema: bool
    job_name: str
    run_id: Optional[str]
    on_overlap: str
    overlap_timeout_s: float
    work_folder: Optional[str]
    incremental: Optional[str]
    since: Optional[str]
    since_mark: Optional[str]
    lookback: Optional[str]
    delete_missing: bool
    checkpoint: Optional[str]
    keep_running: bool
    quarantine: Optional[str]
    max_bad_rows: Optional[str]
    min_rows: Optional[str]
    allow_empty: bool
    dry_run: bool
    verify: int
    fail_on_drift: Optional[float]
    contract: Optional[str]
    openlineage: bool
    report: Names
    options: ScoringOptions
