"""`heliograph demo`: the daemon against the lab's vendors, live or in told time. The only importer of `lab`."""

from __future__ import annotations

import argparse


def demo(options: argparse.Namespace) -> int:
    """0 if all went as the story expects, 1 if not."""
    if options.fast or options.cloudtrail:
        from daemon.cli.demo.fast import fast

        return fast(options)
    from daemon.cli.demo.live import live

    return live(options)
