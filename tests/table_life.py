"""Years in the life of tables: random steps, and after each run what plain Python says.

A `TableLife` has sources and a target for each way to run the job.  Owners insert, update, delete,
compact, vacuum, restore and make tables anew; between that, runs of the job come, some of which
are killed.  Each run is held to the promise: the target holds what the model says, or the run has
refused in a sentence and the target is as it was.
"""

import random
import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple
from unittest import mock

from living_table import LivingTable, Row

from dai_spark import score_table
from dai_spark.errors import DaiSparkError
from dai_spark.table_job.targets.delta import DeltaTarget
from dai_spark.table_job.targets.file_table import FileTableTarget
from dai_spark.table_job.targets.iceberg import IcebergTarget
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

_TARGETS = {
    "delta": DeltaTarget,
    "iceberg": IcebergTarget,
    "files": FileTableTarget,
    "catalog": FileTableTarget,
}
# What no sentence has: a stack of the JVM or of Python.
_STACK = re.compile(r"Traceback|Py4J|\n\s*at |An error occurred while calling")
_PARTS = 3
# Scores by the row's id and time: its partition, its score, the weight of the pipeline.
_Scores = Mapping[Tuple[int, int], Tuple[int, float, int]]


class Killed(BaseException):
    """Stands for a SIGKILL: nothing of the job's own handles it."""


class BrokenPromise(AssertionError):
    """A target is neither what the model says nor what it was."""


@dataclass(frozen=True)
class State:
    """What a target holds, and what runs have left in it for the next one."""

    scores: _Scores = field(default_factory=dict)
    # By the source: the largest time that was seen.
    marks: Mapping[str, int] = field(default_factory=dict)


Expectation = Callable[[State, str, Mapping[int, Row], int], State]


def _scored(rows: Mapping[int, Row], weight: int) -> _Scores:
    return {(i, t): (p, x * weight, weight) for i, p, t, x in rows.values()}


def _merged(old: _Scores, rows: Mapping[int, Row], weight: int) -> _Scores:
    left = {key: found for key, found in old.items() if key[0] not in rows}
    return {**left, **_scored(rows, weight)}


def _all(state: State, source: str, rows: Mapping[int, Row], weight: int) -> State:
    return replace(state, scores=_scored(rows, weight))


def _new(state: State, source: str, rows: Mapping[int, Row]) -> Tuple[Dict[int, Row], State]:
    mark = state.marks.get(source, -1)
    new = {i: row for i, row in rows.items() if row[2] > mark}
    top = max([mark, *(row[2] for row in new.values())])
    return new, replace(state, marks={**state.marks, source: top})


def _since_appended(state: State, source: str, rows: Mapping[int, Row], weight: int) -> State:
    new, state = _new(state, source, rows)
    return replace(state, scores={**state.scores, **_scored(new, weight)})


def _since_merged(state: State, source: str, rows: Mapping[int, Row], weight: int) -> State:
    new, state = _new(state, source, rows)
    return replace(state, scores=_merged(state.scores, new, weight))


def _missing(state: State, source: str, rows: Mapping[int, Row], weight: int) -> State:
    known = {key[0] for key, found in state.scores.items() if found[2] == weight}
    new = {i: row for i, row in rows.items() if i not in known}
    return replace(state, scores=_merged(state.scores, new, weight))


def _partitions(state: State, source: str, rows: Mapping[int, Row], weight: int) -> State:
    parts = {row[1] for row in rows.values()}
    left = {key: found for key, found in state.scores.items() if found[0] not in parts}
    return replace(state, scores={**left, **_scored(rows, weight)})


@dataclass
class Way:
    """One way to run the job, with the target that it writes."""

    name: str
    words: Mapping[str, Any]
    expect: Expectation
    target: LivingTable
    # Whether another pipeline may come between two runs, and a second job may write here too.
    pipelines: Tuple[int, ...] = (2,)
    is_shared: bool = False
    state: State = field(default_factory=State)
    weight: int = 2
    versions: Dict[str, State] = field(default_factory=dict)
    # What a killed run has decided on and not begun to do: the next run does so, whatever its own
    # fate, and one that is refused leaves a target of files with it.
    decided: Optional[State] = None


class TableLife:
    """Sources and targets of one kind, and what a seed makes of them.

    Parameters
    ----------
    spark : SparkSession
    kind : str
        Of `living_table.KINDS`.
    folder : Path
    seed : int
    score : mapping
        Environment and licence.
    exports : mapping of int to Path
        The pipelines by their weight.

    Attributes
    ----------
    told : list of str
        A line a step.
    counts : Counter
        How runs ended.
    refusals : Counter
        By the beginning of the sentence.
    """

    def __init__(
        self,
        spark: Any,
        kind: str,
        folder: Path,
        seed: int,
        score: Mapping[str, Any],
        exports: Mapping[int, Path],
    ) -> None:
        self._spark, self._kind, self._folder = spark, kind, folder
        self._score, self._exports = score, exports
        self._draw = random.Random(seed)
        self._now = 0
        self._next_id = 0
        self.told: List[str] = []
        self.counts: Counter = Counter()
        self.refusals: Counter = Counter()
        self._rows: Dict[str, Dict[int, Row]] = {}
        self._source_versions: Dict[str, Dict[str, Dict[int, Row]]] = {}
        self._sources = [LivingTable(spark, kind, folder) for _ in range(2)]
        for source in self._sources:
            self._rows[source.name] = {}
            self._source_versions[source.name] = {}
            new = self._made(6)
            source.make(new)
            self._rows[source.name] = {row[0]: row for row in new}
        self._n_columns = 0
        self.ways = self._all_ways()

    def _all_ways(self) -> List[Way]:
        def way(name: str, expect: Expectation, **words: Any) -> Way:
            how = {k: words.pop(k) for k in ("pipelines", "is_shared") if k in words}
            target = LivingTable(self._spark, self._kind, self._folder)
            return Way(name, words, expect, target, **how)

        since = {"incremental": "since", "since": "t"}
        missing = {"incremental": "missing", "key": ["id"]}
        ways = [
            way("overwrite", _all, mode="overwrite", pipelines=(2, 3)),
            way("since", _since_appended, mode="append", is_shared=True, **since),
            way("missing", _missing, mode="append", **missing),
            way(
                "partitions",
                _partitions,
                mode="overwrite-partitions",
                partition_by=["p"],
                pipelines=(2, 3),
            ),
        ]
        if self._kind in ("delta", "iceberg"):
            ways += [
                way("since merge", _since_merged, mode="merge", key=["id"], **since),
                way("missing merge", _missing, mode="merge", pipelines=(2, 3), **missing),
                way("changes", _all, mode="merge", key=["id"], incremental="changes"),
            ]
        return ways

    # -- steps ----------------------------------------------------------------------------------

    def live(self, n_steps: int) -> None:
        """Take so many steps.

        Raises
        ------
        BrokenPromise
            With all steps so far.
        """
        # A run is what is to be looked at, so every second step is one.
        steps = [
            (self._run, 50),
            (self._insert, 14),
            (self._update, 7),
            (self._delete, 6),
            (self._compact, 4),
            (self._expire, 3),
            (self._restore_source, 3),
            (self._restore_target, 5),
            (self._remake_source, 2),
            (self._drop_target, 2),
            (self._add_column, 2),
            (self._other_pipeline, 2),
        ]
        for _ in range(n_steps):
            (step,) = self._draw.choices([s for s, _ in steps], [w for _, w in steps])
            told = step()
            self.told.append(f"{len(self.told)}: {told}")
        for way in self.ways:
            self.told.append(f"at the end: {self._run(way, self._sources[0], kill=None)}")

    def _source(self) -> LivingTable:
        # The second one is seldom touched, as it is read by one way alone.
        return self._sources[0] if self._draw.random() < 0.85 else self._sources[1]

    def _made(self, n_rows: int) -> List[Row]:
        made = []
        for _ in range(n_rows):
            self._next_id += 1
            made.append(self._drawn(self._next_id))
        return made

    def _drawn(self, number: int) -> Row:
        self._now += 1
        return number, self._draw.randrange(_PARTS), self._now, float(self._draw.randrange(100))

    def _keep_version(self, source: LivingTable) -> None:
        version = source.version()
        if version is not None:
            self._source_versions[source.name][version] = dict(self._rows[source.name])

    def _insert(self) -> str:
        source = self._source()
        new = self._made(self._draw.randint(1, 4))
        source.insert(new)
        self._rows[source.name].update({row[0]: row for row in new})
        self._keep_version(source)
        return f"{source.name}: inserted {[row[0] for row in new]}"

    def _some(self, source: LivingTable, most: int) -> List[int]:
        ids = sorted(self._rows[source.name])
        return self._draw.sample(ids, min(len(ids), self._draw.randint(1, most)))

    def _update(self) -> str:
        source = self._source()
        rows = self._rows[source.name]
        new = [self._drawn(i) for i in self._some(source, 3)]
        rows.update({row[0]: row for row in new})
        if new:
            source.update(new, list(rows.values()))
        self._keep_version(source)
        return f"{source.name}: updated {[row[0] for row in new]}"

    def _delete(self) -> str:
        source = self._source()
        gone = self._some(source, 3)
        for i in gone:
            del self._rows[source.name][i]
        if gone:
            source.delete(gone, list(self._rows[source.name].values()))
        self._keep_version(source)
        return f"{source.name}: deleted {gone}"

    def _any_table(self) -> LivingTable:
        tables = [*self._sources, *(way.target for way in self.ways if way.target.exists())]
        return self._draw.choice(tables)

    def _compact(self) -> str:
        table = self._any_table()
        table.compact()
        return f"{table.name}: compacted"

    def _expire(self) -> str:
        table = self._any_table()
        table.expire()
        return f"{table.name}: expired"

    def _restore_source(self) -> str:
        source = self._sources[0]
        known = self._source_versions[source.name]
        if not known:
            return f"{source.name}: nothing to restore"
        version = self._draw.choice(sorted(known))
        if not source.restore(version):
            return f"{source.name}: version {version} is gone"
        self._rows[source.name] = dict(known[version])
        self._keep_version(source)
        return f"{source.name}: restored to {version}"

    def _restore_target(self) -> str:
        way = self._draw.choice(self.ways)
        if not way.versions or not way.target.exists():
            return f"{way.name}: nothing to restore"
        version = self._draw.choice(sorted(way.versions))
        if not way.target.restore(version):
            return f"{way.name}: version {version} is gone"
        way.state = way.versions[version]
        return f"{way.name}: restored to {version}"

    def _remake_source(self) -> str:
        """Nightly DROP and CREATE: the same name, some of the same rows, versions from 0 again."""
        source = self._sources[0]
        rows = self._rows[source.name]
        for i in self._some(source, 2):
            del rows[i]
        new = self._made(2)
        rows.update({row[0]: row for row in new})
        source.drop()
        source.make(list(rows.values()))
        self._source_versions[source.name].clear()
        return f"{source.name}: made anew with {sorted(rows)}"

    def _drop_target(self) -> str:
        way = self._draw.choice(self.ways)
        self._forget(way)
        return f"{way.name}: target dropped"

    def _forget(self, way: Way) -> None:
        way.target.drop()
        way.state, way.decided = State(), None
        way.versions.clear()

    def _add_column(self) -> str:
        source = self._source()
        self._n_columns += 1
        source.add_column(f"extra{self._n_columns}")
        return f"{source.name}: column added"

    def _other_pipeline(self) -> str:
        way = self._draw.choice([way for way in self.ways if len(way.pipelines) > 1])
        way.weight = self._draw.choice(way.pipelines)
        return f"{way.name}: pipeline of weight {way.weight}"

    # -- runs -----------------------------------------------------------------------------------

    def _run(
        self, way: Optional[Way] = None, source: Optional[LivingTable] = None, kill: Any = ""
    ) -> str:
        way = way or self._draw.choice(self.ways)
        if source is None:
            source = self._source() if way.is_shared else self._sources[0]
        if kill == "":
            kill = self._draw.choice([None] * 8 + ["before", "behind", "within"])
        expected = way.expect(way.state, source.name, self._rows[source.name], way.weight)
        name = f"{way.name} of {source.name}" + (f", killed {kill} its commit" if kill else "")
        try:
            with self._killing(kill):
                report = score_table(
                    self._exports[way.weight],
                    **self._score,
                    source=source.text,
                    target=way.target.text,
                    keep=["id", "p", "t"],
                    spark=self._spark,
                    progress=False,
                    **way.words,
                )
        except Killed:
            return self._after_a_kill(way, expected, name)
        except DaiSparkError as error:
            return self._after_a_refusal(way, error, name)
        found = self._found(way)
        if found != expected.scores:
            self._broken(f"{name}: {report.status}", found, expected.scores)
        self._take(way, expected)
        self.counts[report.status] += 1
        return f"{name}: {report.status}, {report.n_scored} scored"

    def _after_a_kill(self, way: Way, expected: State, name: str) -> str:
        self.counts["killed"] += 1
        found = self._found(way)
        if found == expected.scores:
            self._take(way, expected)
            return f"{name}: killed, it is there"
        self._take_what_was_decided(way, found)
        if found != way.state.scores:
            if way.target.has_log:
                self._broken(f"{name}: killed", found, expected.scores)
            # Files that were moved in by half: the next run finishes what the journal says.
            self._take(way, expected)
            return f"{name}: killed, half of it is there"
        if "within" in name and not way.target.has_log:
            way.decided = expected
        return f"{name}: killed, nothing is there"

    def _after_a_refusal(self, way: Way, error: DaiSparkError, name: str) -> str:
        # What it rests on stands behind --verbose, and is a stack where the JVM raised.
        text = error.message
        if _STACK.search(text):
            self._broken(f"{name}: no sentence: {text}", {}, {})
        found = self._found(way)
        self._take_what_was_decided(way, found)
        if found != way.state.scores:
            self._broken(f"{name}: refused ({text})", found, way.state.scores)
        self.counts["refused"] += 1
        self.refusals[re.sub(r"\S*t[0-9a-f]{12}\S*", "T", text)[:90]] += 1
        # What a user does who does not want to keep what is there.
        self._forget(way)
        return f"{name}: refused: {text}"

    def _take_what_was_decided(self, way: Way, found: _Scores) -> None:
        if way.decided is not None and found == way.decided.scores:
            self._take(way, way.decided)

    def _take(self, way: Way, state: State) -> None:
        way.state, way.decided = state, None
        if way.target.exists():
            version = way.target.version()
            if version is not None:
                way.versions[version] = state

    def _found(self, way: Way) -> _Scores:
        if not way.target.exists():
            return {}
        frame = way.target.read()
        if "prediction" not in frame.columns:
            return {}
        weights = {f"w{weight}": weight for weight in self._exports}
        found: Dict[Tuple[int, int], Tuple[int, float, int]] = {}
        rows = frame.selectExpr("id", "t", "p", "prediction.y AS y", "scoring.pipeline AS by")
        for row in rows.collect():
            key = (row["id"], row["t"])
            if key in found:
                self._broken(f"{way.name}: {key} is there twice", {}, {})
            found[key] = (row["p"], row["y"], weights[row["by"]])
        return found

    def _broken(self, what: str, found: _Scores, expected: _Scores) -> None:
        lost = {k: v for k, v in expected.items() if found.get(k) != v}
        more = {k: v for k, v in found.items() if expected.get(k) != v}
        steps = "\n".join(self.told)
        raise BrokenPromise(f"{what}\nlost or other: {lost}\nmore or other: {more}\n{steps}")

    def _killing(self, when: Optional[str]) -> ExitStack:
        stack = ExitStack()
        kind = _TARGETS[self._kind]

        def dying(name: str) -> None:
            real = getattr(kind, name)

            def method(target: Any, *arguments: Any) -> Any:
                if when == "before":
                    raise Killed
                real(target, *arguments)
                raise Killed

            stack.enter_context(mock.patch.object(kind, name, method))

        if when in ("before", "behind") or (when == "within" and kind is not FileTableTarget):
            dying("write")
            dying("merge")
        elif when == "within":
            n_left = [self._draw.randrange(4)]
            real = HadoopPath.rename_to

            def renamed(path: HadoopPath, other: HadoopPath) -> None:
                n_left[0] -= 1
                if n_left[0] < 0:
                    raise Killed
                real(path, other)

            stack.enter_context(mock.patch.object(HadoopPath, "rename_to", renamed))
        return stack
