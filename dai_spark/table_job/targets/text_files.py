"""Tables of CSV and JSON files: texts that tell no types, so these are kept beside the records."""

from dataclasses import replace
from typing import Any, Dict

from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

__all__ = ["SCHEMA_FILE", "TEXT_FORMATS", "text_defaults", "with_schema"]

TEXT_FORMATS = ("csv", "json")
# In the folder of the table's records.
SCHEMA_FILE = "schema.json"


def text_defaults(provider: str) -> Dict[str, str]:
    """Options of writer and reader under which what was written is what is read.

    Spark's own would leave names out of CSV, and cut a time's microseconds.

    Parameters
    ----------
    provider : str
        The table's format; others than CSV and JSON have none.
    """
    if provider not in TEXT_FORMATS:
        return {}
    times = {
        "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
        "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    }
    return {**times, "header": "true"} if provider == "csv" else times


def with_schema(spark: Any, job: TableJob, table: TableName, records: str) -> TableName:
    """Return a target of text files as it is to be read: with the types that a run wrote.

    Parameters
    ----------
    spark : SparkSession
        Classic.
    job : TableJob
    table : TableName
        A path.
    records : str
        Name of the folder of the table's records.
    """
    file = HadoopPath(spark, table.name) / records / SCHEMA_FILE
    options = {**text_defaults(table.format or ""), **job.target_options}
    return replace(table, reader_schema=file.read(), reader_options=tuple(options.items()))
