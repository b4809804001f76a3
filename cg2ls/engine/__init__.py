"""Run a model folder: ONNX Runtime session, key/value caches, decode loop, drafts, sampling."""

from cg2ls.engine.engine import Engine
from cg2ls.engine.request import EngineError, EngineOptions, Prior, Request, RequestError, Step, Timing, never

__all__ = [
    "Engine",
    "EngineError",
    "EngineOptions",
    "Prior",
    "Request",
    "RequestError",
    "Step",
    "Timing",
    "never",
]
