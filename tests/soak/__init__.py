"""The soak: many jobs, faults, keys and kills; at the end nothing is lost, nothing doubled."""
