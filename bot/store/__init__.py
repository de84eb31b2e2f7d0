"""Ports kept in Redis."""
