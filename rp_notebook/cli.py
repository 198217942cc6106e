"""The command rp-notebook: takes arguments apart, calls, and prints what came of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rp_notebook.errors import ExportRefused, ProofImpossible, RpNotebookError
from rp_notebook.jobs.finding import Finding

DONE, REFUSED, USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns 0 when it is done, 1 when it was refused or a proof failed, 2 for wrong usage."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.act is None:
        parser.print_help()
        return USAGE
    as_json = getattr(arguments, "json", False)  # the demo has no such flag
    try:
        code: int = arguments.act(arguments)
    except ExportRefused as refusal:
        _print_findings(refusal.findings, as_json=as_json)
        return REFUSED
    except ProofImpossible as error:
        _print_findings([Finding("RPP100", "error", str(error))], as_json=as_json)
        return REFUSED
    except RpNotebookError as error:
        if as_json:
            print(json.dumps({"error": str(error)}))
        else:
            print(f"rp-notebook: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return REFUSED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rp-notebook", description="Prototype a RunPod worker in a notebook; export and prove it."
    )
    parser.set_defaults(act=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    export = commands.add_parser("export", help="write the worker repository of a notebook (runs nothing)")
    export.add_argument("notebook", type=Path)
    export.add_argument("--out", type=Path, metavar="DIR", help="the folder to write; without it, a dry run")
    export.add_argument("--handler", metavar="NAME", help="which handler (default: the last one declared)")
    export.add_argument("--base", metavar="IMAGE", help="the image to build on")
    export.add_argument("--python", metavar="V", help="the worker's Python, as 3.11")
    export.add_argument("--force", action="store_true", help="replace a folder that was edited, or is not ours")
    export.add_argument("--strict", action="store_true", help="refuse what hangs on hidden state (RPS101-RPS109)")
    export.add_argument("--train", action="store_true", help="let the worker train, or compute for long, at its start")
    export.add_argument("--validate", action="store_true", help="check each job's input before the handler")
    export.add_argument("--weights", metavar="WAY", help="bake, volume, cached or runtime (default: by their size)")
    export.add_argument("--resolve", action="store_true", help="ask pip whether the requirements go together")
    export.add_argument("--json", action="store_true")
    export.set_defaults(act=_export)

    run = commands.add_parser("run", help="run a notebook in a kernel, then one job on its handler")
    run.add_argument("notebook", type=Path)
    run.add_argument("--input", required=True, metavar="JSON", help="the job's input, or @FILE")
    run.add_argument("--handler", metavar="NAME", help="which handler (default: the last one declared)")
    run.add_argument("--json", action="store_true")
    run.set_defaults(act=_run)

    prove = commands.add_parser("prove", help="replay jobs through an exported worker under the real SDK")
    prove.add_argument("folder", type=Path, metavar="DIR")
    prove.add_argument("--jobs", type=Path, metavar="F.jsonl", help="default: the repository's tests/jobs.jsonl")
    prove.add_argument("--level", default="process", help="process (default), venv or image")
    prove.add_argument("--only", action="store_true", help="that level alone, not those below it first")
    prove.add_argument("--base", metavar="IMAGE", help="at level image: build on this instead of the Dockerfile's own")
    prove.add_argument("--json", action="store_true")
    prove.set_defaults(act=_prove)

    _import_parser(commands)
    _serve_parser(commands)

    demo = commands.add_parser("demo", help="the whole loop on a real model: jobs, export, proof")
    demo.add_argument("--out", type=Path, metavar="DIR", help="keep the executed notebook and the worker here")
    demo.set_defaults(act=_demo)
    return parser


def _import_parser(commands: Any) -> None:
    taken = commands.add_parser("import", help="an existing worker repository as a notebook (runs nothing)")
    taken.add_argument("folder", type=Path, metavar="DIR")
    taken.add_argument("notebook", type=Path, metavar="NOTEBOOK", help="the notebook to write, its files beside it")
    taken.add_argument("--force", action="store_true", help="replace what is there by these names")
    taken.add_argument("--json", action="store_true")
    taken.set_defaults(act=_import)


def _serve_parser(commands: Any) -> None:
    serve = commands.add_parser("serve", help="run a notebook in a kernel, and answer as its RunPod endpoint")
    serve.add_argument("notebook", type=Path, nargs="?")
    serve.add_argument("--port", type=int, default=0, metavar="P", help="default: a free one")
    serve.add_argument("--worker", type=Path, metavar="DIR", help="an exported folder: real SDK workers take jobs, too")
    serve.add_argument("--workers", type=_count, metavar="N", help="how many of them (default: 1)")
    serve.add_argument("--rate-limits", action="store_true", help="limit the calls as the platform does")
    serve.add_argument("--private-webhooks", action="store_true", help="let webhooks reach addresses of this network")
    serve.add_argument("--allow-origin", metavar="ORIGIN", help="let web pages of this origin call it (*: of any)")
    serve.set_defaults(act=_serve)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _export(arguments: argparse.Namespace) -> int:
    from rp_notebook.export.exporting import export_notebook

    result = export_notebook(
        arguments.notebook,
        handler=arguments.handler,
        base=arguments.base,
        python=arguments.python,
        strict=arguments.strict,
        validate=arguments.validate,
        weights=arguments.weights,
        environment=os.environ,
        train=arguments.train,
    )
    if arguments.resolve:
        from rp_notebook.proof.resolve import conflicts_of

        result = replace(result, findings=(*result.findings, *conflicts_of(result.repo)))
    written = result.write(arguments.out, force=arguments.force) if arguments.out else "dry run"
    if arguments.json:
        told = {
            "handler": result.handler,
            "written": written,
            "files": sorted(result.repo.files),
            "findings": [asdict(finding) for finding in result.findings],
        }
        print(json.dumps(told))
    else:
        print(f"{result.handler}: {result.summary} ({written}; nothing was run)")
        print(result.repo.tree())
        _print_findings(result.findings, as_json=False)
    return DONE


def _run(arguments: argparse.Namespace) -> int:
    from rp_notebook.headless import run_notebook

    answer = run_notebook(arguments.notebook, arguments.input, handler=arguments.handler)
    print(json.dumps(answer) if arguments.json else answer["text"])
    return DONE if answer["ok"] else REFUSED


def _prove(arguments: argparse.Namespace) -> int:
    from rp_notebook.proof.proving import prove_folder
    from rp_notebook.proof.report import report_data, report_lines

    say = (lambda _line: None) if arguments.json else (lambda line: print(line, file=sys.stderr))
    proof = prove_folder(
        arguments.folder,
        level=arguments.level,
        jobs=arguments.jobs,
        base=arguments.base,
        only=arguments.only,
        on_progress=say,
    )
    print(json.dumps(report_data(proof)) if arguments.json else "\n".join(report_lines(proof)))
    return DONE if proof.passed else REFUSED


def _import(arguments: argparse.Namespace) -> int:
    from rp_notebook.export.adopting import read_worker, write_notebook

    worker = read_worker(arguments.folder)
    new = write_notebook(worker, arguments.notebook, force=arguments.force)
    if arguments.json:
        print(json.dumps({"handler": worker.handler, "written": new, "cells": len(worker.cells)}))
    else:
        print(f"{worker.handler}: {len(worker.cells)} cells ({', '.join(new) or 'all of it is there already'})")
    return DONE


def _serve(arguments: argparse.Namespace) -> int:
    from rp_notebook.served import serve

    serve(
        arguments.notebook,
        port=arguments.port,
        worker=arguments.worker,
        workers=arguments.workers,
        rate_limits=arguments.rate_limits,
        private_webhooks=arguments.private_webhooks,
        allow_origin=arguments.allow_origin,
        say=lambda line: print(line, flush=True),
    )
    return DONE


def _demo(arguments: argparse.Namespace) -> int:
    from rp_notebook.demo import demo

    return DONE if demo(arguments.out) else REFUSED


def _print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"findings": [asdict(finding) for finding in findings]}))
        return
    for finding in findings:
        print(f"{finding.severity}: {finding}")


if __name__ == "__main__":
    sys.exit(main())
