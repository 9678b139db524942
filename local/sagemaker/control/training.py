"""The life of training jobs: from Starting to Completed, Failed or Stopped, and through a spot reclaim."""

import contextlib
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.sagemaker.control import attempt
from local.sagemaker.control.attempt import Control, Metrics, Room
from local.sagemaker.control.aws import FAULTS, Engine
from local.sagemaker.control.errors import JobError
from local.sagemaker.control.layout import Layout, pack
from local.sagemaker.control.log import JobLog
from local.sagemaker.control.names import TRAINING_JOB, arn, key, now
from local.sagemaker.control.settings import Settings
from local.sagemaker.control.store import Record, Store, without_tags

ENDED = frozenset({"Completed", "Failed", "Stopped"})
MAX_REASON = 1_024
MAX_RUNTIME_SECONDS = 86_400
# A tag of this key takes the machine away from a managed spot job: at once when added, or, when the job is created
# with it, after so many seconds.
SPOT_TAG = "local:spot-interruption"
SPOT_PAUSE_SECONDS = 60.0
CUT_OFF = "InternalServerError: The local SageMaker was stopped while this job ran. Start the job again."
INTERNAL_FAULT = "InternalServerError: We encountered an internal error. Its trace is in sagemaker-control/log."
MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading the training data and source",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Interrupted": "Training job interrupted: the spot instance was taken back",
    "Restarting": "Preparing the instances for training again",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


class TrainingJobs:
    """Runs training jobs, so many at a time; the others wait in the order in which they were created."""

    def __init__(self, store: Store, engine: Engine, directory: Path, settings: Settings) -> None:
        self._store = store
        self._engine = engine
        self._directory = directory / "jobs"
        self._settings = settings
        self._slots = threading.Semaphore(settings.jobs_at_a_time)
        self._controls: dict[str, Control] = {}

    def launch(self, name: str, after_interruption: bool = False) -> None:
        """Run a job whose record is there, in the background."""
        control = self._controls[key(name)] = Control()
        # Whoever told it to stop before there was a control has changed its status first.
        if (self._store.get(TRAINING_JOB, key(name)) or {}).get("TrainingJobStatus") == "Stopping":
            control.stop.set()
        arguments = (key(name), control, after_interruption)
        threading.Thread(target=self._run, args=arguments, daemon=True, name=f"job {name}").start()

    def stop(self, name: str) -> None:
        """End a job; its status says so until it has."""
        with self._store.lock:
            record = self._store.get(TRAINING_JOB, key(name))
            if record is None or record["TrainingJobStatus"] != "InProgress":
                return
            self._store.change(TRAINING_JOB, key(name), TrainingJobStatus="Stopping")
            self._enter(key(name), "Stopping")
        if control := self._controls.get(key(name)):
            control.stop.set()

    def interrupt(self, name: str, after_seconds: float = 0.0) -> None:
        """Take the machine away from a managed spot job."""
        control = self._controls.get(key(name))
        record = self._store.get(TRAINING_JOB, key(name)) or {}
        if control is not None and record.get("EnableManagedSpotTraining"):
            timer = threading.Timer(after_seconds, control.interrupt.set)
            timer.daemon = True
            timer.start()

    def resume(self) -> None:
        """After a start: go on with what can, and settle what cannot."""
        shutil.rmtree(self._directory, ignore_errors=True)
        for record in self._store.all(TRAINING_JOB):
            name = key(record["TrainingJobName"])
            if record["TrainingJobStatus"] == "Stopping":
                self._finish(name, "Stopped", "Stopped")
            elif record["TrainingJobStatus"] != "InProgress":
                continue
            elif record["SecondaryStatus"] in ("Starting", "Restarting"):
                self.launch(name)
            elif record.get("EnableManagedSpotTraining"):
                self._enter(name, "Interrupted")
                self.launch(name, after_interruption=True)
            else:
                self._finish(name, "Failed", "Failed", CUT_OFF)

    # ---- one job ---------------------------------------------------------------------------------

    def _run(self, name: str, control: Control, after_interruption: bool) -> None:
        folder, job = self._directory / name, self._record(name)
        log = JobLog(self._engine, job["TrainingJobName"])
        room = Room(Layout(folder / "ml"), self._engine, self._settings, control, Metrics.of(job), log)
        try:
            while not self._slots.acquire(timeout=0.1):
                if control.stop.is_set():
                    self._finish(name, "Stopped", "Stopped")
                    return
            try:
                self._run_to_the_end(name, room, after_interruption)
            finally:
                self._slots.release()
        except JobError as error:
            self._finish(name, "Failed", "Failed", str(error))
        except (*FAULTS, OSError, ValueError) as error:
            self._finish(name, "Failed", "Failed", f"InternalServerError: {error}")
        except BaseException:
            # A fault of ours; the job must not seem to run for ever.
            self._finish(name, "Failed", "Failed", INTERNAL_FAULT)
            raise
        finally:
            log.close()
            self._controls.pop(name, None)
            shutil.rmtree(folder, ignore_errors=True)

    def _run_to_the_end(self, name: str, room: Room, after_interruption: bool) -> None:
        used = float(self._record(name).get("_seconds_used", 0.0))
        if after_interruption:
            self._wait_for_a_machine(name, room.control)
        while True:
            job = self._record(name)
            self._enter(name, "Downloading")
            if "TrainingStartTime" not in job:
                job = self._store.change(TRAINING_JOB, name, TrainingStartTime=now())
            attempt.fill(job, room.layout, self._engine)
            self._enter(name, "Training")
            started = time.monotonic()
            limit = job["StoppingCondition"].get("MaxRuntimeInSeconds", MAX_RUNTIME_SECONDS)
            try:
                cause = attempt.run(job, room, limit - used, lambda: self._say_why(name, room.control))
            except JobError:
                self._upload_output(name, room.layout)
                raise
            finally:
                used += time.monotonic() - started
                metrics = list(room.metrics.values.values()) or None
                self._store.change(TRAINING_JOB, name, _seconds_used=used, FinalMetricDataList=metrics)
            if cause != "interrupted":
                break
            room.control.interrupt.clear()
            self._wait_for_a_machine(name, room.control)
        self._upload(name, room.layout, cause)

    def _say_why(self, name: str, control: Control) -> None:
        """The status while the program has its time to end."""
        with self._store.lock:
            if control.stop.is_set():
                return
            if control.interrupt.is_set():
                self._enter(name, "Interrupted")
            else:
                self._store.change(TRAINING_JOB, name, TrainingJobStatus="Stopping")
                self._enter(name, "MaxRuntimeExceeded")

    def _wait_for_a_machine(self, name: str, control: Control) -> None:
        control.stop.wait(SPOT_PAUSE_SECONDS / self._settings.speed)
        if not control.stop.is_set():
            self._enter(name, "Restarting")

    def _upload(self, name: str, layout: Layout, cause: str) -> None:
        completed = cause == "ended"
        if completed:
            self._enter(name, "Uploading")
        self._upload_output(name, layout)
        archive = layout.root.parent / "model.tar.gz"
        if pack(layout.model, archive) or completed:
            self._engine.upload(archive, self._record(name)["ModelArtifacts"]["S3ModelArtifacts"])
        if completed:
            self._finish(name, "Completed", "Completed")
        else:
            self._finish(name, "Stopped", "MaxRuntimeExceeded" if cause == "out of time" else "Stopped")

    def _upload_output(self, name: str, layout: Layout) -> None:
        archive = layout.root.parent / "output.tar.gz"
        if pack(layout.output / "data", archive):
            model = self._record(name)["ModelArtifacts"]["S3ModelArtifacts"]
            self._engine.upload(archive, model.removesuffix("model.tar.gz") + "output.tar.gz")

    # ---- statuses --------------------------------------------------------------------------------

    def _record(self, name: str) -> Record:
        record = self._store.get(TRAINING_JOB, name)
        if record is None:
            raise JobError("ClientError: the job was deleted")
        return record

    def _enter(self, name: str, status: str, message: str = "") -> None:
        """The next secondary status, with the time at which the last one ended."""
        with self._store.lock:
            record = self._record(name)
            if record["SecondaryStatus"] == status:
                return
            # A job that is told to stop says so until it has stopped.
            if record["TrainingJobStatus"] == "Stopping" and status in ("Downloading", "Training", "Restarting"):
                return
            moment = now()
            self._store.change(
                TRAINING_JOB,
                name,
                SecondaryStatus=status,
                SecondaryStatusTransitions=[*_ended(record, moment), transition(status, moment, message)],
                LastModifiedTime=moment,
            )

    def _finish(self, name: str, status: str, secondary: str, reason: str = "") -> None:
        with self._store.lock, contextlib.suppress(JobError):
            record = self._record(name)
            if record["TrainingJobStatus"] == "Stopping" and status == "Failed":
                status, secondary, reason = "Stopped", "Stopped", ""
            self._enter(name, secondary, reason)
            moment = now()
            fields: dict[str, Any] = {
                "TrainingJobStatus": status,
                "SecondaryStatusTransitions": _ended(self._record(name), moment),
                "TrainingEndTime": moment,
                "LastModifiedTime": moment,
                "FailureReason": reason[:MAX_REASON] or None,
            }
            if start := record.get("TrainingStartTime"):
                fields["TrainingTimeInSeconds"] = max(1, round(moment - start))
                used = record.get("_seconds_used", moment - start)
                fields["BillableTimeInSeconds"] = max(1, round(used))
            self._store.change(TRAINING_JOB, name, **fields)


def transition(status: str, moment: float, message: str = "") -> dict[str, Any]:
    """The beginning of a secondary status."""
    return {"Status": status, "StartTime": moment, "StatusMessage": message or MESSAGES[status]}


def _ended(record: Record, moment: float) -> list[dict[str, Any]]:
    *before, last = record["SecondaryStatusTransitions"]
    return [*before, last if "EndTime" in last else {**last, "EndTime": moment}]


def new_record(request: Mapping[str, Any], **more: Any) -> Record:
    """The record of a job that begins."""
    moment, name = now(), request["TrainingJobName"]
    output = request["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    return {
        **without_tags(request),
        "TrainingJobArn": arn(TRAINING_JOB, name),
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        "SecondaryStatusTransitions": [transition("Starting", moment)],
        "ModelArtifacts": {"S3ModelArtifacts": f"{output}/{name}/output/model.tar.gz"},
        "CreationTime": moment,
        "LastModifiedTime": moment,
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "EnableInterContainerTrafficEncryption": request.get("EnableInterContainerTrafficEncryption", False),
        "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
        "ProfilingStatus": "Disabled",
        **more,
    }
