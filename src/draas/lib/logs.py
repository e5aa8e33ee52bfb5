"""Logging: one line an event on stderr; colours on a terminal, JSON where DRAAS_LOG=json."""

import logging
import os
import sys

import structlog


def set_up_logs() -> None:
    """Configure structlog for this process. Level by DRAAS_LOG_LEVEL (default info)."""
    level = logging.getLevelNamesMapping().get(os.environ.get("DRAAS_LOG_LEVEL", "info").upper(), logging.INFO)
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if os.environ.get("DRAAS_LOG") == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
