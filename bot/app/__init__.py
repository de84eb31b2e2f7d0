"""Use cases: one class for each thing people do."""
