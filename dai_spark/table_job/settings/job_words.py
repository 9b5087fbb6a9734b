"""JobWords: the words that a user may say of one job, as keywords, flags or a file's keys."""

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

from dai_spark.plan.options import ScoringOptions

__all__ = ["JobWords"]


@dataclass(frozen=True)
class JobWords:
    """One job of scoring a table into a table.

    Plain data of the driver; every field is an argument of `score_table`, a flag of
    ``jobs/score_table.py`` and a key of its ``--config``.

    Parameters
    ----------
    pipeline, env : str
        The export and the packed environment: a local path, or a URI that Spark reads.  An empty
        `env` stands for the environment that the session's settings or the driver's host name.
    source, target : str
        A catalog table (``lake.db.table``) or ``FORMAT:PATH``.
    license_file : str, optional
        Path or URI of the licence.
    source_options, target_options : mapping of str to str
        Handed to Spark's reader and writer.
    where : str, optional
        SQL condition on the source's rows.
    source_version, source_timestamp : str, optional
        Time travel, where the source's format knows it.
    read : {"auto", "spark", "files"}, default "auto"
        Who reads the source's rows, see `score_dataframe`.
    columns : mapping of str to str
        SQL expression on the source for each pipeline column that the source names otherwise.
    mode : {"fail", "append", "overwrite", "overwrite-partitions", "merge"}, default "fail"
    key : sequence of str, optional
        Columns that tell rows apart: checked to be unique and not null, kept, and merged by.
    keep : sequence of str, optional
        Source columns to carry through, in this order; by default all.
    partition_by : sequence of str, optional
        Partition columns of a target that is created, or that the target has.
    target_branch : str, optional
        Branch of an Iceberg table that is written first, and published when all checks have passed.
    publish : bool, default True
        Without it the branch stays for others to look at and to publish.
    target_format : str, optional
        Format of a catalog table that is created; by default the catalog's own.
    n_files : int, optional
        Write so many files (a partition), with a shuffle after scoring.
    max_file_rows : int, optional
        Most rows of a file.
    prediction : str, default "prediction"
        Name of the struct column.
    prediction_layout : {"struct", "flat"}, default "struct"
        Flat: a column for each output of the pipeline, under its own name.
    lineage : bool, default True
        Add the struct column ``scoring``: pipeline, environment, run, time, version.
    evolve_schema : bool, default False
        Allow new output columns to be added to a target that exists.
    job_name : str, optional
        By default the target's name.  Tells jobs into one target apart.
    run_id : str, optional
        A second run of the same id does nothing twice.  By default made from the job, pipeline,
        environment and the source's version.
    on_overlap : {"wait", "refuse"}, default "wait"
        What a run does while another of its job is at work.
    overlap_timeout_s : float, default 3600
    work_folder : str, optional
        URI for staged rows, locks and the last run's figures.  By default beside the target.
    incremental : {"missing", "since", "changes", "quarantine", "stream"}, optional
    since : str, optional
        Column of ``incremental="since"``; only ever growing, never null.
    since_mark : str, optional
        Largest value of `since` that is done, where no run of the job tells it.
    lookback : str, optional
        How far below the last mark of `since` rows are looked at again: a duration or a number.
    delete_missing : bool, default False
        With ``merge``: delete the target's rows whose key the source no longer has.
    checkpoint : str, optional
        URI of ``incremental="stream"``.
    keep_running : bool, default False
        Do not end the stream when nothing is left.
    quarantine : str, optional
        Table of bad rows: the columns kept and read, the reason, the run.
    max_bad_rows : str, optional
        ``"N"`` or ``"P%"``: with more, the job fails and the target stays as it was.
    min_rows : str, optional
        ``"N"``, or ``"P%"`` of the last run's rows: with fewer, the target stays as it was.
    allow_empty : bool, default False
        Let a run without rows replace rows of the target.
    dry_run : bool, default False
        Check everything, score ten rows, write nothing.
    verify : int, default 0
        Score so many random rows of what was written again, one by one, and compare bits.
    fail_on_drift : float, optional
        Highest population stability index of a prediction against the last run's.
    contract : str, optional
        Path or URI of a TOML file with what the run must be like to be committed.
    openlineage : bool, default False
        Tell a data catalogue of the run, by events of the standard OpenLineage.
    report : sequence of str
        Paths or URIs of the report: ``.json`` and ``.html``.
    options : ScoringOptions
    """

    pipeline: str
    source: str
    target: str
    env: str = ""
    license_file: Optional[str] = None
    source_options: Mapping[str, str] = field(default_factory=dict)
    target_options: Mapping[str, str] = field(default_factory=dict)
    where: Optional[str] = None
    source_version: Optional[str] = None
    source_timestamp: Optional[str] = None
    read: str = "auto"
    columns: Mapping[str, str] = field(default_factory=dict)
    mode: str = "fail"
    key: Tuple[str, ...] = ()
    keep: Optional[Tuple[str, ...]] = None
    partition_by: Tuple[str, ...] = ()
    target_branch: Optional[str] = None
    publish: bool = True
    target_format: Optional[str] = None
    n_files: Optional[int] = None
    max_file_rows: Optional[int] = None
    prediction: str = "prediction"
    prediction_layout: str = "struct"
    lineage: bool = True
    evolve_schema: bool = False
    job_name: str = ""
    run_id: Optional[str] = None
    on_overlap: str = "wait"
    overlap_timeout_s: float = 3600.0
    work_folder: Optional[str] = None
    incremental: Optional[str] = None
    since: Optional[str] = None
    since_mark: Optional[str] = None
    lookback: Optional[str] = None
    delete_missing: bool = False
    checkpoint: Optional[str] = None
    keep_running: bool = False
    quarantine: Optional[str] = None
    max_bad_rows: Optional[str] = None
    min_rows: Optional[str] = None
    allow_empty: bool = False
    dry_run: bool = False
    verify: int = 0
    fail_on_drift: Optional[float] = None
    contract: Optional[str] = None
    openlineage: bool = False
    report: Tuple[str, ...] = ()
    options: ScoringOptions = field(default_factory=ScoringOptions)
