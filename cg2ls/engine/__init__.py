"""Runs a model folder: ONNX Runtime session, key/value cache, decode loop, sampling."""

from cg2ls.engine.engine import PREFILL_CHUNK, Engine
from cg2ls.engine.prior import Prior
from cg2ls.engine.request import EngineError, Request, Step, Timing, never

__all__ = ["PREFILL_CHUNK", "Engine", "EngineError", "Prior", "Request", "Step", "Timing", "never"]
