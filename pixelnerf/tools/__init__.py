"""Small tools without a topic of their own: files, progress, spacing, the process."""
