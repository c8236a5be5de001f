"""Training of refiners on renders of a trained model."""
