"""One reader a format, and what they share: camera files, lenses, captures."""
