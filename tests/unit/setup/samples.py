"""Settings for tests of set-up."""

from streamer.settings import DeploymentSettings, RouteSettings, Settings


def route(**given):
    values = {
        "name": "films",
        "topics": ["films"],
        "index": "films",
        "deployment": "for_ingest",
        "inference": [{"input": "text", "output": "text_tokens"}],
    }
    return RouteSettings(**(values | given))


def deployment(**given):
    return DeploymentSettings(**({"id": "for_ingest"} | given))


def settings(**given):
    return Settings(**({"deployments": [deployment()], "routes": [route()]} | given))
