"""The radiance field and its image conditioning: encoder, look-up, field, renderer, and the net that joins them."""
