"""Meshes to photos: camera rigs, surfaces, an anti-aliased ray caster, and the folders it writes.

Frame: meshes are y up and face -z, as in ShapeNetCore v2. Everything here is numpy, so that a worker process starts
without loading torch.
"""
