"""Verdicts are kept, and the accepted ones become triplets that `cirray prepare catalog` reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cirray.cli.verb import run_verb
from cirray.search import SearchEngine
from cirray.service import Backend, Gallery, LocalShard, create_api
from cirray.service.feedback import FEEDBACK, FeedbackLog
from cirray.storage import Root
from tests.asgi_client import Api
