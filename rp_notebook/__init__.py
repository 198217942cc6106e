"""Prototype a RunPod Serverless worker in a notebook and export exactly what was tested."""
