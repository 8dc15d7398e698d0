"""The service as it ships, for a server process that the benchmark starts."""

import os
from pathlib import Path

from app.database import Database, make_engine
from app.main import create_app
from app.settings import Settings
from app.telemetry import configure_logging

settings = Settings(data_dir=Path(os.environ["BENCH_DATA_DIR"]), rate_limit_per_minute=10_000_000)
configure_logging("info")
application = create_app(settings, Database(make_engine(os.environ["BENCH_URL"], settings)))
