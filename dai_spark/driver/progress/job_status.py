"""JobStatus: what Spark's own status stores know of the jobs that run, classic Spark only."""

import json
import re
import time
from typing import Any, Dict, List, Optional, Set, Tuple

from dai_spark.driver.progress.line import Moment
from dai_spark.driver.session import java_class
from dai_spark.plan.spark_versions import MAP_NODES

__all__ = ["Answering", "JobStatus"]

# The nodes of a plan in which rows meet Python.
_NODES = (*MAP_NODES, "ArrowEvalPython", "BatchEvalPython")
# What `ScoringPlan.function_name` gives, and what a function is mostly registered as.
_OURS = re.compile(r"\bscore(\w*_[0-9a-f]{8})?\(")
_ROWS = "number of output rows"
# Executors tell of themselves every ten seconds by default; looking more often shows nothing new.
_EXECUTORS_EVERY_S = 5.0
# Executions among which those are looked for that run already.
_LOOKED_BACK = 50


class JobStatus:
    """Looks at the stages that run, at the rows that came back from Python, and at executors.

    Runs on the driver, in any thread.  The rows are Spark's own metric of the plan's node that
    calls the scorer: executors send it with their heartbeats (``spark.executor.heartbeatInterval``,
    10 s by default) for tasks in progress, and with each task that ends.  Nothing is run for it.
    Structures cross from the JVM as JSON, since each call takes a fraction of a millisecond.

    Parameters
    ----------
    spark : SparkSession
        Classic.  Jobs that run already are left out.
    """

    def __init__(self, spark: Any) -> None:
        context = spark.sparkContext
        jvm = context._jvm
        scala = context._jsc.sc()
        self._store = scala.statusStore()
        self._executions = spark._jsparkSession.sharedState().statusStore()
        # What Spark's own REST interface writes its JSON with.
        writer = java_class(jvm, "org.apache.spark.status.api.v1.JacksonMessageWriter")
        self._mapper = writer().mapper()
        self._graphs = java_class(jvm, "org.apache.spark.ui.scope.RDDOperationGraph")
        heartbeat_s = scala.conf().getTimeAsMs("spark.executor.heartbeatInterval", "10s") / 1000.0
        self._answering = Answering(2 * heartbeat_s)
        self._others = {stage["stageId"] for stage in self._stages()}
        self._scores: Dict[int, bool] = {}
        begun = self._executions.executionsList()
        self._newest = int(begun.last().executionId()) if begun.size() else -1
        # Their stages are found as they come: a plan is run stage by stage.
        self._before = {
            int(begun.apply(i).executionId())
            for i in range(max(begun.size() - _LOOKED_BACK, 0), begun.size())
            if not begun.apply(i).completionTime().isDefined()
        }
        # Rows of the executions that run, and of those that have ended: one job may be several.
        self._open: Dict[int, Optional[int]] = {}
        self._ended: Optional[int] = None
        self._executors: Tuple[int, int, int] = (0, 0, 0)
        self._looked_s = float("-inf")
        self._has_rows = False

    def look(self) -> Optional[Moment]:
        """Return what is known now; None while no stage runs."""
        n_rows = self._count_rows()
        # Listed before it is asked whose they are: Spark names a stage's execution before it is
        # active, so that a stage which begins between the two questions is never taken for ours.
        active = self._stages()
        self._pass_over_others()
        stages = [stage for stage in active if stage["stageId"] not in self._others]
        if not stages:
            return None
        scoring = [stage for stage in stages if self._is_scoring(stage["stageId"])]
        if scoring:
            phase, stages = "scoring", scoring
            is_first_row = bool(n_rows) and not self._has_rows
            self._has_rows = bool(n_rows)
            if is_first_row or time.monotonic() - self._looked_s >= _EXECUTORS_EVERY_S:
                self._looked_s = time.monotonic()
                self._executors = self._look_at_executors(scoring, n_rows)
        else:
            phase = "after scoring" if any(self._scores.values()) else "before scoring"
        n_executors, n_scoring, n_loading = self._executors if scoring else (0, 0, 0)
        return Moment(
            phase,
            n_done=sum(stage["numCompleteTasks"] for stage in stages),
            n_tasks=sum(stage["numTasks"] for stage in stages),
            n_active=sum(stage["numActiveTasks"] for stage in stages),
            n_failed=sum(stage["numFailedTasks"] for stage in stages),
            n_rows=n_rows,
            n_executors=n_executors,
            n_scoring=n_scoring,
            n_loading=n_loading,
        )

    def rows(self, wait_s: float = 0.0) -> Optional[int]:
        """Rows that were scored so far; None where the plan does not tell.

        Spark's stores lag behind its jobs: at the end, wait so long for what they have to add.
        """
        until_s = time.monotonic() + wait_s
        n_rows = self._count_rows()
        while self._open and time.monotonic() < until_s:
            time.sleep(0.02)
            n_rows = self._count_rows()
        return n_rows

    # -- stages --------------------------------------------------------------------------------

    def _json(self, value: Any) -> Any:
        return json.loads(self._mapper.writeValueAsString(value))

    def _stages(self) -> List[Dict[str, Any]]:
        active: List[Dict[str, Any]] = self._json(self._store.activeStages())
        return active

    def _pass_over_others(self) -> None:
        for number in list(self._before):
            found = self._executions.execution(number)
            if found.isDefined():
                self._others.update(self._json(found.get().stages()))
            if not found.isDefined() or found.get().completionTime().isDefined():
                self._before.discard(number)

    def _is_scoring(self, stage_id: int) -> bool:
        if stage_id not in self._scores:
            graph = self._graphs.makeDotFile(self._store.operationGraphForStage(stage_id))
            self._scores[stage_id] = any(f'"{node}"' in graph for node in _NODES)
        return self._scores[stage_id]

    # -- rows ----------------------------------------------------------------------------------

    def _find_executions(self) -> None:
        """Open the executions that have begun since the last look."""
        executions = self._executions.executionsList()
        newest = self._newest
        for i in range(executions.size() - 1, -1, -1):
            number = int(executions.apply(i).executionId())
            if number <= self._newest:
                break
            self._open[number] = None
            newest = max(newest, number)
        self._newest = newest

    def _count_rows(self) -> Optional[int]:
        self._find_executions()
        for number in sorted(self._open):
            # Asked first: what the metrics say after the end is final.
            found = self._executions.execution(number)
            has_ended = not found.isDefined() or found.get().completionTime().isDefined()
            # By execution and not by counter: that of a cached plan stands in every plan over it.
            self._open[number] = self._rows_of(number)
            if has_ended:
                self._ended = _sum(self._ended, self._open.pop(number))
        total = self._ended
        for n_rows in self._open.values():
            total = _sum(total, n_rows)
        return total

    def _rows_of(self, number: int) -> Optional[int]:
        counters = self._counters(number)
        if not counters:
            return None
        values = self._json(self._executions.executionMetrics(number))
        told = [values[str(counter)] for counter in counters if str(counter) in values]
        return sum(int(text.replace(",", "")) for text in told)

    def _counters(self, number: int) -> List[int]:
        """The accumulators that count the rows that come back from the scorer."""
        # The plan changes while it runs (adaptive execution), and its accumulators with it.
        nodes = [
            node
            for node in self._json(self._executions.planGraph(number).allNodes())
            if node["name"] in _NODES
        ]
        ours = [node for node in nodes if _OURS.search(node["desc"])]
        if not ours:
            # A function of columns may be registered under another name.
            functions = [node for node in nodes if node["name"] not in MAP_NODES]
            ours = functions if len(functions) == 1 else []
        return [
            int(metric["accumulatorId"])
            for node in ours
            for metric in node["metrics"]
            if metric["name"] == _ROWS
        ]

    # -- executors -----------------------------------------------------------------------------

    def _look_at_executors(
        self, stages: List[Dict[str, Any]], n_rows: Optional[int]
    ) -> Tuple[int, int, int]:
        active = {
            executor["id"]
            for executor in self._json(self._store.executorList(True))
            if executor["activeTasks"]
        }
        n_read: Dict[str, int] = {}
        ended: Set[str] = set()
        for stage in stages:
            told = self._json(self._store.executorSummary(stage["stageId"], stage["attemptId"]))
            for name, summary in told.items():
                read = summary["inputRecords"] + summary["shuffleReadRecords"]
                n_read[name] = n_read.get(name, 0) + read
                if summary["succeededTasks"]:
                    ended.add(name)
        return self._answering.count(active, n_read, ended, n_rows, time.monotonic())


def _sum(one: Optional[int], other: Optional[int]) -> Optional[int]:
    return other if one is None else one if other is None else one + other


class Answering:
    """Which executors have answered rows, told from what Spark counts for each.  Pure.

    Spark counts for each executor the rows that it has read, and for all together the rows that
    came back from Python.  While its scorer loads, an executor reads what fits into the buffers
    and then stands still; so one whose count has moved since it was first told, or that has ended
    a task, has answered rows.  One that has not for two heartbeats is loading.  Where that cannot
    be told (a source that counts no rows), nothing is said.

    Parameters
    ----------
    patience_s : float
        Two heartbeats: within them no count has come.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._since_s: Dict[str, float] = {}
        self._first_read: Dict[str, int] = {}
        self._answering: Set[str] = set()
        self._n_rows = 0

    def count(
        self,
        active: Set[str],
        n_read: Dict[str, int],
        ended: Set[str],
        n_rows: Optional[int],
        now_s: float,
    ) -> Tuple[int, int, int]:
        """Return how many executors run tasks, and of these how many are scoring, and loading."""
        for name in active:
            self._since_s.setdefault(name, now_s)
            if n_read.get(name):
                first = self._first_read.setdefault(name, n_read[name])
                if n_read[name] != first:
                    self._answering.add(name)
        self._answering |= ended
        if n_rows and len(active) == 1:
            self._answering |= active
        n_scoring = len(active & self._answering)
        if n_rows is None or (n_rows and not any(n_read.values())):
            return len(active), n_scoring, 0
        loading = [
            name
            for name in active - self._answering
            if now_s - self._since_s[name] >= self._patience_s
        ]
        return len(active), n_scoring, len(loading)
