"""Grafana's dashboards, one module of `pages` each; `python -m deploy.grafana` writes their JSON.

Grafana reads the files in `dashboards`. They are committed as written, so that a change is reviewed
in both; change the module, never the file.
"""
