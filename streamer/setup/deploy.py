"""Start deployments and endpoints, and wait for them."""

from __future__ import annotations

from urllib.parse import quote

from streamer.clock import Clock, Deadline
from streamer.elastic import Elastic
from streamer.errors import DeploymentNotReady, ElasticRefused, ElasticTimeout, SetupDifference, SetupError
from streamer.settings import DeploymentSettings
from streamer.setup.deployment import Deployment, deployment_differences, read, start_parameters
from streamer.setup.endpoint import TASK, endpoint_body, endpoint_differences
from streamer.setup.step import Say, State, Step

POLL_SECONDS = 0.5
SAY_SECONDS = 5.0
HTTP_CONFLICT = 409
HTTP_NOT_FOUND = 404

CHANGE_ALLOCATIONS = (
    "change the settings back; or change the deployment (`POST _ml/trained_models/{0}/deployment/_update` takes "
    "number_of_allocations; for the rest stop it and run `streamer setup` again)"
)
CHANGE_ENDPOINT = "change the settings back; or change the endpoint (`PUT _inference/sparse_embedding/{0}/_update`)"


async def ensure_deployment(
    elastic: Elastic, wanted: DeploymentSettings, clock: Clock, timeout_s: float, say: Say
) -> None:
    """Make sure that the deployment or endpoint `wanted` exists as the settings say and is fully allocated.

    Raises SetupDifference, DeploymentNotReady after `timeout_s` seconds, SetupError without the model, ElasticError.
    """
    made = await (_endpoint(elastic, wanted) if wanted.type == "endpoint" else _deployment(elastic, wanted))
    found = await _wait(elastic, wanted, Deadline(clock, timeout_s), clock, say)
    state: State = "started" if made else "exists"
    say(Step(wanted.type, wanted.id, state, f"{found.model_id}, {found.number_of_allocations} allocations"))


async def find_deployment(elastic: Elastic, deployment_id: str) -> Deployment | None:
    """Return the started deployment `deployment_id`, or None."""
    return read(await elastic.find(f"/_ml/trained_models/{quote(deployment_id)}/_stats"), deployment_id)


async def _deployment(elastic: Elastic, wanted: DeploymentSettings) -> bool:
    found = await find_deployment(elastic, wanted.id)
    made = found is None and await _start(elastic, wanted)
    if found is not None and (lines := deployment_differences(wanted, found)):
        raise SetupDifference("deployment", wanted.id, lines, CHANGE_ALLOCATIONS.format(wanted.id))
    return made


async def _start(elastic: Elastic, wanted: DeploymentSettings) -> bool:
    path = f"/_ml/trained_models/{quote(wanted.model_id)}/deployment/_start"
    try:
        await elastic.post(path, None, None, **start_parameters(wanted))
    except ElasticTimeout:
        return True  # It goes on starting; the wait that follows finds out.
    except ElasticRefused as error:
        if error.status == HTTP_NOT_FOUND:
            msg = (
                f"the model {wanted.model_id!r} of deployment {wanted.id!r} is not in the cluster ({error.reason}): "
                "download it first (`PUT _ml/trained_models/MODEL`), or use type endpoint, which downloads it"
            )
            raise SetupError(msg) from error
        if error.status != HTTP_CONFLICT or await find_deployment(elastic, wanted.id) is None:
            raise
        return False  # Another `setup` was faster.
    return True


async def _endpoint(elastic: Elastic, wanted: DeploymentSettings) -> bool:
    body = endpoint_body(wanted)
    path = f"/_inference/{TASK}/{quote(wanted.id)}"
    found = await elastic.find(path)
    if found and found.get("endpoints"):
        if lines := endpoint_differences(wanted, found["endpoints"][0]):
            raise SetupDifference("endpoint", wanted.id, lines, CHANGE_ENDPOINT.format(wanted.id))
        return False
    try:
        await elastic.put(path, body)
    except ElasticTimeout:
        return True  # A download takes minutes; the wait that follows finds out.
    return True


async def _wait(elastic: Elastic, wanted: DeploymentSettings, deadline: Deadline, clock: Clock, say: Say) -> Deployment:
    began = clock.monotonic()
    told, told_at = "", began
    while True:
        found = await find_deployment(elastic, wanted.id)
        if found is not None and found.ready:
            return found
        state = found.describe() if found else "not in the statistics yet"
        waited = clock.monotonic() - began
        if (found is not None and found.state == "failed") or deadline.remaining() == 0.0:
            msg = f"{wanted.type} {wanted.id!r} is not ready after {waited:.0f} s: {state}"
            raise DeploymentNotReady(msg)
        if state != told or clock.monotonic() - told_at >= SAY_SECONDS:
            say(Step(wanted.type, wanted.id, "waiting", f"{state}, {waited:.0f} s"))
            told, told_at = state, clock.monotonic()
        await clock.sleep(POLL_SECONDS)
