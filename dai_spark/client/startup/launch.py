"""Find the executor's sidecar for a plan, or start it: the first task takes the lock and starts."""

import json
import os
import shutil
import subprocess
import threading
import time
from dataclasses import asdict
from typing import List, Optional

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.license import find_license
from dai_spark.artifacts.manifest import MANIFEST_NAME
from dai_spark.client.executor import ExecutorContext
from dai_spark.client.sidecar_errors import SidecarErrors
from dai_spark.client.startup.sidecar_handle import SidecarHandle
from dai_spark.client.startup.start_failure import (
    ended_while_loading,
    remember_hang,
    remembered_failure,
    wait_for_verdict,
)
from dai_spark.host.cache_folder import private_folder
from dai_spark.host.child_environment import child_environment
from dai_spark.host.file_lock import try_lock
from dai_spark.plan.plan import ScoringPlan
from dai_spark.unpack.folders import (
    environment_folder,
    interpreter,
    pipeline_folder,
    sidecar_source,
)
from dai_spark.unpack.one_copy import keep_one_copy
from dai_spark.unpack.unpack_cache import in_use, touch, used_folders

__all__ = ["find_or_start"]

_POLL_S = 0.01
# Longer than a guard takes that is not itself stopped.
_END_S = 2.0
# A forked scorer that takes longer than this share of start_timeout_s for one row has hung.
_TRIAL_SHARE = 0.2


def find_or_start(plan: ScoringPlan, executor: ExecutorContext) -> SidecarHandle:
    """Return the sidecar of this executor for this plan, started if it does not run.

    Runs in a Python worker, once a task.  Many tasks may call it at the same moment: the one that
    gets the run folder's lock starts the sidecar and hands it the lock, so that the lock is held
    exactly as long as the sidecar lives; the others wait until it is ready, or has said why not.

    Raises
    ------
    LicenseError
        The pipeline refused its licence, or there is none.
    SidecarStartError
        `Scorer()` raised, or the process ended while loading.
    SidecarTimeoutError
        It was not ready within `start_timeout_s`, or was not a short while ago.
    PackedEnvironmentError
        The environment is not there, or this host cannot run it.
    """
    license = plan.license or find_license(os.environ)
    key = plan.key(license)
    run_folder = executor.folder / key[:20]
    log = (executor.log_folder or executor.folder) / f"dai_spark-sidecar-{key[:20]}.log"
    sidecar = SidecarHandle(run_folder, log, key, license)
    errors = SidecarErrors(plan, executor, sidecar)
    limit_s = plan.options.start_timeout_s
    deadline = time.monotonic() + limit_s
    process: Optional[subprocess.Popen[bytes]] = None
    folders = used_folders(plan)
    while True:
        try:
            lock = try_lock(executor.folder / f"{key[:20]}.lock")
        except OSError as error:
            raise errors.not_started(error) from error
        if lock is None:
            if sidecar.is_ready():
                failed = remembered_failure(sidecar, errors, limit_s)
                if failed is not None:
                    # Of a scorer that loads for itself.
                    raise failed
                sidecar.was_started = process is not None
                touch(folders)
                keep_one_copy(plan)
                return sidecar
        else:
            try:
                # The lock was free, so a sidecar that said that it listens was killed.  This comes
                # first: other tasks find the lock held from now on, and would call nobody.
                sidecar.forget_ready()
                if process is None:
                    wait_for_verdict(sidecar)
                failed = remembered_failure(sidecar, errors, limit_s)
                if failed is None and process is not None:
                    # Its lock is free, so it ends.
                    failed = ended_while_loading(sidecar, errors, process, wait_s=1.0)
                if failed is None and process is not None and process.poll() != 0:
                    failed = errors.ended_while_loading(process)
                if failed is not None:
                    raise failed
                with in_use(folders, limit_s) as uses:
                    process = _start(plan, executor, sidecar, lock, uses)
            finally:
                os.close(lock)
        if process is not None:
            failed = ended_while_loading(sidecar, errors, process, wait_s=0)
            if failed is not None:
                raise failed
        if time.monotonic() > deadline:
            if process is not None:
                # Before the lock is free, so that a task that waits for it starts no other.
                remember_hang(sidecar, limit_s)
                _end(process)
            raise errors.hung()
        time.sleep(_POLL_S)


def _end(process: "subprocess.Popen[bytes]") -> None:
    # It ends what the pipeline has started, and then itself.
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _start(
    plan: ScoringPlan, executor: ExecutorContext, sidecar: SidecarHandle, lock: int, uses: List[int]
) -> "subprocess.Popen[bytes]":
    pipeline = pipeline_folder(plan.pipeline, plan.options.start_timeout_s)
    environment = environment_folder(plan.environment, plan.options.start_timeout_s)
    if (environment / MANIFEST_NAME).is_file():
        # Only here: the driver may be of another system.  A folder without a manifest was packed by
        # something else and is taken at its word.
        PackedEnvironment(environment).check_machine(plan.environment.label)
    # The lock is free, so what lies here is of a sidecar that was killed.
    shutil.rmtree(sidecar.run_folder, ignore_errors=True)
    private_folder(sidecar.run_folder, "spark.local.dir")
    sidecar.begin_loading()
    spec = {
        "run_folder": str(sidecar.run_folder),
        "lock_fd": lock,
        "use_fds": uses,
        "log": str(sidecar.log),
        "key": sidecar.key,
        "pipeline_folder": str(pipeline),
        "license": sidecar.license.reveal() if sidecar.license is not None else None,
        "start_method": plan.options.start_method,
        "load_timeout_s": plan.options.start_timeout_s,
        "trial_timeout_s": plan.options.start_timeout_s * _TRIAL_SHARE,
        "idle_timeout_s": plan.options.idle_timeout_s,
        "diagnose": plan.options.diagnose,
        "owner": asdict(executor.owner),
    }
    python = interpreter(plan, environment)
    source = sidecar_source()
    try:
        log = os.open(sidecar.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                [str(python), "-s", "-X", "utf8", str(source)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=sidecar.run_folder,
                env=child_environment(environment, pipeline, plan.options.env_vars),
                # Inherited, the locks last as long as the sidecar.
                pass_fds=[lock, *uses],
                # A pyspark daemon hangs its process group up when it ends, and an executor has
                # several daemons: the sidecar watches the executor itself.
                start_new_session=True,
            )
        finally:
            os.close(log)
    except OSError as error:
        if error.filename != str(python):
            raise SidecarErrors(plan, executor, sidecar).not_started(error) from error
        raise SidecarErrors(plan, executor, sidecar).not_run(error, python) from error
    # Takes the exit status whenever it comes, so that no zombie is left.
    threading.Thread(target=process.wait, daemon=True).start()
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(spec).encode("utf-8"))
        process.stdin.close()
    except BrokenPipeError:
        # It is dead already; the loop in `find_or_start` sees the free lock and says why.
        pass
    return process
