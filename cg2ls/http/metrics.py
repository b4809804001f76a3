"""Counts of this process for Prometheus, as text; they contain no code."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram's buckets."""


class Metrics:
    """Counts since the server started.

    Attributes:
        running: requests that are being answered.
        tokens: tokens that the model generated.
    """

    def __init__(self) -> None:
        self.running = 0
        self.tokens = 0
        self._requests: Counter[tuple[str, int]] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._buckets = [0] * (len(SECONDS) + 1)
        self._sum = 0.0

    def answered(self, path: str, status: int) -> None:
        """Count an answer."""
        self._requests[path, status] += 1

    def completed(self, outcome: str, tokens: int, seconds: float) -> None:
        """Count a completion.

        Args:
            outcome: `Completion.reason`, or "cancelled".
            tokens: number of generated tokens.
            seconds: time from the request to the completion.
        """
        self._outcomes[outcome] += 1
        self.tokens += tokens
        place = next((index for index, bound in enumerate(SECONDS) if seconds <= bound), len(SECONDS))
        self._buckets[place] += 1
        self._sum += seconds

    def to_text(self, *, is_loaded: bool) -> str:
        """Return the counts in Prometheus' text format.

        Args:
            is_loaded: whether a model holds memory.
        """
        lines = _family("cg2ls_http_requests_total", "counter", "Requests by path and status.")
        for (path, status), count in sorted(self._requests.items()):
            lines.append(f'cg2ls_http_requests_total{{path="{path}",status="{status}"}} {count}')
        lines += _family("cg2ls_http_requests_running", "gauge", "Requests that are being answered.")
        lines.append(f"cg2ls_http_requests_running {self.running}")
        lines += _family("cg2ls_completions_total", "counter", "Completions by outcome.")
        lines += [
            f'cg2ls_completions_total{{outcome="{name}"}} {count}'
            for name, count in sorted(self._outcomes.items())
        ]
        lines += _family("cg2ls_generated_tokens_total", "counter", "Tokens that the model generated.")
        lines.append(f"cg2ls_generated_tokens_total {self.tokens}")
        lines += _family("cg2ls_completion_seconds", "histogram", "Seconds from request to completion.")
        counts = list(accumulate(self._buckets))
        for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
            lines.append(f'cg2ls_completion_seconds_bucket{{le="{bound}"}} {count}')
        lines.append(f"cg2ls_completion_seconds_sum {self._sum:.6f}")
        lines.append(f"cg2ls_completion_seconds_count {counts[-1]}")
        lines += _family("cg2ls_model_loaded", "gauge", "Whether a model holds memory.")
        lines.append(f"cg2ls_model_loaded {int(is_loaded)}")
        return "\n".join(lines) + "\n"


def _family(name: str, kind: str, purpose: str) -> list[str]:
    return [f"# HELP {name} {purpose}", f"# TYPE {name} {kind}"]
