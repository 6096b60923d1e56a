"""Stands in for TensorFlow Serving: the same addresses, JSON and messages, by TensorFlow alone.

`python -P serving.py FOLDER NAME` serves the newest version in FOLDER, having run the requests that
it brings along, and says on which ports: {"rest": 8501, "grpc": 8500}. JAX is hidden from it. What
it answers follows https://www.tensorflow.org/tfx/serving/api_rest.
"""

import base64
import importlib.abc
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np


class NoJax(importlib.abc.MetaPathFinder):
  """Hides an installed JAX."""

  def find_spec(self, fullname, path, target=None):
    if fullname.partition(".")[0] in ("jax", "jaxlib"):
      raise ModuleNotFoundError(f"{fullname} is hidden from this process", name=fullname)


def decoded(value):
  """JSON with bytes for every {"b64": ...}."""
  if isinstance(value, dict):
    return base64.b64decode(value["b64"], validate=True)
  return [decoded(each) for each in value] if isinstance(value, list) else value


def encoded(name: str, values: np.ndarray):
  """An output as JSON has it; bytes where the name ends so."""
  if not name.endswith("_bytes"):
    return values.tolist()
  return [{"b64": base64.b64encode(content).decode()} for content in values]


class Model:
  """The newest version of a model, started by the requests that it brings along."""

  def __init__(self, base: Path):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    self.tf = tf
    self.version = max(int(path.name) for path in base.iterdir() if path.name.isdecimal())
    folder = base / str(self.version)
    self.loaded = tf.saved_model.load(str(folder))
    warm_up = str(folder / "assets.extra" / "tf_serving_warmup_requests")
    for record in tf.data.TFRecordDataset(warm_up).as_numpy_iterator():
      log = prediction_log_pb2.PredictionLog.FromString(record)
      self.of_message(log.predict_log.request)

  def __call__(self, signature: str, inputs: dict) -> dict[str, np.ndarray]:
    if signature not in self.loaded.signatures:
      raise ValueError(f"Serving signature name: {signature!r} not found in signature def")
    function = self.loaded.signatures[signature]
    _, specs = function.structured_input_signature
    if inputs.keys() != specs.keys():
      raise ValueError(f"expected inputs {sorted(specs)}, found {sorted(inputs)}")
    given = {name: self.tf.constant(value, specs[name].dtype) for name, value in inputs.items()}
    return {name: value.numpy() for name, value in function(**given).items()}

  def of_message(self, request) -> dict[str, np.ndarray]:
    inputs = {name: self.tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
    return self(request.model_spec.signature_name or "serving_default", inputs)

  def of_json(self, request: dict) -> dict:
    signature = request.get("signature_name", "serving_default")
    if "inputs" in request:  # by columns
      outputs = self(signature, {name: decoded(each) for name, each in request["inputs"].items()})
      found = {name: encoded(name, values) for name, values in outputs.items()}
      return {"outputs": found if len(found) > 1 else next(iter(found.values()))}
    rows = request["instances"]
    _, specs = self.loaded.signatures[signature].structured_input_signature
    if not (isinstance(rows[0], dict) and rows[0].keys() == specs.keys()):
      (only,) = specs  # its name may be left out
      rows = [{only: row} for row in rows]
    outputs = self(signature, {name: [decoded(row[name]) for row in rows] for name in specs})
    columns = {name: encoded(name, values) for name, values in outputs.items()}
    if len(columns) == 1:
      return {"predictions": next(iter(columns.values()))}
    count = len(next(iter(columns.values())))
    return {"predictions": [{name: columns[name][k] for name in columns} for k in range(count)]}


def rest_handler(model: Model, name: str):
  """What answers requests over HTTP."""

  class Handler(BaseHTTPRequestHandler):
    def answer(self, code: int, said: dict):
      content = json.dumps(said).encode()
      self.send_response(code)
      self.send_header("Content-Length", str(len(content)))
      self.end_headers()
      self.wfile.write(content)

    def do_GET(self):
      if self.path != f"/v1/models/{name}":
        return self.answer(404, {"error": f"Could not find any versions of model {self.path}"})
      status = {"version": str(model.version), "state": "AVAILABLE"}
      return self.answer(200, {"model_version_status": [status]})

    def do_POST(self):
      if self.path not in (
        f"/v1/models/{name}:predict",
        f"/v1/models/{name}/versions/{model.version}:predict",
      ):
        return self.answer(404, {"error": f"Servable not found for request: {self.path}"})
      try:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return self.answer(200, model.of_json(request))
      except Exception as error:  # whatever is wrong with a request, the server lives
        return self.answer(400, {"error": str(error)})

    def log_message(self, *_):
      pass

  return Handler


def grpc_server(model: Model) -> tuple[object, int]:
  """A running server, and its port."""
  import grpc
  from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

  class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    def Predict(self, request, context):  # noqa: N802
      try:
        outputs = model.of_message(request)
      except Exception as error:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
      response = predict_pb2.PredictResponse(model_spec=request.model_spec)
      for name, values in outputs.items():
        response.outputs[name].CopyFrom(model.tf.make_tensor_proto(values))
      return response

  server = grpc.server(ThreadPoolExecutor(2))
  prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
  port = server.add_insecure_port("localhost:0")
  server.start()
  return server, port


def main(base: str, name: str) -> None:
  """Serves until the process is ended."""
  sys.meta_path.insert(0, NoJax())
  model = Model(Path(base))
  rest = ThreadingHTTPServer(("localhost", 0), rest_handler(model, name))
  _running, port = grpc_server(model)  # which ends with its last name
  assert "jax" not in sys.modules
  print(json.dumps({"rest": rest.server_address[1], "grpc": port}), flush=True)
  rest.serve_forever()


if __name__ == "__main__":
  main(*sys.argv[1:])
