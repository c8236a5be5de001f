"""Protocols, metrics, baselines, the evaluator and its report."""
