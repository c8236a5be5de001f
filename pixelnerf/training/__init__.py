"""Training under Lightning: the experiment's configuration, the module, its callbacks, checkpoints."""
