"""Names of what a training run keeps in its folder (`--workdir`)."""

SETTINGS = "config.json"  # its configuration
HISTORY = "history.json"  # metrics of every evaluation
JOURNAL = "journal.jsonl"  # where the time of every attempt went
BEST = "best.safetensors"  # the weights of the best evaluation
CHECKPOINTS = "checkpoints"
TENSORBOARD = "tensorboard"
