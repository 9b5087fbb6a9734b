"""Writes an image's software bill of materials (CycloneDX, JSON): sbom.py FILE.

Runs once, inside the image that is being built, and lists its four kinds of software: the
system's packages, the Python packages beside dai_spark, Java's jars, and the packed environment.
With SOURCE_DATE_EPOCH two bills of the same software are the same.
"""

import json
import os
import subprocess
import sys
import zipfile
from datetime import datetime, timezone
from importlib.metadata import distributions
from pathlib import Path
from typing import Iterator, Optional
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import OutputFormat, make_outputter
from cyclonedx.schema import SchemaVersion
from packageurl import PackageURL

ENVIRONMENT = Path("/opt/dai_spark/environment")
# Of Spark's image, and of the serving image.
PYTHONS = (Path("/opt/spark-python"), Path("/opt/dai_spark/python"))
JAR_FOLDERS = (Path("/opt/spark/jars"),)


def main(path: str) -> None:
    """Write the bill."""
    bom = Bom()
    made_s = os.environ.get("SOURCE_DATE_EPOCH")
    if made_s:
        bom.metadata.timestamp = datetime.fromtimestamp(int(made_s), timezone.utc)
    bom.metadata.component = Component(
        name="dai_spark image", type=ComponentType.CONTAINER, bom_ref="image"
    )
    for found in (system(), own_python(), packed_environment(), jars()):
        for component in found:
            bom.components.add(component)
    if made_s:
        # A name of the content, in place of a random one.
        told = sorted(str(one.bom_ref) for one in bom.components)
        bom.serial_number = uuid5(NAMESPACE_URL, "\n".join(told))
    outputter = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6)
    Path(path).write_text(outputter.output_as_string(indent=1), encoding="utf-8")
    print(f"{len(bom.components)} components")


def component(kind: str, name: str, version: str, place: str, group: str = "") -> Component:
    """One piece of software, and the part of the image that has it."""
    purl = PackageURL(kind, group or None, name, version)
    return Component(
        name=name,
        version=version,
        group=group or None,
        purl=purl,
        bom_ref=f"{place}: {purl}",
        properties=[Property(name="dai_spark:place", value=place)],
    )


def system() -> Iterator[Component]:
    """What dpkg or rpm has installed."""
    if Path("/usr/bin/dpkg-query").exists():
        kind, group = "deb", "debian"
        command = ["dpkg-query", "--show", "--showformat", "${Package}\t${Version}\n"]
    else:
        kind, group = "rpm", "redhat"
        command = ["rpm", "-qa", "--queryformat", "%{NAME}\t%{VERSION}-%{RELEASE}\n"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    for line in sorted(listed.stdout.splitlines()):
        name, version = line.split("\t")
        yield component(kind, name, version, "system", group)


def own_python() -> Iterator[Component]:
    """What is installed in the Python that runs Spark's workers, or the server."""
    for python in PYTHONS:
        folders = [str(folder) for folder in python.glob("lib/python3*/site-packages")]
        for found in sorted(distributions(path=folders), key=lambda one: one.name):
            yield component("pypi", found.name, found.version, str(python))


def packed_environment() -> Iterator[Component]:
    """What the environment's own manifest lists."""
    manifest = json.loads((ENVIRONMENT / "dai_spark_environment.json").read_text(encoding="utf-8"))
    yield component("generic", "python", manifest["python"], str(ENVIRONMENT))
    for name, version in sorted(manifest["packages"].items()):
        yield component("pypi", name, version, str(ENVIRONMENT))


def jars() -> Iterator[Component]:
    """Jars, by what Maven wrote into them, else by their file names."""
    for folder in JAR_FOLDERS:
        for path in sorted(folder.glob("*.jar")):
            place = os.path.realpath(path)
            known = coordinates(path)
            if known is None:
                name, _, version = path.stem.rpartition("-")
                yield component("maven", name or path.stem, version, place)
            else:
                yield component("maven", known[1], known[2], place, known[0])


def coordinates(path: Path) -> "Optional[tuple[str, str, str]]":
    """Group, artifact and version of a jar; of several, which shaded jars have, its own."""
    with zipfile.ZipFile(path) as jar:
        for member in jar.namelist():
            if member.startswith("META-INF/maven/") and member.endswith("/pom.properties"):
                lines = jar.read(member).decode("utf-8", "replace").splitlines()
                found = dict(line.split("=", 1) for line in lines if "=" in line)
                artifact = found.get("artifactId", "")
                if path.name.startswith(f"{artifact}-{found.get('version')}"):
                    return found["groupId"], artifact, found["version"]
    return None


if __name__ == "__main__":
    main(sys.argv[1])
