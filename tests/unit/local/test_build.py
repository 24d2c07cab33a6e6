import pytest

from compose.local.build import Artifact, digest
from compose.local.errors import NotBuilt


def test_the_digest_follows_content_name_and_salt(tmp_path):
    file = tmp_path / "pom.xml"
    file.write_text("one")
    first = digest([file])
    file.write_text("two")
    assert digest([file]) != first
    file.write_text("one")
    assert digest([file]) == first
    assert digest([file], "21") != first
    assert digest([file.rename(tmp_path / "other.xml")]) != first


def test_what_is_not_built_says_how_to_build_it(tmp_path):
    with pytest.raises(NotBuilt, match=r"compose\.local setup"):
        Artifact("kafka-jars", "0" * 64, tmp_path).require()


def test_a_class_path_entry_takes_every_jar_of_the_folder(tmp_path):
    artifact = Artifact("kafka-jars", "a" * 64, tmp_path)
    assert artifact.jars == f"{tmp_path}/kafka-jars-{'a' * 16}/*"
