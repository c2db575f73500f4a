"""What is asked of a stack's metrics: dashboards, alerts, and how Prometheus comes by them. Pure.

plan -> boards, alerts -> grafana, PrometheusRule       monitors -> scraping
"""
