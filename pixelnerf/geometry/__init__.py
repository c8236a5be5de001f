"""Volume rendering's geometry as pure functions of tensors: no state, no configuration, no randomness of its own.

Frames: OpenCV camera axes (x right, y down, z forward), camera-to-world poses. Pixels: the image spans
[0, width] x [0, height], so the first pixel's centre is (0.5, 0.5). A point on a ray is `origin + t * direction`;
N samples of a ray are the intervals between N + 1 `edges`, which are values of t.

Matrix products are written as sums of products: `matmul` obeys autocast and TF32, and a position rounded to their 8 or
11 bits is off by pixels. So half-precision densities and colours are safe: they meet float32 here.
"""
