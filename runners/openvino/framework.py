"""The declaration of OpenVINO, which needs no OpenVINO installed."""

from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SIZES

SCOPES = ("compute", "transfer+compute")
MODELS = ("onnx", "function")
INFER = Workload(("openvino",), networks=tuple(CLASSES), sizes=SIZES, scopes=SCOPES, devices=("cpu",), models=MODELS)
FRAMEWORK = Framework("openvino", ("openvino",), {"infer": INFER}, by_name=True, title="OpenVINO")
