"""What the tests' Spark has beside itself: which jars, and what a session must be told."""

from pathlib import Path

PACKAGES = (
    "io.delta:delta-spark_4.1_2.13:4.3.1",
    "io.delta:delta-storage:4.3.1",
    "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.11.0",
    # What Spark has beside its own jars, and the driver of a database that tests start.
    "org.apache.spark:spark-avro_2.13:4.1.1",
    "org.postgresql:postgresql:42.7.8",
)
# What Delta's pom asks for beside them and Spark has already, or what only Unity Catalog needs:
# another 250 MB.
EXCLUDED = (
    "com.fasterxml.jackson.core:*",
    "com.fasterxml.jackson.datatype:*",
    "com.github.luben:*",
    "com.google.code.findbugs:*",
    "commons-logging:*",
    "commons-pool:*",
    "io.airlift:*",
    "io.delta:delta-kernel-unitycatalog",
    "io.unitycatalog:*",
    "javax.annotation:*",
    "org.apache.hadoop:*",
    "org.apache.logging.log4j:*",
    "org.apache.parquet:*",
    "org.checkerframework:*",
    "org.locationtech.jts:*",
    "org.roaringbitmap:*",
    "org.slf4j:*",
    "org.spark-project.spark:*",
    "org.tukaani:*",
    "org.xerial.snappy:*",
)


def settings(folder: Path, packages: "tuple[str, ...]" = PACKAGES) -> "dict[str, str]":
    """Settings of a session with both formats, of these jars.

    `spark_catalog` is Delta's and holds Spark's own tables as well, below `folder`/warehouse;
    `ice` is an Iceberg catalog of files below `folder`/ice.
    """
    return {
        "spark.jars.packages": ",".join(packages),
        "spark.jars.excludes": ",".join(EXCLUDED),
        "spark.jars.ivySettings": str(Path(__file__).with_name("ivysettings.xml")),
        "spark.sql.extensions": (
            "io.delta.sql.DeltaSparkSessionExtension,"
            "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
        ),
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.ice.type": "hadoop",
        "spark.sql.catalog.ice.warehouse": str(folder / "ice"),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        # Fifty tasks for a log of ten lines otherwise.
        "spark.databricks.delta.snapshotPartitions": "1",
    }
