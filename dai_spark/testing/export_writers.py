"""Writes wheels and exports so that equal contents give equal bytes: fixed times, fixed order."""

import base64
import hashlib
import random
import shutil
import zipfile
from pathlib import Path
from typing import BinaryIO, Dict, Iterable, Iterator, Mapping, Tuple, Union, cast

from dai_spark.host.zip_entry import zip_entry

__all__ = ["Contents", "write_folder", "write_wheel", "write_zip"]

# A file's name relative to the archive's root, and its bytes or the file that holds them.
Contents = Mapping[str, Union[bytes, Path]]

_CHUNK_BYTES = 1 << 20


def _entry(name: str, *, deflate: bool) -> zipfile.ZipInfo:
    return zip_entry(name, mode=0o100755 if name.endswith(".sh") else 0o100644, deflate=deflate)


def _chunks(data: Union[bytes, Path]) -> Iterator[bytes]:
    if isinstance(data, bytes):
        yield data
        return
    with data.open("rb") as file:
        yield from iter(lambda: file.read(_CHUNK_BYTES), b"")


def write_zip(to: Path, contents: Contents) -> None:
    """Write a zip; wheels and zips in it are stored, the rest is deflated.

    Parameters
    ----------
    to : Path
        The zip.
    contents : mapping
        Name to bytes, or to the file that holds them.
    """
    with zipfile.ZipFile(to, "w") as archive:
        for name in sorted(contents):
            packed = name.endswith((".whl", ".zip"))
            entry = _entry(name, deflate=not packed)
            with archive.open(entry, "w", force_zip64=packed) as out:
                for chunk in _chunks(contents[name]):
                    out.write(chunk)


def write_folder(to: Path, contents: Contents) -> None:
    """Write the same contents as files.

    Parameters
    ----------
    to : Path
        Folder, which is made.
    contents : mapping
        Name to bytes, or to the file that holds them.
    """
    to.mkdir(parents=True)
    for name in sorted(contents):
        path = to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = contents[name]
        if isinstance(data, bytes):
            path.write_bytes(data)
        else:
            shutil.copyfile(data, path)
        if name.endswith(".sh"):
            path.chmod(0o755)


def _padding(n_bytes: int) -> Iterator[bytes]:
    """Bytes that no compression makes smaller, the same in every run."""
    source = random.Random(n_bytes)
    for start in range(0, n_bytes, _CHUNK_BYTES):
        size = min(_CHUNK_BYTES, n_bytes - start)
        yield source.getrandbits(8 * size).to_bytes(size, "little")


def write_wheel(
    folder: Path,
    distribution: str,
    version: str,
    tag: str,
    summary: str,
    files: Mapping[str, bytes],
    padding_bytes: int = 0,
) -> Path:
    """Write a wheel of one package, named as its distribution, with a correct RECORD.

    Parameters
    ----------
    folder : Path
        Where the wheel is put.
    distribution, version, tag : str
        The three parts of its name.
    summary : str
        One line for its metadata.
    files : mapping
        Names below the package's folder, and their bytes.
    padding_bytes : int, default 0
        Size of a further file `padding.bin` in the package.

    Returns
    -------
    Path
        The wheel.
    """
    path = folder / f"{distribution}-{version}-{tag}.whl"
    info = f"{distribution}-{version}.dist-info"
    pure = "true" if tag.endswith("-any") else "false"
    texts = {
        "METADATA": (
            f"Metadata-Version: 2.1\nName: {distribution.replace('_', '-')}\nVersion: {version}\n"
            f"Summary: {summary}\nAuthor: dai_spark.testing\nLicense: Apache-2.0\n"
        ),
        "WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: dai_spark.testing\nRoot-Is-Purelib: {pure}\n"
            f"Tag: {tag}\n"
        ),
        "top_level.txt": distribution + "\n",
    }
    sources: Dict[str, Iterable[bytes]] = {
        f"{distribution}/{name}": [files[name]] for name in sorted(files)
    }
    if padding_bytes:
        sources[f"{distribution}/padding.bin"] = _padding(padding_bytes)
    sources.update({f"{info}/{name}": [text.encode("utf-8")] for name, text in texts.items()})
    record = ""
    with zipfile.ZipFile(path, "w") as archive:
        for name, chunks in sources.items():
            padded = name.endswith("padding.bin")
            entry = _entry(name, deflate=not padded)
            with archive.open(entry, "w", force_zip64=padded) as out:
                digest, size = _copy(chunks, cast(BinaryIO, out))
            record += f"{name},sha256={digest},{size}\n"
        record += f"{info}/RECORD,,\n"
        archive.writestr(_entry(f"{info}/RECORD", deflate=True), record)
    return path


def _copy(chunks: Iterable[bytes], out: BinaryIO) -> Tuple[str, int]:
    """Write the chunks; return their digest as RECORD wants it, and their size."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        out.write(chunk)
    return base64.urlsafe_b64encode(digest.digest()).decode("ascii").rstrip("="), size
