"""The exported bundle at run time: verify, load, predict. No kedro, torch or transformers."""
