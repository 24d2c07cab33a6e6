import pytest

from streamer.errors import SetupDifference
from streamer.settings import TopicSettings
from streamer.setup.topics import ensure_topics, own_topics, topic_differences


class FakeAdmin:
    def __init__(self):
        self.made = {}

    def create_topic(self, name, partitions, replication_factor, config=None):
        if name in self.made:
            return False
        self.made[name] = dict(config)
        return True

    def topic_config(self, name):
        return self.made[name]


def test_progress_is_compacted_and_dead_letters_are_not():
    policies = {topic.name: topic.config["cleanup.policy"] for topic in own_topics(TopicSettings())}
    assert policies == {
        "streamer-dead-letters": "delete",
        "streamer-redrive": "delete",
        "streamer-backlog": "compact",
        "streamer-progress": "compact",
        "streamer-outcomes": "delete",
    }


def test_what_holds_whole_records_takes_large_ones():
    settings = TopicSettings()
    large = {topic.name for topic in own_topics(settings) if topic.config.get("max.message.bytes") == str(4 << 20)}
    assert large == {settings.dead_letters, settings.redrive, settings.backlog}


def test_retention_is_the_operators_business():
    dead_letters, _, _, progress, _ = own_topics(TopicSettings())
    assert topic_differences(dead_letters, {"cleanup.policy": "delete", "retention.ms": "1"}) == []
    assert topic_differences(progress, {}) == ['cleanup.policy: expected "compact", found "delete"']


async def test_topics_are_made_once():
    admin, steps = FakeAdmin(), []
    await ensure_topics(admin, TopicSettings(), steps.append)
    await ensure_topics(admin, TopicSettings(), steps.append)
    assert [step.state for step in steps] == ["created"] * 5 + ["exists"] * 5


async def test_a_topic_that_differs_stays_as_it_is():
    admin = FakeAdmin()
    admin.made["streamer-progress"] = {"cleanup.policy": "delete"}
    with pytest.raises(SetupDifference, match="'streamer-progress'"):
        await ensure_topics(admin, TopicSettings(), print)
    assert admin.made["streamer-progress"] == {"cleanup.policy": "delete"}
