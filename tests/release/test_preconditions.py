"""A release is refused with one sentence, before anything is built."""

import subprocess

import pytest
from stepdrain import VERSION

from release.preconditions import Refused, check, commit_time


def git(root, *arguments):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path):
    """A clean checkout whose CHANGELOG has a section for the version."""
    (tmp_path / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## Unreleased\n\n## {VERSION} - today\n\n- News.\n"
    )
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "--quiet", "--message", "Begin")
    return tmp_path


def test_a_clean_tree_gives_the_section_of_its_version(tree):
    """It becomes the tag's message and the release's notes."""
    assert check(VERSION, tree) == "- News."
    assert commit_time(tree) > 1_700_000_000


def test_a_dirty_tree_is_refused(tree):
    """What is built must be what the tag names."""
    (tree / "new.txt").write_text("x")
    with pytest.raises(Refused, match=r"uncommitted changes \(\?\? new.txt, …\): commit them"):
        check(VERSION, tree)


def test_a_version_that_exists_is_refused(tree):
    """Two artefacts of one version could not be told apart."""
    git(tree, "tag", f"v{VERSION}")
    with pytest.raises(Refused, match="exists already"):
        check(VERSION, tree)


@pytest.mark.parametrize(
    "text", ["# Changelog\n\n## Unreleased\n\n- News.\n", f"## {VERSION}\n\n## 0.0.1\n- Old.\n"]
)
def test_a_changelog_without_its_section_is_refused(tree, text):
    """Nobody upgrades to a version that does not say what is new; an empty section says as little."""
    (tree / "CHANGELOG.md").write_text(text)
    git(tree, "commit", "--quiet", "--all", "--message", "Change")
    with pytest.raises(Refused, match=f"no section for {VERSION}"):
        check(VERSION, tree)


@pytest.mark.parametrize(
    ("version", "said"), [("1.2", "not a version"), ("v1.2.3", "not a version"), ("9.9.9", "The code says")]
)
def test_another_version_than_the_codes_is_refused(tree, version, said):
    """It stands in one place, functions/stepdrain/__init__.py."""
    with pytest.raises(Refused, match=said):
        check(version, tree)


def test_a_folder_without_git_is_refused(tmp_path):
    """A release is made of a commit."""
    with pytest.raises(Refused, match="git status failed"):
        check(VERSION, tmp_path)
