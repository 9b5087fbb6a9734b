"""Small archives of any content in the form of packed environments, and what is shipped of them."""

import gzip
import hashlib
import io
import platform
import random
import tarfile
from dataclasses import replace

import pyarrow as pa

from dai_spark.artifacts.manifest import MANIFEST_NAME, EnvironmentManifest
from dai_spark.plan.plan import ShippedFile

MANIFEST = EnvironmentManifest(
    python="3.8.18",
    platform=f"{platform.system().lower()}-{platform.machine()}",
    interpreter="bin/python3.8",
    dai_line="1.10",
    core_version="1.10.7.3",
    glibc="2.17",
    packages={"pandas": "1.2.5"},
    unpacked_bytes=5,
    n_files=1,
)


def member(name, content=b"", **fields):
    """One member of an archive: a file unless `type` says otherwise."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def archive(path, *members, manifest=MANIFEST):
    """Write members behind a manifest, compressed as the name says."""
    if manifest is not None:
        members = (member(MANIFEST_NAME, manifest.to_json().encode()), *members)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    if path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(raw.getvalue()))
    else:
        with pa.CompressedOutputStream(str(path), "zstd") as sink:
            sink.write(raw.getvalue())
    return path


def of_files(path, n_files, n_bytes, seed=0):
    """A sound archive of so many files, each of so many random bytes."""
    made = random.Random(seed)
    members = [member(f"lib/{i % 50}/{i}", made.randbytes(n_bytes)) for i in range(n_files)]
    manifest = replace(MANIFEST, n_files=n_files, unpacked_bytes=n_files * n_bytes)
    return archive(path, *members, manifest=manifest)


def shipped(path):
    """What a plan says of an archive on this host."""
    return ShippedFile("path", str(path), hashlib.sha256(path.read_bytes()).hexdigest(), str(path))
