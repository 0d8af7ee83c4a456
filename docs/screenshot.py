"""Pictures of a page of `retrieve`, or of the site, in headless Chromium.

    python docs/screenshot.py PAGE.html PICTURE.png [--dark] [--element CSS] [--size 1000x1060]
    python docs/screenshot.py - PICTURE.png --live "run FILE ..." [--until TEXT]       # of a command of retrieve, as it goes

It needs playwright and chromium. Chromium draws 3D views without a graphics card.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ARGUMENTS = ["--no-sandbox", "--hide-scrollbars", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SETTLED = 1500
"""Milliseconds that scripts and 3D views take to draw."""


def screenshot(
    page: str, picture: Path, size: tuple[int, int] = (1000, 1060), dark: bool = False, element: str = "", until: str = ""
) -> None:
    """Write what a window shows of the page at a URL, or one of its elements. Raises FileNotFoundError without chromium.

    until: a text that the page is to show, with pictures, before.
    """
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise FileNotFoundError("no chromium on this machine; apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        shown = browser.new_page(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        shown.goto(page)
        if until:
            shown.wait_for_function(
                "text => document.body.innerText.includes(text) && document.querySelector('main svg')", arg=until, timeout=120_000
            )
        if element:
            shown.locator(element).scroll_into_view_if_needed()
        shown.wait_for_timeout(SETTLED)
        target = shown.locator(element) if element else shown
        target.screenshot(path=picture)
        browser.close()


def live(command: str, picture: Path, size: tuple[int, int], dark: bool, until: str) -> None:
    """The same of the live page of a command, which is then stopped."""
    words = [sys.executable, "-m", "retrieve", *command.split(), "--live"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        address = next(line.split()[1] for line in run.stdout if line.startswith("live: "))
        screenshot(address, picture, size, dark, until=until)
        run.terminate()
        run.communicate()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("page", type=Path, help="a file; - with --live")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--dark", action="store_true", help="as a system with dark colours shows it")
    parser.add_argument("--element", default="", help="CSS selector of the element to show")
    parser.add_argument("--size", default="1000x1060", help="of the window, WIDTHxHEIGHT in pixels")
    parser.add_argument("--live", default="", metavar="COMMAND", help="a command of retrieve that is begun, shown and stopped")
    parser.add_argument("--until", default="R_free", help="text that the live page is to show")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    if given.live:
        live(given.live, given.picture, (width, height), given.dark, given.until)
    else:
        screenshot(given.page.resolve().as_uri(), given.picture, (width, height), given.dark, given.element)


if __name__ == "__main__":
    main()
