"""Training refiners on renders of a trained model."""
