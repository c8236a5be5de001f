"""Training under Lightning: configuration, module, callbacks, checkpoints."""
