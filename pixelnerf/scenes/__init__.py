"""What a scene is, and how scenes become batches: photos, sampler, data module, mixtures."""
