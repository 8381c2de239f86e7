"""Batches, the loop and prediction, in plain PyTorch. No Kedro."""
