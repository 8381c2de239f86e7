"""Fine-tuning: from token ids to a model and its training history."""
