"""Runs the tasks of django.tasks with django-tasks-db: `manage.py worker`, in development with fast reload.

Nothing here is imported unless a project has the worker: `make add SERVICE=worker`.
"""
