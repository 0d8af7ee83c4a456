"""The live page: a run, a training or a comparison under way, served to a browser on this machine alone."""
