"""An Elasticsearch that keeps resources and documents: as much of it as set-up talks to."""

from typing import Any

from streamer.errors import ElasticRefused

Json = dict[str, Any]


class FakeResources:
    """Resources by path. `writes` lists what was changed; `deployments` maps ids to entries of `_stats`."""

    def __init__(self) -> None:
        self.resources: dict[str, Json] = {}
        self.deployments: dict[str, Json] = {}
        self.models = {".elser_model_2"}
        self.counts: dict[str, int] = {}
        self.writes: list[str] = []
        self.polls_until_ready = 0
        self.version: Json | None = {"number": "9.1.4"}

    async def close(self) -> None:
        pass

    async def find(self, path: str, **params: str) -> Json | None:
        try:
            return await self.get(path, **params)
        except ElasticRefused as error:
            if error.status == 404:
                return None
            raise

    async def get(self, path: str, **params: str) -> Json:
        parts = path.strip("/").split("/")
        if path == "/":
            if self.version is None:
                raise ElasticRefused(403, "security_exception", "action [cluster:monitor/main] is unauthorized")
            return {"version": self.version}
        if parts[0] == "_ml":
            return self._stats(parts[2])
        if len(parts) == 3 and parts[1] == "_doc":
            return {"_source": self._document(parts[0], parts[2])}
        return self._resource(parts)

    async def put(self, path: str, body: Json | None = None, **params: str) -> Json:
        parts = path.strip("/").split("/")
        self.writes.append(f"PUT {path}")
        if len(parts) == 3 and parts[1] == "_create":
            self._create(parts[0], parts[2], body or {}, params.get("require_alias") == "true")
        else:
            self.resources[path.strip("/")] = body or {}
            if parts[0] == "_inference":
                self._deploy(parts[2], body["service_settings"]["model_id"], 1)
        return {"acknowledged": True}

    async def post(self, path: str, body: Json | None = None, timeout: float | None = None, **params: str) -> Json:
        parts = path.strip("/").split("/")
        if parts[1] == "_count":
            return {"count": self.counts.get(parts[0], 0)}
        self.writes.append(f"POST {path}")
        if parts[2] not in self.models:
            raise ElasticRefused(404, "resource_not_found_exception", "No known trained model")
        self._deploy(params["deployment_id"], parts[2], int(params["number_of_allocations"]))
        return {"assignment": {}}

    def _resource(self, parts: list[str]) -> Json:
        path = "/".join(parts)
        if parts[0] == "_ingest" and path in self.resources:
            return {parts[2]: self.resources[path]}
        if parts[0] == "_inference" and path in self.resources:
            return {"endpoints": [{"inference_id": parts[2], "task_type": parts[1], **self.resources[path]}]}
        indices = {
            name: body
            for name, body in self.resources.items()
            if "/" not in name and path in {name, *body.get("aliases", {})}
        }
        if not indices:
            raise ElasticRefused(404, "index_not_found_exception", f"no such index [{path}]")
        return indices

    def _document(self, index: str, document_id: str) -> Json:
        self._resource([index])
        if f"{index}/_doc/{document_id}" not in self.resources:
            raise ElasticRefused(404, "", "not found")
        return self.resources[f"{index}/_doc/{document_id}"]

    def _create(self, index: str, document_id: str, body: Json, require_alias: bool) -> None:
        if require_alias and index in self._resource([index]):
            raise ElasticRefused(
                404, "index_not_found_exception", f"no such index [{index}] and [require_alias] is set"
            )
        if f"{index}/_doc/{document_id}" in self.resources:
            raise ElasticRefused(409, "version_conflict_engine_exception", "document already exists")
        self.resources[f"{index}/_doc/{document_id}"] = body

    def _deploy(self, deployment_id: str, model: str, allocations: int) -> None:
        self.deployments[deployment_id] = {
            "deployment_id": deployment_id,
            "model_id": model,
            "threads_per_allocation": 1,
            "number_of_allocations": allocations,
            "queue_capacity": 1024,
            "state": "starting",
            "allocation_status": {"allocation_count": 0, "target_allocation_count": 1, "state": "starting"},
            "nodes": [],
        }

    def _stats(self, deployment_id: str) -> Json:
        if deployment_id not in self.deployments:
            raise ElasticRefused(404, "resource_not_found_exception", "No known trained model")
        found = self.deployments[deployment_id]
        if self.polls_until_ready == 0 and found["state"] == "starting":
            found |= {"state": "started"}
            found["allocation_status"] |= {"allocation_count": 1, "state": "fully_allocated"}
        self.polls_until_ready = max(0, self.polls_until_ready - 1)
        return {"trained_model_stats": [{"model_id": found["model_id"], "deployment_stats": found}]}
