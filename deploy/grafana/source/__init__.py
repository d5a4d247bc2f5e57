"""Grafana's dashboards, made from code: `python -m deploy.grafana.source` writes deploy/grafana/dashboards/*.json."""
