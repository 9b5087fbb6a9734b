"""A small Hadoop of real daemons, HDFS and YARN, in a JVM of its own; its jars come by Maven."""

import contextlib
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from cluster.programs.looking import wait_until

PROGRAMS = Path(__file__).resolve().parent / "cluster" / "programs" / "hadoop"
# The jars come from Maven's repository, once.
BUILD_LIMIT_S = 280
START_LIMIT_S = 120


def jars(folder):
    """The jars that it needs beside pyspark's, below a folder that is kept."""
    done = folder / hashlib.sha256((PROGRAMS / "pom.xml").read_bytes()).hexdigest()[:12]
    if not done.exists():
        assert shutil.which("mvn"), "The tests of Hadoop need Maven (Debian: apt install maven)."
        shutil.rmtree(folder, ignore_errors=True)
        words = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
        subprocess.run(
            ["mvn", "-B", "-q", "-f", str(PROGRAMS / "pom.xml"), *words],
            check=True,
            timeout=BUILD_LIMIT_S,
            stdin=subprocess.DEVNULL,
        )
        done.touch()
    return folder


@contextlib.contextmanager
def running(program, jars, folder, sign, *arguments, **variables):
    """Run one of `cluster/programs/hadoop`; gives what it printed once that has the sign."""
    import pyspark

    # Before pyspark's: both hold classes of one name, and the small cluster needs its own.
    path = [str(next(jars.glob("hadoop-client-minicluster-*.jar"))), f"{jars}/*"]
    path.append(f"{Path(pyspark.__file__).parent}/jars/*")
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else "java"
    opens = ["--add-opens", "java.base/java.lang=ALL-UNNAMED"]
    command = [java, *opens, "-Xmx512m", "-cp", ":".join(path), str(PROGRAMS / program)]
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        process = subprocess.Popen(
            [*command, str(folder / "data"), *map(str, arguments)],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
        )
    try:

        def said():
            return sign in (folder / "out").read_text()

        wait_until(lambda: said() or process.poll() is not None, START_LIMIT_S)
        assert said(), (folder / "err").read_text()[-5000:]
        yield (folder / "out").read_text()
    finally:
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
