"""Wheels and source packages, as small as an installer takes them."""

import io
import tarfile
import zipfile


def wheel(folder, name, files, *, version="1.0", tag="py3-none-any", needs=()):
    """Write a wheel of some files and return its path."""
    about = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    files = {
        f"{about}/METADATA": head,
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
        **files,
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{about}/RECORD"])
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as target:
        for member, text in {**files, f"{about}/RECORD": record}.items():
            target.writestr(member, text)
    return path


def source(folder, name):
    """Write a source package of one empty module, which has to be built, and return its path."""
    path = folder / f"{name}-1.0.tar.gz"
    files = {
        "setup.py": f"from setuptools import setup\nsetup(name={name!r}, version='1.0', "
        f"py_modules=[{name!r}])\n",
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}.py": "",
    }
    with tarfile.open(path, "w:gz") as target:
        for member, text in files.items():
            info = tarfile.TarInfo(f"{name}-1.0/{member}")
            info.size = len(text)
            target.addfile(info, io.BytesIO(text.encode()))
    return path
