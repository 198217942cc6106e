"""Prototype a RunPod Serverless worker in a notebook and export exactly what was tested."""

from rp_notebook.jobs.handler import Handler
from rp_notebook.jobs.record import JobRecord
from rp_notebook.jobs.running import arun_job, run_job

__all__ = ["Handler", "JobRecord", "arun_job", "run_job"]
