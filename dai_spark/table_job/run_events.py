"""RunEvents: a run told to a data catalogue, by events of the standard OpenLineage.

The standard's own library makes and sends them; where to is a matter of its settings
(``openlineage.yml``, ``OPENLINEAGE_URL``, ``OPENLINEAGE__TRANSPORT__TYPE``, ...).
"""

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional
from urllib.parse import urlsplit

from dai_spark._version import __version__
from dai_spark.drift.input_column import InputColumn
from dai_spark.errors import DaiSparkError, OptionError, first_line
from dai_spark.host.uri import without_password
from dai_spark.table_job.report.check import FAILED
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.source import current_version
from dai_spark.table_job.table_name import TableName

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset
    from pyspark.sql.types import DataType

__all__ = ["RunEvents"]

_PRODUCER = f"urn:dai_spark:{__version__}"
_QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class RunEvents:
    """Sends START, then COMPLETE or FAIL; without ``--openlineage`` nothing.

    Lives on the driver.  Whatever goes wrong here is told and ends no run.

    Attributes
    ----------
    spark : SparkSession
    job : TableJob
    on_message : callable
        Is told what could not be sent.
    client : OpenLineageClient or None
        None where no events are wanted, or the library's settings cannot be meant.
    run_id : str
        A UUID, as the standard demands: of this try to run the job.
    """

    spark: Any
    job: TableJob
    on_message: Callable[[str], None]
    client: Optional[Any] = None
    run_id: str = ""

    @classmethod
    def of(cls, spark: Any, job: TableJob, on_message: Callable[[str], None]) -> "RunEvents":
        """Make a client by the library's own settings.

        Parameters
        ----------
        spark, job, on_message
            See the attributes.

        Raises
        ------
        OptionError
            The driver's Python lacks the library.
        """
        if not job.openlineage or job.dry_run:
            return cls(spark, job, on_message)
        try:
            from openlineage.client import OpenLineageClient
            from openlineage.client.uuid import generate_new_uuid
        except ImportError:
            raise OptionError(
                "--openlineage wants the library openlineage-python, which the driver's Python "
                "lacks; install dai_spark[openlineage] there."
            ) from None
        try:
            client: Any = OpenLineageClient()
        except Exception as error:  # noqa: BLE001 - whatever the settings made it raise
            on_message(f"no OpenLineage events: {_said(error)}")
            return cls(spark, job, on_message)
        return cls(spark, job, on_message, client, str(generate_new_uuid()))

    def started(self) -> None:
        """Tell that the run begins, with the columns and the version of its source."""
        self._send("START", None, None)

    def completed(self, report: Report) -> None:
        """Tell what the run did.

        Parameters
        ----------
        report : Report
        """
        self._send("COMPLETE", report, None)
        self._close()

    def failed(self, error: BaseException) -> None:
        """Tell that the run failed, and why: the sentence, and no traceback with values in it.

        Parameters
        ----------
        error : BaseException
        """
        self._send("FAIL", None, error)
        self._close()

    def _send(self, kind: str, report: Optional[Report], error: Optional[BaseException]) -> None:
        if self.client is None:
            return
        try:
            self.client.emit(self._event(kind, report, error))
        except Exception as problem:  # noqa: BLE001 - whatever a transport raised
            self.on_message(f"the OpenLineage event {kind} was not sent: {_said(problem)}")

    def _close(self) -> None:
        # Some transports send in a thread of their own.
        if self.client is not None and hasattr(self.client, "close"):
            try:
                self.client.close(timeout=10.0)
            except Exception as problem:  # noqa: BLE001 - whatever a transport raised
                self.on_message(f"OpenLineage events may not have been sent: {_said(problem)}")

    def _event(self, kind: str, report: Optional[Report], error: Optional[BaseException]) -> Any:
        from openlineage.client import event_v2, facet_v2

        facets: Dict[str, Any] = {
            "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet(
                version=self.spark.version, name="Spark", openlineageAdapterVersion=__version__
            )
        }
        if error is not None:
            message = error.message if isinstance(error, DaiSparkError) else type(error).__name__
            facets["errorMessage"] = facet_v2.error_message_run.ErrorMessageRunFacet(
                message=without_password(message), programmingLanguage="PYTHON"
            )
        is_stream = self.job.incremental == "stream"
        job_type = facet_v2.job_type_job.JobTypeJobFacet(
            processingType="STREAMING" if is_stream else "BATCH",
            integration="DAI_SPARK",
            jobType="JOB",
        )
        event_v2.set_producer(_PRODUCER)
        return event_v2.RunEvent(
            eventType=getattr(event_v2.RunState, kind),
            eventTime=datetime.now(timezone.utc).isoformat(),
            run=event_v2.Run(runId=self.run_id, facets=facets),
            job=event_v2.Job(
                namespace=os.environ.get("OPENLINEAGE_NAMESPACE", "default"),
                name=without_password(self.job.job_name),
                facets={"jobType": job_type},
            ),
            producer=_PRODUCER,
            inputs=[self._input(report)],
            outputs=[self._output(kind, report)],
        )

    def _input(self, report: Optional[Report]) -> "InputDataset":
        from openlineage.client.event_v2 import InputDataset

        table = TableName.of(self.job.source)
        version = report.source_version if report is not None else None
        place, facets = self._dataset(table, self.job.source_options, version)
        return InputDataset(**place, facets=facets, inputFacets=_statistics(report))

    def _output(self, kind: str, report: Optional[Report]) -> "OutputDataset":
        from openlineage.client.event_v2 import OutputDataset
        from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

        # A target that is about to be made has no columns yet, and one of a failed run no new ones.
        table = TableName.of(self.job.target)
        place, facets = self._dataset(
            table, self.job.target_options, None, has_schema=kind == "COMPLETE"
        )
        found: Dict[str, Any] = {}
        if report is not None and report.n_rows is not None:
            found["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(
                rowCount=report.n_rows
            )
        return OutputDataset(**place, facets=facets, outputFacets=found)

    def _dataset(
        self,
        table: TableName,
        options: Mapping[str, str],
        version: Optional[str],
        *,
        has_schema: bool = True,
    ) -> "tuple[Dict[str, str], Dict[str, Any]]":
        """Where the standard says that a table is, and what is known of it."""
        from openlineage.client import facet_v2

        details = table.details(self.spark)
        location = details.get("Location") or (table.name if table.format else "")
        facets: Dict[str, Any] = {}
        if table.format is None:
            name = facet_v2.symlinks_dataset.Identifier("spark", table.name, "TABLE")
            facets["symlinks"] = facet_v2.symlinks_dataset.SymlinksDatasetFacet([name])
        if has_schema:
            schema = table.schema_if_exists(self.spark, options)
            if schema is not None:
                fields = [_field(f.name, f.dataType) for f in schema.fields]
                facets["schema"] = facet_v2.schema_dataset.SchemaDatasetFacet(fields=fields)
            if version is None:
                version = current_version(self.spark, table, table.provider(self.spark))
        if version:
            facets["version"] = facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet(version)
        return _place(table, location, options), facets


def _place(table: TableName, location: str, options: Mapping[str, str]) -> Dict[str, str]:
    if table.format == "jdbc":
        url = without_password(options.get("url", "")).partition("?")[0]
        return {"namespace": url, "name": options.get("dbtable", "query")}
    if not location:
        return {"namespace": "spark", "name": without_password(table.name)}
    found = urlsplit(without_password(location))
    if found.scheme in ("", "file"):
        return {"namespace": "file", "name": found.path.rstrip("/") or "/"}
    return {"namespace": f"{found.scheme}://{found.netloc}", "name": found.path.strip("/") or "/"}


def _field(name: str, kind: "DataType") -> Any:
    from openlineage.client.facet_v2 import schema_dataset
    from pyspark.sql.types import StructType

    inner = kind.fields if isinstance(kind, StructType) else []
    return schema_dataset.SchemaDatasetFacetFields(
        name=name,
        type="struct" if inner else kind.simpleString(),
        fields=[_field(f.name, f.dataType) for f in inner],
    )


def _statistics(report: Optional[Report]) -> Dict[str, Any]:
    """What the run has seen of its source: rows, columns, and what it was held to."""
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as assertions
    from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as quality

    if report is None:
        return {}
    found: Dict[str, Any] = {}
    if report.n_read is not None:
        found["dataQualityMetrics"] = quality.DataQualityMetricsInputDatasetFacet(
            rowCount=report.n_read,
            columnMetrics={name: _metrics(one) for name, one in report.inputs.items()},
        )
    held: List[Any] = [
        assertions.Assertion(assertion=f"{one.what} {one.allowed}", success=one.outcome != FAILED)
        for one in report.checks
        if one.allowed
    ]
    if held:
        found["dataQualityAssertions"] = assertions.DataQualityAssertionsDatasetFacet(held)
    return found


def _metrics(column: InputColumn) -> Any:
    from openlineage.client.facet_v2 import data_quality_metrics_input_dataset as quality

    numbers = column.numbers
    quantiles = (
        {}
        if not numbers or not numbers.n
        else {f"{share:g}": numbers.quantile(share) for share in _QUARTERS}
    )
    return quality.ColumnMetrics(
        nullCount=round(column.null_share * column.n_rows),
        min=column.minimum,
        max=column.maximum,
        quantiles=quantiles,
    )


def _said(error: BaseException) -> str:
    return without_password(f"{type(error).__name__}: {first_line(error, 300)}")
