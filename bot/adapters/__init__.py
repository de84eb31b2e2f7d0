"""One package or file for each place people talk; they never see each other."""
