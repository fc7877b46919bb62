"""Runs isolated tasks in processes of the worker's own, which are killed when a task is to stop.

This is the worker's side. What runs inside such a process is `isolated.py`.
"""
