# SPDX-License-Identifier: Apache-2.0
"""Checks compose.yaml and the Kubernetes manifests without a cluster: python3 Examples/cluster/validate.py

Needs PyYAML; with the package `kubernetes-validate` every manifest is checked against the schemas of Kubernetes as well.
"""
import pathlib
import sys

import yaml

here = pathlib.Path(__file__).parent
problems = []
compose = yaml.safe_load((here / "compose.yaml").read_text())
for name, service in compose["services"].items():
    if not ("image" in service or "build" in service):
        problems.append(f"compose: {name} has no image")
    for other in service.get("depends_on", []):
        if other not in compose["services"]:
            problems.append(f"compose: {name} waits for {other}, which is not there")
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("."):
            if not (here / source).exists():
                problems.append(f"compose: {source} is not there")
        elif source not in compose.get("volumes", {}):
            problems.append(f"compose: the volume {source} is not declared")
manifests = [m for file in sorted((here / "kubernetes").glob("*.yaml")) for m in yaml.safe_load_all(file.read_text())]
try:
    import kubernetes_validate
except ImportError:
    kubernetes_validate = None
    print("kubernetes-validate is not installed: the manifests are checked for their references only", file=sys.stderr)
for manifest in manifests:
    name = f"{manifest['kind']} {manifest['metadata']['name']}"
    if kubernetes_validate:
        try:
            kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{name}: {error.message} at {list(error.path)}")
deployment = next(m for m in manifests if m["kind"] == "Deployment")
labels = deployment["spec"]["template"]["metadata"]["labels"].items()
for manifest in manifests:
    selector = manifest["spec"].get("selector") if "spec" in manifest else None
    selector = selector.get("matchLabels", selector) if selector else {}
    if not selector.items() <= labels:
        problems.append(f"{manifest['kind']}: its selector matches no pod")
for problem in problems:
    print(problem)
print(f"{len(manifests)} manifests and {len(compose['services'])} services, {len(problems)} problems")
sys.exit(1 if problems else 0)
