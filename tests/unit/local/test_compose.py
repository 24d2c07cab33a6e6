from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
SECRET_WORDS = ("PASSWORD", "TOKEN", "API_KEY", "SECRET")
# How each program of the host's network is told to stay on loopback; ours do by themselves.
HOST_NETWORK = {
    "prometheus": lambda service: "--web.listen-address=127.0.0.1:9090" in service["command"],
    "grafana": lambda service: service["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1",
    **dict.fromkeys(("streamer", "search_api", "ops"), lambda service: service["image"].startswith("streamer:")),
}


def test_the_stack_is_whole():
    wanted = {"kafka", "elasticsearch", "kibana", "prometheus", "grafana", "streamer", "search_api", "ops"}
    assert set(SERVICES) == wanted
    assert "ml" in SERVICES["elasticsearch"]["environment"]["node.roles"].split(",")


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_bound_to_loopback(name):
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    if service.get("network_mode") == "host":
        assert "ports" not in service
        assert HOST_NETWORK[name](service)


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version(name):
    _, _, tag = SERVICES[name]["image"].rpartition(":")
    assert tag[:1].isdigit() or tag.startswith("v")
    assert tag.count(".") == 2


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_a_file_that_is_not_committed(name):
    assert not [key for key in SERVICES[name].get("environment", {}) if any(word in key for word in SECRET_WORDS)]
    assert all(file["path"] == "secrets.env" for file in SERVICES[name].get("env_file", []))


def test_the_example_of_the_secrets_has_no_values():
    lines = (FOLDER / "secrets.env.example").read_text().splitlines()
    assert all(line.startswith("#") or line.endswith("=") for line in lines)
    assert "/compose/secrets.env" in (FOLDER.parent / ".gitignore").read_text().splitlines()


def test_named_volumes_and_mounted_files_exist():
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (FOLDER / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_what_a_service_waits_for_can_be_healthy():
    for service in SERVICES.values():
        for name, condition in service.get("depends_on", {}).items():
            assert condition == {"condition": "service_healthy"}
            assert "healthcheck" in SERVICES[name]


def test_prometheus_scrapes_loopback_only():
    jobs = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    targets = [target for job in jobs for config in job["static_configs"] for target in config["targets"]]
    assert targets
    assert all(target.startswith("127.0.0.1:") for target in targets)
