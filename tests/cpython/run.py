"""Runs CPython's own tests in the guest and natively, module by module, and keeps what came of them as data.

python tests/cpython/run.py                  all modules; writes results/VERSION.json and docs/cpython-tests.md
python tests/cpython/run.py test_json ...    those alone, anew; the other results stay
python tests/cpython/run.py --page           only writes the page, from results/ and modules.yaml
"""

from __future__ import annotations

import argparse
import platform
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import cpython_page
from cpython_outcomes import verdict
from cpython_sides import Guests, all_modules, has_tests, run_both

JOBS = 2


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modules", nargs="*", metavar="MODULE")
    parser.add_argument("-j", "--jobs", type=int, default=JOBS, help="modules at once (%(default)s)")
    parser.add_argument("--page", action="store_true", help="only write the page")
    args = parser.parse_args()
    if not args.page:
        if not has_tests():
            sys.exit(f"{sys.base_prefix} has no package `test`")
        run_all(args.modules, args.jobs)
    page, complaints = cpython_page.render()
    cpython_page.PAGE.write_text(page, encoding="utf-8")
    if complaints:
        sys.exit("\n".join(complaints))


def run_all(modules: list[str], jobs: int) -> None:
    """Runs modules, all unless some are named, and keeps each result as it comes."""
    results = cpython_page.own_results() or cpython_page.Results("")
    results.version = platform.python_version()
    excluded = cpython_page.load_judgements()["excluded"]
    results.not_run = [name for name in all_modules() if name in excluded]
    names = modules or [name for name in all_modules() if name not in excluded]
    guests = Guests()
    lock = threading.Lock()

    def one(name: str) -> None:
        found = run_both(guests, name)
        with lock:
            results.modules[name] = found
            cpython_page.save_results(results)
            print(f"{name}: {verdict(found)}", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, names))


if __name__ == "__main__":
    main()
