"""Scenes, and how they become batches: photos, sampler, data module, mixtures."""
