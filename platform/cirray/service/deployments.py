"""The service as Ray Serve deployments: one for each shard, and one that composes and answers HTTP."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError
from ray.serve import Application
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException
from ray.serve.handle import DeploymentHandle

from cirray.config import from_mapping
from cirray.errors import MismatchError
from cirray.index import IndexVersion
from cirray.index.embedder import Vectors
from cirray.search import SearchEngine, ShardAnswer, ask_shard
from cirray.service.app import create_api
from cirray.service.backend import Backend
from cirray.service.config import ServiceConfig
from cirray.service.fanout import ShardFaultError
from cirray.service.gallery import Gallery
from cirray.service.serving_set import ServingSet
from cirray.storage import Root

INGRESS = "Search"
_ATTEMPTS = 2
