"""Speed as ratios, each measured in one run against the bare library or a cold process."""
