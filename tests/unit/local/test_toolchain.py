import pytest

from compose.local.errors import JdkMissing, MavenMissing
from compose.local.toolchain import feature_release, find_jdk, find_maven


def make_jdk(home, version, *, compiler=True):
    (home / "bin").mkdir(parents=True)
    for name in ("java", "javac") if compiler else ("java",):
        (home / "bin" / name).touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('JAVA_VERSION="21.0.4"', 21),
        ('JAVA_VERSION="25"', 25),
        ('JAVA_VERSION="1.8.0_392"', 8),
        ('JAVA_RUNTIME_VERSION="21"', None),
    ],
)
def test_feature_release(line, expected):
    assert feature_release(f"{line}\n") == expected


def test_java_home_comes_first(tmp_path):
    chosen = make_jdk(tmp_path / "chosen", "21.0.1")
    make_jdk(tmp_path / "jvm" / "newer", "25.0.1")
    found = find_jdk({"JAVA_HOME": str(chosen), "PATH": ""}, (str(tmp_path / "jvm"),))
    assert found.home == chosen


def test_a_java_home_that_is_too_old_is_passed_over(tmp_path):
    old = make_jdk(tmp_path / "old", "17.0.15")
    newer = make_jdk(tmp_path / "jvm" / "newer", "21.0.1")
    found = find_jdk({"JAVA_HOME": str(old), "PATH": ""}, (str(tmp_path / "jvm"),))
    assert (found.home, found.version) == (newer, 21)


def test_the_compiler_on_the_path_leads_to_its_jdk_through_links(tmp_path):
    home = make_jdk(tmp_path / "somewhere" / "jdk", "22")
    links = tmp_path / "links"
    links.mkdir()
    (links / "javac").symlink_to(home / "bin" / "javac")
    assert find_jdk({"PATH": str(links)}, ()).home == home


def test_of_the_installed_the_newest_is_taken(tmp_path):
    make_jdk(tmp_path / "z", "21")
    newest = make_jdk(tmp_path / "a", "25.0.1")
    make_jdk(tmp_path / "b", "9.0.4")
    assert find_jdk({"PATH": ""}, (str(tmp_path),)).home == newest


def test_a_runtime_without_a_compiler_does_not_count(tmp_path):
    make_jdk(tmp_path / "jre", "25", compiler=False)
    with pytest.raises(JdkMissing):
        find_jdk({"PATH": ""}, (str(tmp_path),))


def test_the_error_names_what_was_found_and_what_to_install(tmp_path):
    make_jdk(tmp_path / "seventeen", "17.0.15")
    with pytest.raises(JdkMissing, match=r"no JDK 21 or newer.*17 in .*seventeen.*openjdk-21-jdk-headless"):
        find_jdk({"PATH": ""}, (str(tmp_path),))


def test_maven_is_found_by_its_home(tmp_path):
    command = tmp_path / "bin" / "mvn"
    command.parent.mkdir()
    command.touch(mode=0o755)
    assert find_maven({"MAVEN_HOME": str(tmp_path), "PATH": ""}) == command


def test_without_maven_the_error_says_how_to_get_it():
    with pytest.raises(MavenMissing, match="Debian's package maven"):
        find_maven({"PATH": ""})
