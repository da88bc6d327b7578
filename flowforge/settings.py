"""Settings: one model, read from the environment and a TOML file, every field documented in config/default.yaml.

A name is looked for as environment variable `FLOWFORGE_NAME`, then in the TOML file (`FLOWFORGE_CONFIG` names
another than the usual one), then here. Lists are written with commas in the environment. A setting that makes
no sense stops the start with its name and what was expected; a secret's value is never shown.
"""

import json
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from flowforge.core.errors import Broken, Reason
from flowforge.core.places import config_file

PREFIX = "FLOWFORGE_"


def _comma_list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_comma_list)]
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(BaseSettings):
    """What an operator may choose. Seconds, bytes, US dollars; "" means "not set"."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    # where things are kept
    data_dir: Path = Path("~/.local/share/flowforge")
    local_memory: bool = True
    # Postgres and Redis
    database_url: SecretStr = SecretStr("")
    database_app_url: SecretStr = SecretStr("")
    database_system_url: SecretStr = SecretStr("")
    database_connections: PositiveInt = 20
    redis_url: SecretStr = SecretStr("")
    # HTTP
    host: str = "127.0.0.1"
    port: Port = 8080
    api_processes: PositiveInt = 1
    api_threads: PositiveInt = 16
    trusted_hops: NonNegativeInt = 0
    # workers and the relay
    worker_threads: PositiveInt = 2
    lease_seconds: PositiveFloat = 15.0
    renew_seconds: PositiveFloat = 5.0
    sweep_seconds: PositiveFloat = 5.0
    drain_seconds: PositiveFloat = 30.0
    jobs_per_organization: PositiveInt = 50
    decision_hours: PositiveFloat = 72.0
    log_days: NonNegativeInt = 90
    event_days: NonNegativeInt = 90
    text_days: NonNegativeInt = 90
    stage_days: NonNegativeInt = 400
    push_days: NonNegativeInt = 400
    memory_days: NonNegativeInt = 400
    usage_days: NonNegativeInt = 800
    execution_days: NonNegativeInt = 400
    audit_days: NonNegativeInt = 400
    # git
    git_protocols: Words = ("https", "ssh")
    git_hosts: Words = ()
    git_timeout: PositiveFloat = 600.0
    committer_name: str = "FlowForge"
    committer_email: str = "flowforge@localhost"
    # commands of repositories
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"
    sandbox_tools: Words = ()
    sandbox_host_network: bool = False
    # models
    model_provider: str = ""
    model_name: str = ""
    model_key: SecretStr = SecretStr("")
    model_base_url: str = ""
    model_timeout: PositiveFloat = 120.0
    model_effort: str = ""
    model_thinking: NonNegativeInt = 0
    model_command: Words = ()
    model_command_env: Words = ()
    model_prices: Path | None = None
    model_cassette: Path | None = None
    model_cassette_mode: Literal["replay", "record"] = "replay"
    model_monthly_usd: NonNegativeFloat = 0.0
    model_limits: Words = ("user 10 requests/minute", "user 100 requests/hour", "organization 20 usd/hour")
    model_answer_days: NonNegativeInt = 30
    model_calls_at_once: PositiveInt = 4
    model_outage_hours: PositiveFloat = 24.0
    model_breaker: NonNegativeInt = 5
    # secrets at rest
    key_provider: str = "local"
    key_file: Path | None = None
    key: SecretStr = SecretStr("")
    # plugins
    plugins: Words = ()
    # what is told
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 9464
    metrics_repository: bool = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the library's signature)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the library's signature)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values, then the environment, then the file; no .env is ever read from where we happen to stand."""
        file = TomlConfigSettingsSource(settings_cls, toml_file=cls.model_config.get("toml_file"))
        return (init_settings, env_settings, file)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.renew_seconds * 2 > self.lease_seconds:
            raise ValueError(
                "renew_seconds must be at most half of lease_seconds, or one late renewal loses the job"
            )
        return self

    @property
    def folder(self) -> Path:
        """`data_dir`, with `~` resolved."""
        return self.data_dir.expanduser()

    @property
    def key_path(self) -> Path:
        return (self.key_file or self.folder / "keys" / "master").expanduser()

    def model_settings(self, secret: str) -> dict[str, str]:
        """What a model provider's factory is handed; `secret` is the name under which it looks for its key.

        Lists are JSON, since all values are texts.
        """
        known = {
            "base_url": self.model_base_url,
            "timeout": f"{self.model_timeout:g}",
            "effort": self.model_effort,
            "command": json.dumps(self.model_command),
            "command_env": json.dumps(self.model_command_env),
        }
        return {**known, secret: self.model_key.get_secret_value()} if secret else known

    def key_settings(self) -> dict[str, str]:
        """What a key provider's factory is handed."""
        return {"file": str(self.key_path), "key": self.key.get_secret_value()}

    def secrets(self) -> tuple[str, ...]:
        """Every secret that is set, for the masks of logs."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return tuple(
            v.get_secret_value() for v in values if isinstance(v, SecretStr) and v.get_secret_value()
        )


def read_settings(file: Path | None = None, **given: object) -> Settings:
    """Read the settings; `given` values (command line) win over all else.

    Raises:
        Broken: a value makes no sense, a name is unknown, or the file is no TOML. All problems are named.
    """
    path = file or config_file(os.environ)

    class FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=path)

    try:
        return FromFile(**given)  # type: ignore[arg-type]  # checked by the model itself
    except ValidationError as error:
        raise _wrong("; ".join(_said(problem["loc"], problem["msg"]) for problem in error.errors())) from None
    except ValueError as error:  # TOMLDecodeError
        raise _wrong(f"{path} is no TOML: {error}") from None
    except OSError as error:
        raise _wrong(f"{path} could not be read: {error.strerror}") from None


def _said(where: tuple[int | str, ...], what: str) -> str:
    name = ".".join(map(str, where))
    return f"{name} ({PREFIX}{name.upper()}): {what}" if name else what


def _wrong(sentence: str) -> Broken:
    return Broken(
        Reason.CONFIGURATION,
        f"the settings are not possible: {sentence}",
        next_action="mend them; every setting is described by `flowforge help settings`",
    )
