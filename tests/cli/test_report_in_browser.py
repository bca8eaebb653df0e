"""The report in headless Chromium: it draws, in light and dark, without scripts, and prints on few pages."""

import re
import shutil
import subprocess

import pytest

from stepdrain_cli import examples

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--window-size=1120,1500",
]  # fmt: skip
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed; .ci/run installs it as root with apt-get"
)
PAGE = (examples.FOLDER / "blocked-then-forced.html").as_uri()


def chromium(profile, *arguments):
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *arguments, PAGE]
    return subprocess.run(command, check=True, capture_output=True, timeout=120).stdout


def test_every_state_and_pod_is_drawn(tmp_path):
    """The page as the browser understood it; that it has no script is tested beside."""
    dom = chromium(tmp_path / "profile", "--dump-dom").decode()
    for text in ("FindNode", "CompleteAction", "default/orders-db-", "budget orders-db", "eviction"):
        assert text in dom
    assert len(re.findall(r'<rect class="blocked" x=', dom)) == 3


def test_light_and_dark_differ(tmp_path):
    """One file for both, by prefers-color-scheme."""
    for name, settings in {"light": "1", "dark": "0"}.items():
        scheme = f"--blink-settings=preferredColorScheme={settings}"
        chromium(tmp_path / "profile", scheme, f"--screenshot={tmp_path / name}.png")
    light, dark = ((tmp_path / f"{name}.png").read_bytes() for name in ("light", "dark"))
    assert light[:4] == dark[:4] == b"\x89PNG"
    assert light != dark


def test_it_prints_on_a_few_pages(tmp_path):
    """Incident reviews are held on paper."""
    chromium(tmp_path / "profile", "--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'report.pdf'}")
    pages = re.findall(rb"/Type\s*/Page\b", (tmp_path / "report.pdf").read_bytes())
    assert 1 <= len(pages) <= 4


def test_on_a_phone_the_reason_stands_below(tmp_path):
    """In a column of its own it would be a word wide."""
    page = (examples.FOLDER / "failed-then-redriven.html").read_text()
    # The widths as the browser laid them out, written into the page by a script of the test's own.
    script = (
        "<script>addEventListener('load', () => { const c = document.querySelector('td.why');"
        "document.title = [innerWidth, Math.round(c.getBoundingClientRect().width)].join('/'); })</script>"
    )
    local = tmp_path / "phone.html"
    local.write_text(page.replace("</body>", f"{script}</body>"))
    flags = [flag for flag in FLAGS if not flag.startswith("--window-size")]
    command = [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=500,1500"]
    dom = subprocess.run(
        [*command, "--dump-dom", local.as_uri()], check=True, capture_output=True, timeout=120
    ).stdout.decode()
    window, reason = map(int, re.search(r"<title>(\d+)/(\d+)</title>", dom).groups())
    assert window <= 500
    assert reason > 0.8 * window
