"""Files that outlive a worker: checkpoints, backups, reports. The only room that imports obstore."""
