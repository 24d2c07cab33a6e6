"""Every error that a person can meet, drawn as a tree; the first line of a docstring is its default message.

StreamerError
├── SettingsError              wrong settings, found before anything starts
├── SetupError                 something that `streamer setup` makes is missing or different
│   ├── SetupDifference        an existing resource differs from what the settings ask for
│   └── DeploymentNotReady     a deployment did not start in time
├── StateError                 the state index does not fit the topics or the program
│   ├── StaleBurst             records lose against versions that their topic cannot have given
│   └── GroupNotEmpty          a command needs the consumer group without members, and it has some
├── KafkaError                 Kafka refused or could not be reached
│   ├── KafkaUnavailable       no broker answered in time
│   ├── DeadLetterUndelivered  a dead letter was not acknowledged
│   └── BacklogUndelivered     what inference is owed to was not acknowledged
├── ElasticError               Elasticsearch refused or could not be reached
│   ├── ElasticUnavailable     connection refused, reset or cut
│   ├── ElasticTimeout         no answer in time, the outcome is unknown
│   └── ElasticRefused         an HTTP error status, with type and reason
├── TooManyDeadLetters         a limit that stops the stream instead of emptying it into the dead letters
├── UnknownAnswer              an answer that the outcome table does not know: the program stops
├── LedgerError                an offset was delivered twice or completed without being delivered
├── FailpointReached           a test has armed a failpoint to raise
└── InputError                 a file or an argument of a command is wrong
"""

from __future__ import annotations

import inspect


class StreamerError(Exception):
    """the streamer failed"""

    def __init__(self, message: str | None = None) -> None:
        """Take `message`, or the docstring of the class as the message."""
        super().__init__(message or inspect.getdoc(type(self)) or "")


class SettingsError(StreamerError):
    """the settings are wrong"""


class SetupError(StreamerError):
    """a resource that the stream needs is missing, run `streamer setup`"""


class SetupDifference(SetupError):
    """a resource exists and differs from the settings"""

    def __init__(self, what: str, name: str, differences: list[str], way_out: str = "") -> None:
        """Name the resource, each path that differs, and how to go on."""
        self.what, self.name, self.differences = what, name, differences
        lines = "\n  ".join([*differences, *([f"to go on: {way_out}"] if way_out else [])])
        super().__init__(f"{what} {name!r} exists and differs from the settings; nothing was changed:\n  {lines}")


class DeploymentNotReady(SetupError):
    """a deployment did not become ready in time"""


class StateError(StreamerError):
    """the state index does not fit the topics"""


class StaleBurst(StateError):
    """many records were beaten by versions that their topic cannot have given"""


class GroupNotEmpty(StateError):
    """the consumer group has members"""


class KafkaError(StreamerError):
    """Kafka refused a request"""


class KafkaUnavailable(KafkaError):
    """no Kafka broker answered in time"""


class DeadLetterUndelivered(KafkaError):
    """a dead letter was not acknowledged, so its offset is not completed"""


class BacklogUndelivered(KafkaError):
    """a record that is owed its tokens was not acknowledged by the backlog, so its offset is not completed"""


class ElasticError(StreamerError):
    """Elasticsearch failed"""


class ElasticUnavailable(ElasticError):
    """Elasticsearch could not be reached, or the connection was cut"""


class ElasticTimeout(ElasticError):
    """Elasticsearch did not answer in time; whether it did the work is unknown"""


class ElasticRefused(ElasticError):
    """Elasticsearch answered with an error status"""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        """`status` is the HTTP status, `kind` the `error.type`, `reason` the `error.reason` of the answer."""
        self.status, self.kind, self.reason = status, kind, reason
        super().__init__(f"Elasticsearch answered {status} {kind}: {reason}")


class TooManyDeadLetters(StreamerError):
    """more records were refused for good than the limits allow"""


class UnknownAnswer(StreamerError):
    """Elasticsearch gave an answer that the outcome table does not know"""


class LedgerError(StreamerError):
    """an offset was registered or completed out of order"""


class FailpointReached(StreamerError):
    """a failpoint that is armed to raise was reached"""


class InputError(StreamerError):
    """a file or an argument is wrong"""
