"""`centernet demo`: a page that detects in the browser, served from this computer or written for any web server."""

from __future__ import annotations

import logging
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

from typer import Option

import centernet
from centernet.cli import arguments, console
from centernet.cli.demo import site
from centernet.cli.demo.server import SiteServer

logger = logging.getLogger("centernet")


def demo(
    model: Annotated[
        str,
        Option("--model", "-m", help="Name (see `centernet models`), saved detector, or exported .onnx file."),
    ] = "bccd",
    host: Annotated[str, Option(help="Network interface to serve from; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, Option(min=0, max=65535, help="Port to serve from; 0 for any that is free.")] = 8000,
    out: Annotated[
        Path | None, Option("--out", "-o", help="Write the page to this folder, for any web server, and serve nothing.")
    ] = None,
    min_score: arguments.MinScore = 0.3,
    runtime_folder: Annotated[
        Path | None,
        Option(
            "--onnxruntime-web",
            metavar="FOLDER",
            help="npm package onnxruntime-web, as in node_modules/onnxruntime-web.",
            show_default="downloaded once",
        ),
    ] = None,
    overwrite: arguments.Overwrite = False,
) -> None:
    """Detect in the browser: in a photo or the camera, with a page that is served from this computer.

    The browser computes: no photo leaves the computer. Stop with Ctrl-C.
    """
    with ExitStack() as stack:
        server = None
        if out is not None:
            site.check_folder(out, overwrite)
        else:
            server = stack.enter_context(SiteServer(host, port))
        runtime = site.runtime_files(runtime_folder)
        if console.stderr().is_terminal:
            console.stderr().out(f"Loading {model} …")
        pages = site.build(centernet.load(model, runtime="onnx"), runtime, min_score)
        if out is not None:
            site.write(pages, out)
            console.stdout().out(f"Page of {model} written to {out}: {len(pages)} files, for any web server.")
        if server is not None:
            server.site = pages
            if not server.is_local:
                logger.warning("%s is not loopback: every computer that reaches this one can load the page.", host)
            console.stdout().out(f"Detecting with {model} at {server.url} (Ctrl-C to stop)")
            with suppress(KeyboardInterrupt):
                server.serve_forever()
