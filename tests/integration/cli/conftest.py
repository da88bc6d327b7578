import pytest


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Data of a test's own, and no settings of whoever runs the tests."""
    monkeypatch.setenv("FLOWFORGE_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("FLOWFORGE_CONFIG", "/nowhere/config.toml")
    for name in ("DATABASE_URL", "DATABASE_SYSTEM_URL", "REDIS_URL", "MODEL_PROVIDER", "SANDBOX"):
        monkeypatch.delenv(f"FLOWFORGE_{name}", raising=False)
