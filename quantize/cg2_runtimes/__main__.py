"""Commands of `python -m cg2_runtimes`: make the reference model, convert for another runtime, compare, serve."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import closing
from pathlib import Path

from cg2ls.errors import Cg2Error

SHAPES = ("reference-8x512", "qwen2.5-coder-0.5b")
"""As in `cg2_runtimes.prepare`, which is imported only to make one."""

RUNTIMES = ("optimum", "ctranslate2", "llamacpp")


def main() -> int:
    """Run one command; the last line on stderr states the problem."""
    arguments = _parser().parse_args()
    try:
        arguments.run(arguments)
    except Cg2Error as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cg2_runtimes", description=__doc__)
    commands = parser.add_subparsers(required=True)
    reference = commands.add_parser("reference", help="a model folder of random weights in a known shape")
    reference.add_argument("-o", "--output", type=Path, required=True)
    reference.add_argument("--shape", choices=SHAPES, default=SHAPES[0])
    reference.add_argument("--layers", type=int, help="fewer layers than the shape's")
    reference.add_argument("--format", choices=("int8", "int4"), default="int8")
    reference.set_defaults(run=_reference)
    prepare = commands.add_parser("prepare", help="convert a model folder for another runtime")
    prepare.add_argument("runtime", choices=RUNTIMES)
    prepare.add_argument("folder", type=Path)
    prepare.add_argument("-o", "--output", type=Path, required=True)
    prepare.set_defaults(run=_prepare)
    distance = commands.add_parser("distance", help="compare a model folder with optimum's export")
    distance.add_argument("checkpoint", type=Path)
    distance.add_argument("folder", type=Path)
    distance.add_argument("--tokens", type=int, required=True)
    distance.set_defaults(run=_distance)
    serve = commands.add_parser("serve", help="answer requests on stdin and stdout")
    serve.add_argument("runtime", choices=RUNTIMES)
    serve.add_argument("folder", type=Path)
    serve.add_argument("--threads", type=int, required=True)
    serve.set_defaults(run=_serve)
    return parser


def _reference(arguments: argparse.Namespace) -> None:
    from cg2_runtimes.prepare import write_reference_model

    write_reference_model(arguments.output, arguments.shape, arguments.format, arguments.layers)


def _prepare(arguments: argparse.Namespace) -> None:
    from cg2_runtimes.prepare import prepare

    prepare(arguments.runtime, arguments.folder, arguments.output)


def _distance(arguments: argparse.Namespace) -> None:
    from cg2_runtimes.optimum_distance import distance

    print(json.dumps(distance(arguments.checkpoint, arguments.folder, arguments.tokens)))


def _serve(arguments: argparse.Namespace) -> None:
    from cg2ls.evaluation.runtimes.worker_protocol import serve_stdio

    if arguments.runtime == "optimum":
        from cg2_runtimes.optimum_runtime import OptimumLoop

        serve_stdio(OptimumLoop(arguments.folder, arguments.threads))
    elif arguments.runtime == "ctranslate2":
        from cg2_runtimes.ctranslate2_runtime import CTranslate2Generator

        serve_stdio(CTranslate2Generator(arguments.folder, arguments.threads))
    else:
        _serve_llamacpp(arguments)


def _serve_llamacpp(arguments: argparse.Namespace) -> None:
    """Serve llama.cpp's server, or its C interface where only llama-cpp-python is installed."""
    from cg2_runtimes.llamacpp_server import has_server, start_server
    from cg2ls.evaluation.runtimes.worker_protocol import serve_stdio

    if has_server():
        with closing(start_server(arguments.folder, arguments.threads)) as server:
            serve_stdio(server)
        return
    from cg2_runtimes.llamacpp_generator import LlamaCppGenerator

    serve_stdio(LlamaCppGenerator(arguments.folder, arguments.threads))


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"  # transformers and optimum would ask the hub about local folders too
    sys.exit(main())
