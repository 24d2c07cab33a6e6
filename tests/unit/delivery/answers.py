"""Answers of Elasticsearch, documented or recorded: status, type, reason, and action and word for each of them."""

from streamer.delivery.outcome import QUEUE_FULL, Action

REJECTED = "es_rejected_execution_exception"
STATUS = "status_exception"
PARSING = "document_parsing_exception"
ARGUMENT = "illegal_argument_exception"
PRESSURE = (
    "rejected execution of {0} operation [coordinating_and_primary_bytes=99, replica_bytes=0, all_bytes=99, "
    "{0}_operation_bytes={1}, max_{0}_bytes={2}]"
)
LARGE = "Request contains an operation of size [9000] bytes, which exceeds the maximum allowed limit of [8000] bytes"
BREAKER = (
    "[parent] Data too large, data for [<http_request>] would be [1020054732/972.7mb], which is larger than the "
    "limit of [986061209/940.3mb], real usage: [1020053000/972.7mb], new bytes reserved: [1732/1.6kb]"
)
BAD_JSON = "[1:18] Unexpected character ('}' (code 125)): was expecting double-quote to start field name"
BAD_FEATURE = (
    "[1:15] failed to parse: featureValue must be a positive normal float, got: 0.0 for feature a on field emb which "
    "is less than the minimum positive normal float: 1.17549435E-38"
)
ALLOCATION = "[for_ingest] Error waiting for a model allocation, "
NO_TASK = (
    "Unable to find model deployment task [for_ingest] please stop and start the deployment or try again momentarily"
)
NO_WRITE_INDEX = (
    "no write index is defined for alias [films]. The write index may be explicitly disabled using "
    "is_write_index=false or the alias points to multiple indices without one being designated as a write index"
)

# Elasticsearch 9's exceptions as they arrive in an item, then answers recorded from the server core 8.19 and 9.1.
ITEMS = [
    (429, REJECTED, "inference process queue is full. Unable to execute command", Action.RETRY, QUEUE_FULL),
    (429, REJECTED, "inference process worker service has shutdown", Action.HOLD, "process_stopped"),
    (
        429,
        STATUS,
        "Rejected inference request waiting for an allocation of deployment [for_ingest]. Too many pending requests",
        Action.HOLD,
        "waiting_for_allocation",
    ),
    (429, REJECTED, PRESSURE.format("coordinating", 1024, 2048), Action.RETRY, "indexing_pressure"),
    (429, REJECTED, PRESSURE.format("primary", 1024, 2048), Action.RETRY, "indexing_pressure"),
    (429, REJECTED, PRESSURE.format("replica", 1024, 2048), Action.RETRY, "indexing_pressure"),
    (429, REJECTED, PRESSURE.format("primary", 8108, 2048), Action.SPLIT, "too_large"),
    (429, REJECTED, LARGE, Action.SPLIT, "too_large"),
    (429, "circuit_breaking_exception", BREAKER, Action.RETRY, "circuit_breaker"),
    (
        429,
        "cluster_block_exception",
        "index [idx] blocked by: [TOO_MANY_REQUESTS/12/disk]",
        Action.HOLD,
        "index_blocked",
    ),
    (429, REJECTED, "rejected execution of org.elasticsearch on EsThreadPoolExecutor", Action.RETRY, "rejected"),
    (408, STATUS, "timeout [10s] waiting for inference result", Action.RETRY, "inference_timeout"),
    (
        408,
        "model_deployment_timeout_exception",
        "Timed out after [30s] waiting for trained model deployment [for_ingest] to start.",
        Action.HOLD,
        "waiting_for_allocation",
    ),
    (409, STATUS, ALLOCATION + "model assignment has been removed", Action.HOLD, "not_allocated"),
    (500, STATUS, ALLOCATION + "all nodes have failed with errors [x]", Action.HOLD, "not_allocated"),
    (
        409,
        STATUS,
        "Model [.elser_model_2] must be deployed to use. Please deploy with the start trained model deployment API.",
        Action.HOLD,
        "not_deployed",
    ),
    (409, STATUS, "Trained model [for_ingest] is [stopping]", Action.HOLD, "deployment_stopping"),
    (409, STATUS, "Trained model [for_ingest] is [failed]", Action.HOLD, "deployment_stopping"),
    (
        409,
        STATUS,
        "[for_ingest] is stopping or stopped due to [node shutting down]",
        Action.HOLD,
        "deployment_stopping",
    ),
    (409, STATUS, "[for_ingest] process context missing", Action.HOLD, "deployment_stopping"),
    (
        409,
        STATUS,
        "Trained model deployment [for_ingest] is not allocated to any nodes",
        Action.HOLD,
        "not_allocated",
    ),
    (
        409,
        STATUS,
        "Trained model deployment [x] is not allocated to any nodes; starting deployment of one allocation",
        Action.HOLD,
        "not_allocated",
    ),
    (404, STATUS, NO_TASK, Action.HOLD, "deployment_lost"),
    (
        404,
        STATUS,
        "[for_ingest] is not an inference service model or a deployed ml model",
        Action.HOLD,
        "not_deployed",
    ),
    (404, "resource_not_found_exception", "Could not find trained model [missing_m]", Action.HOLD, "model_missing"),
    (500, STATUS, "Error in inference process: [boom]", Action.HOLD, "process_died"),
    (
        500,
        STATUS,
        "Error in inference process: [inference canceled as process is stopping]",
        Action.HOLD,
        "process_stopping",
    ),
    (
        500,
        "illegal_state_exception",
        "[for_ingest] encoder process [7] ended with exit code [137]",
        Action.HOLD,
        "process_stopped",
    ),
    (
        500,
        STATUS,
        "Error in inference process: [inference native process died unexpectedly with failure [x]]",
        Action.HOLD,
        "process_died",
    ),
    (400, STATUS, "inference task cancelled", Action.RETRY, "task_cancelled"),
    (400, ARGUMENT, "field [body] not present as part of path [body]", Action.NEVER, ARGUMENT),
    (400, ARGUMENT, "input field [x] cannot be processed because it is not a text field", Action.NEVER, ARGUMENT),
    (
        400,
        STATUS,
        "Input field [body] does not exist in the source document",
        Action.NEVER,
        "input_missing",
    ),
    (403, "security_exception", "current license is non-compliant for [ml]", Action.HOLD, "unlicensed"),
    (403, "security_exception", "action [indices:data/write/bulk[s]] is unauthorized", Action.HOLD, "forbidden"),
    (
        403,
        "cluster_block_exception",
        "index [idx] blocked by: [FORBIDDEN/8/index write (api)];",
        Action.HOLD,
        "forbidden",
    ),
    (503, "unavailable_shards_exception", "[films][0] primary shard is not active", Action.HOLD, "unavailable"),
    (502, "", "", Action.HOLD, "unavailable"),
    (504, "", "", Action.HOLD, "unavailable"),
    (
        404,
        "index_not_found_exception",
        "no such index [nope] and [action.auto_create_index] is [false]",
        Action.HOLD,
        "index_missing",
    ),
    (400, "index_closed_exception", "closed", Action.HOLD, "index_closed"),
    (400, ARGUMENT, "pipeline with id [nosuch] does not exist", Action.HOLD, "pipeline_missing"),
    (400, ARGUMENT, NO_WRITE_INDEX, Action.HOLD, "alias_without_index"),
    (400, PARSING, "[1:11] failed to parse: " + BAD_JSON, Action.NEVER, PARSING),
    (400, PARSING, "[1:11] failed to parse: [1:16] Unexpected end of file", Action.NEVER, PARSING),
    (400, PARSING, "Malformed content, must start with an object", Action.NEVER, PARSING),
    (400, "x_content_parse_exception", BAD_JSON, Action.NEVER, "x_content_parse_exception"),
    (400, "x_content_e_o_f_exception", "[1:16] Unexpected end of file", Action.NEVER, "x_content_e_o_f_exception"),
    (
        400,
        "strict_dynamic_mapping_exception",
        "[1:27] mapping set to strict, dynamic introduction of [unknown] within [_doc] is not allowed",
        Action.NEVER,
        "strict_dynamic_mapping_exception",
    ),
    (
        400,
        PARSING,
        "[1:7] failed to parse field [n] of type [long] in document with id 's1'. Preview of field's value: 'abc'",
        Action.NEVER,
        PARSING,
    ),
    (400, PARSING, BAD_FEATURE, Action.NEVER, PARSING),
    (409, STATUS, "something else", Action.STOP, "unknown"),
    (409, "version_conflict_engine_exception", "no number", Action.STOP, "unknown"),
    (500, "not_x_content_exception", "Compressor detection can only be called", Action.STOP, "unknown"),
    (500, "null_pointer_exception", "", Action.STOP, "unknown"),
    (404, STATUS, "something else", Action.STOP, "unknown"),
    (0, "", "", Action.STOP, "unknown"),
]

REQUESTS = [
    (400, "x_content_parse_exception", BAD_JSON, Action.SPLIT, "bad_request"),
    (
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: illegal version value [-5] for version type [EXTERNAL];",
        Action.SPLIT,
        "bad_request",
    ),
    (400, ARGUMENT, "The bulk request must be terminated by a newline [\\n]", Action.STOP, "unknown"),
    (400, ARGUMENT, "Malformed action/metadata line [1], expected field [create]", Action.STOP, "unknown"),
    (400, ARGUMENT, "request [/_bulk] contains unrecognized parameter: [x]", Action.STOP, "unknown"),
    (
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: no requests added;",
        Action.STOP,
        "unknown",
    ),
    (
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: create operations only support internal versioning. use index instead;",
        Action.STOP,
        "unknown",
    ),
    (413, "", "", Action.SPLIT, "too_large"),
    (401, "security_exception", "missing authentication credentials", Action.HOLD, "unauthorized"),
    (403, "security_exception", "action [indices:data/write/bulk] is unauthorized", Action.HOLD, "forbidden"),
    (404, "index_not_found_exception", "no such index [nope]", Action.HOLD, "index_missing"),
    (408, "", "", Action.RETRY, "timeout"),
    (429, REJECTED, PRESSURE.format("coordinating", 2048, 2048), Action.RETRY, "indexing_pressure"),
    (429, REJECTED, PRESSURE.format("primary", 1, 2048), Action.RETRY, "indexing_pressure"),
    (429, REJECTED, PRESSURE.format("replica", 1, 2048), Action.RETRY, "indexing_pressure"),
    # As a number and not as a text: "999" would be the larger.
    (429, REJECTED, PRESSURE.format("coordinating", 999, 2048), Action.RETRY, "indexing_pressure"),
    (429, REJECTED, PRESSURE.format("coordinating", 2049, 2048), Action.SPLIT, "too_large"),
    (429, REJECTED, PRESSURE.format("coordinating", 10**18, 10**17), Action.SPLIT, "too_large"),
    (429, REJECTED, LARGE, Action.SPLIT, "too_large"),
    (429, "circuit_breaking_exception", BREAKER, Action.RETRY, "circuit_breaker"),
    (429, REJECTED, "rejected execution of org.elasticsearch on EsThreadPoolExecutor", Action.RETRY, "rejected"),
    (429, "", "", Action.RETRY, "rejected"),
    (502, "", "", Action.HOLD, "unavailable"),
    (503, "cluster_block_exception", "SERVICE_UNAVAILABLE/1/state not recovered", Action.HOLD, "unavailable"),
    (504, "", "", Action.HOLD, "unavailable"),
    (405, "", "", Action.STOP, "unknown"),
    (409, "version_conflict_engine_exception", "[2]: version conflict, current version [7]", Action.STOP, "unknown"),
    (500, "not_x_content_exception", "Compressor detection can only be called", Action.STOP, "unknown"),
    (500, "null_pointer_exception", "", Action.STOP, "unknown"),
]
