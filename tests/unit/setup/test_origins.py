"""Topics as a run knows them; those that hold parcels are ours and need no epoch."""

import pytest

from streamer.errors import SettingsError, SetupError
from streamer.intake.decode import Decoder
from streamer.intake.parcel import ParcelDecoder
from streamer.kafka.admin import Topic
from streamer.model import BACKLOG, REDRIVE
from streamer.setup.origins import Origins
from tests.unit.builders import route

PARCELS = {"streamer-redrive": REDRIVE, "streamer-backlog": BACKLOG}


class FakeAdmin:
    def __init__(self, *missing):
        self.missing = missing

    def topics(self, names):
        return {name: Topic(name, f"id-of-{name}", 2) for name in names if name not in self.missing}

    def offsets(self, partitions, *, end):
        return dict.fromkeys(partitions, 0)


class FakeEpochs:
    def __init__(self):
        self.asked = []

    async def epoch_of(self, topic, starts, alias):
        self.asked.append(topic.name)
        return 7


def origins(*missing, topics=("films",)):
    epochs = FakeEpochs()
    return Origins(FakeAdmin(*missing), epochs, {"films": route(topics=topics)}, PARCELS), epochs


async def test_topics_of_routes_have_epochs_and_ours_have_none():
    found, epochs = origins()
    await found.open()
    assert epochs.asked == ["films"]
    films, redrive, backlog = [await found.find(name) for name in ("films", *PARCELS)]
    assert (films.route, films.epoch, films.topic_id) == ("films", 7, "id-of-films")
    assert isinstance(films.decoder, Decoder)
    assert [one.route for one in (redrive, backlog)] == [REDRIVE, BACKLOG]
    assert [one.topic_id for one in (redrive, backlog)] == ["id-of-streamer-redrive", "id-of-streamer-backlog"]
    assert all(isinstance(one.decoder, ParcelDecoder) for one in (redrive, backlog))
    assert found.topic_ids["films"] == "id-of-films"


async def test_a_pattern_does_not_take_ours():
    found, epochs = origins(topics=("^.*",))
    assert (await found.find("streamer-redrive")).route == REDRIVE
    assert epochs.asked == []


@pytest.mark.parametrize("missing", PARCELS)
async def test_a_topic_of_ours_that_is_missing_is_told_before_anything_is_taken(missing):
    found, _ = origins(missing)
    with pytest.raises(SetupError, match=f"{missing}.*run `streamer setup`"):
        await found.open()


async def test_a_topic_of_a_route_that_is_missing_is_told():
    found, _ = origins("films")
    with pytest.raises(SetupError, match="the topic 'films' of route 'films' does not exist"):
        await found.open()


async def test_a_topic_that_nobody_takes_is_told():
    found, _ = origins()
    with pytest.raises(SettingsError, match="'books' must be taken by one route"):
        await found.find("books")
