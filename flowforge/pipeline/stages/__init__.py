"""The built-in stages, one module each: `run(spec, work, tools) -> (StageResult, Work)`."""
