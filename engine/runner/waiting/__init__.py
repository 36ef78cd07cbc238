"""Before a run starts: dependencies, leases, the GPU query and the scheduler."""
