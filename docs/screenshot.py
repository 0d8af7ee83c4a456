"""Pictures of a page of `retrieve`, or of the site, in headless Chromium.

    python docs/screenshot.py PAGE.html PICTURE.png [--dark] [--element CSS] [--size 1000x1060]

It needs playwright and chromium. Chromium draws 3D views without a graphics card.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

ARGUMENTS = ["--no-sandbox", "--hide-scrollbars", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
SETTLED = 1500
"""Milliseconds that scripts and 3D views take to draw."""


def screenshot(page: Path, picture: Path, size: tuple[int, int] = (1000, 1060), dark: bool = False, element: str = "") -> None:
    """Write what a window of this size shows of a page, or one of its elements. Raises FileNotFoundError without chromium."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        raise FileNotFoundError("no chromium on this machine; apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        shown = browser.new_page(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        shown.goto(page.resolve().as_uri())
        if element:
            shown.locator(element).scroll_into_view_if_needed()
        shown.wait_for_timeout(SETTLED)
        target = shown.locator(element) if element else shown
        target.screenshot(path=picture)
        browser.close()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--dark", action="store_true", help="as a system with dark colours shows it")
    parser.add_argument("--element", default="", help="CSS selector of the element to show")
    parser.add_argument("--size", default="1000x1060", help="of the window, WIDTHxHEIGHT in pixels")
    given = parser.parse_args()
    width, height = map(int, given.size.split("x"))
    screenshot(given.page, given.picture, (width, height), given.dark, given.element)


if __name__ == "__main__":
    main()
