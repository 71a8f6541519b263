"""The IBMQ-compatible service: an API, a store of jobs, a queue, and child processes with Aer."""
