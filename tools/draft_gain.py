"""Print what drafts of a smaller model gain at equal output, as a function of the share of accepted tokens.

    python tools/draft_gain.py TARGET DRAFT --acceptance 0.5 0.6 0.7 0.8

The target and the draft are model folders of one vocabulary; their weights may be random. The draft model runs as it
would, but each token that it proposes is the target's with the stated probability. So the cost is real and the
acceptance is given. Answers with and without drafts take turns and must be the same.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from cg2ls.engine import Engine, EngineOptions, Request
from cg2ls.engine.model_runner import ModelRunner
from cg2ls.engine.onnx_session import default_threads
from cg2ls.engine.sequence import PreparedRequest
from cg2ls.engine.speculative import Drafter
from cg2ls.models.folder.description import ModelDescription

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from cg2ls.engine.speculative import DraftLengthPolicy


class OracleDraft:
    """Drafts at the cost of a smaller model, right with a given probability per token.

    Args:
        runner: the smaller model; its proposals are replaced.
        prompt: prompt of the answer, int64 [count].
        answer: the target's own answer.
        acceptance: probability that a drafted token is right.
        seed: of the mistakes.
    """

    name = "model"

    def __init__(
        self,
        runner: ModelRunner,
        prompt: NDArray[np.int64],
        answer: Sequence[int],
        *,
        acceptance: float,
        seed: int,
    ) -> None:
        self.cost = runner.costs.seconds(1)
        self._context = runner.contexts.take(prompt)
        self._prompt = prompt
        right = np.random.default_rng(seed).random(len(answer)) < acceptance
        self._proposals = [token if ok else token ^ 1 for token, ok in zip(answer, right, strict=True)]

    def draft(self, generated: Sequence[int], max_tokens: int) -> Sequence[int]:
        """Run the smaller model over what is new to it, then once per further drafted token."""
        if not generated:
            return ()
        known = np.concatenate([self._prompt, np.asarray(generated, dtype=np.int64)])
        cached = self._context.cached
        start = min(cached.count_common_prefix(known), len(known) - 1)
        cached.truncate(start)
        for chunk in range(start, len(known), 128):
            int(self._context.run(known[chunk : chunk + 128])[0].argmax())
        drafted = self._proposals[len(generated) : len(generated) + max_tokens]
        for token in drafted[:-1]:
            int(self._context.run(np.array([token], dtype=np.int64))[0].argmax())
        return drafted


class Pair:
    """The target and the draft, opened once.

    Args:
        target: the larger model folder.
        draft: the smaller one.
        tokens: length of answers.
    """

    def __init__(self, target: Path, draft: Path, tokens: int) -> None:
        self.engine = Engine.open(target, options=EngineOptions(drafts=True))
        self.smaller = ModelRunner.open(
            draft, ModelDescription.read(draft), provider="cpu", threads=default_threads()
        )
        self.smaller.calibrate(whole=False)
        self._tokens = tokens

    def answer(self, prompt: list[int], acceptance: float | None, expected: list[int]) -> tuple[float, int]:
        """Answer once; return the milliseconds after the prompt and the number of the target's calls.

        Args:
            prompt: cached by the target.
            acceptance: None for no drafts.
            expected: the answer; filled if it is empty.
        """
        smaller = self.smaller

        def new_drafter(prepared: PreparedRequest, policy: DraftLengthPolicy, *_: object) -> Drafter:
            if acceptance is None:
                return Drafter([], policy)
            oracle = OracleDraft(smaller, prepared.prompt, expected, acceptance=acceptance, seed=sum(prompt))
            return Drafter([oracle], policy)

        PreparedRequest.new_drafter = new_drafter  # type: ignore[method-assign, assignment]
        request = Request(prompt=prompt, max_tokens=self._tokens, ignore_stop_tokens=True)
        found = [step.token for step in self.engine.complete(request)]
        if expected and found != expected:
            raise SystemExit("The drafts changed the answer; the model's rows are not independent here.")
        expected[:] = found
        return self.engine.last.decode_ms, self.engine.last.decode_calls


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=Path)
    parser.add_argument("draft", type=Path)
    parser.add_argument("--acceptance", type=float, nargs="+", default=[0.5, 0.6, 0.7, 0.8])
    parser.add_argument("--prompt", type=int, default=512, help="tokens before the answer")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of an answer")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    pair = Pair(options.target, options.draft, options.tokens)
    costs = [pair.engine.estimate_call_cost(count) for count in (2, 4, 8)]
    gains: dict[float, list[tuple[float, float, float]]] = {share: [] for share in options.acceptance}
    random = np.random.default_rng(1)
    for _ in range(options.turns):
        prompt = random.integers(0, 50000, options.prompt).tolist()
        expected: list[int] = []
        pair.answer(prompt, None, expected)
        for share, found in gains.items():
            plain, _ = pair.answer(prompt, None, expected)
            pair.smaller.contexts.newest.cached.truncate(0)
            first, _ = pair.answer(prompt, share, expected)
            again, calls = pair.answer(prompt, share, expected)
            found.append((plain / first, plain / again, calls))
    print(f"a call of 2, 4, 8 tokens costs {', '.join(f'{cost:.2f}' for cost in costs)} of one")
    print("| accepted | gain, draft reads the prompt | gain, prompt cached | calls per token |")
    print("|---|---|---|---|")
    for share, found in gains.items():
        first, again, calls = (median(column) for column in zip(*found, strict=True))
        print(f"| {share:.0%} | {first:.2f} | {again:.2f} | {calls / (options.tokens - 1):.2f} |")


if __name__ == "__main__":
    main()
