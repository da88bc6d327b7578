"""The prompt templates that come with FlowForge, out of the package `flowforge_config`."""

from importlib.resources import files

from flowforge.resolve.templates import FILES, Templates, read_templates


def shipped_templates() -> Templates:
    """Read and check the shipped templates.

    Raises:
        Broken: the installation is damaged.
    """
    folder = files("flowforge_config") / "prompts"
    found = {name: folder / name for name in FILES}
    return read_templates({name: file.read_text("utf-8") for name, file in found.items() if file.is_file()})
