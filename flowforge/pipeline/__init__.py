"""From YAML to a plan to stages that run. `load` reads a definition, `runner` walks it, `stages` do the work.

Introduces skills and edges to one another for the length of a stage. The only room that imports ruamel.yaml and cel.
"""
