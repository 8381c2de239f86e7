"""Checkpoints and their doctor, models, devices, ONNX export. No Kedro."""
