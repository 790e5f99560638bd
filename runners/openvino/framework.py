"""The declaration of OpenVINO, which needs no OpenVINO installed."""

from runners.harness.workload import Framework, Workload
from runners.reference.layers import CLASSES, SIZES

SCOPES = ("compute", "transfer+compute")
INFER = Workload(("openvino",), networks=tuple(CLASSES), sizes=SIZES, scopes=SCOPES, devices=("cpu",))
FRAMEWORK = Framework("openvino", ("openvino",), {"infer": INFER}, by_name=True, title="OpenVINO")
