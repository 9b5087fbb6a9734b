"""Builds dist/: the wheel, and dai_spark.zip for `spark-submit --py-files`."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"


def main() -> None:
    """Build the wheel and cut the zip out of it, so that both hold the same files."""
    for old in [*DIST.glob("*.whl"), *DIST.glob("*.zip")]:
        old.unlink()
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(DIST)]
    built = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if built.returncode != 0:
        sys.exit(f"The wheel could not be built; build's own words:\n{built.stdout}{built.stderr}")
    (wheel,) = DIST.glob("*.whl")
    with (
        zipfile.ZipFile(wheel) as source,
        zipfile.ZipFile(DIST / "dai_spark.zip", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.infolist():
            if member.filename.startswith("dai_spark/"):
                target.writestr(member, source.read(member))
    for made in (wheel, DIST / "dai_spark.zip"):
        sys.stdout.write(f"{made.relative_to(ROOT)}  {made.stat().st_size / 1000:,.0f} kB\n")


if __name__ == "__main__":
    main()
