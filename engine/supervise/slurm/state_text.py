"""Slurm's states and reasons in words."""

import re

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"})
AT_WORK = frozenset(
    {"CONFIGURING", "RUNNING", "COMPLETING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED", "RESIZING"}
)
ENDED = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL", "OUT_OF_MEMORY",
        "PREEMPTED", "REVOKED", "TIMEOUT", "UNKNOWN",
    }
)  # fmt: skip
"""Any other state, one that only a later Slurm knows among them, is a job that lives."""
ENDING = "COMPLETING"
NEVER = "DependencyNeverSatisfied"
HELD_BY_USER = "JobHeldUser"
_HELD = frozenset({HELD_BY_USER, "JobHeldAdmin", "JobHoldMaxRequeue"})
_REASONS = {
    "": "about to be looked at",
    "AssocGrpBillingMinutes": "the account has used up its budget",
    "AssocGrpCpuLimit": "the account is at its limit of CPUs",
    "AssocGrpGRES": "the account is at its limit of GPUs",
    "AssocMaxJobsLimit": "the account is at its limit of jobs",
    "BadConstraints": "no node fits what it asks for",
    "BeginTime": "not to start before a certain time",
    "Dependency": "waits for the jobs that it needs",
    "InvalidAccount": "the account is not valid",
    "InvalidQOS": "the quality of service is not valid",
    "JobArrayTaskLimit": "too many of its kind at once",
    "JobHeldAdmin": "held by an administrator",
    "JobHeldUser": "held",
    "JobHoldMaxRequeue": "held: it was put back too often",
    "Licenses": "waits for a licence",
    "MaxJobsPerAccount": "the account is at its limit of jobs",
    "NodeDown": "a node that it needs is down",
    "PartitionDown": "the partition is down",
    "PartitionInactive": "the partition is not active",
    "PartitionNodeLimit": "it asks for more nodes than the partition gives",
    "PartitionTimeLimit": "it asks for more time than the partition gives",
    "Prolog": "the node is being prepared",
    "Priority": "behind other jobs",
    "QOSGrpGRES": "at the limit of GPUs",
    "QOSMaxGRESPerUser": "you are at your limit of GPUs",
    "QOSMaxJobsPerUserLimit": "you are at your limit of jobs",
    "ReqNodeNotAvail": "a node that it needs is not available",
    "Reservation": "waits for its reservation",
    "Resources": "waits for free resources",
}


def why_it_waits(state: str, reason: str) -> str:
    """Return `Slurm: behind other jobs (Priority)`."""
    key = reason.split(",")[0].split(":")[0]
    reason_text = _REASONS.get(key)
    if reason_text is None:
        # QOSMaxCpuPerUserLimit → `qos max cpu per user limit`: still Slurm's words, but words.
        reason_text = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_", " ", key).lower()
    put_back = "put back into the queue, " if state.startswith("REQUEUE") else ""
    return f"Slurm: {put_back}{reason_text}" + (f" ({reason})" if reason and key not in _HELD else "")


def where_it_runs(job_id: str, state: str, nodes: str) -> str:
    """Return `Slurm job 12 on node7`."""
    more = {"SUSPENDED": ", suspended", "STOPPED": ", suspended", ENDING: ", ending"}.get(state, "")
    return f"Slurm job {job_id}" + (f" on {nodes}" if nodes else "") + more


def why_it_ended(state: str, limit: str = "") -> str:
    """Return what Slurm did to a job, or what became of it."""
    known_states = {
        "BOOT_FAIL": "the node could not be started",
        "CANCELLED": "cancelled at Slurm",
        "COMPLETED": "Slurm says it has completed",
        "DEADLINE": "its deadline at Slurm is over",
        "FAILED": "the job failed",
        "LAUNCH_FAILED": "Slurm could not launch it",
        "NODE_FAIL": "the node failed",
        "OUT_OF_MEMORY": "out of the memory that it asked Slurm for",
        "PREEMPTED": "preempted by a job of a higher priority",
        "REVOKED": "another cluster of the federation has taken it over",
        "TIMEOUT": f"the time limit of {limit} is over" if limit else "its time limit is over",
        "UNKNOWN": "Slurm does not know its job any more",
    }
    return known_states.get(state, f"Slurm says {state}")
