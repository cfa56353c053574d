"""The bill of materials of an image, as CycloneDX 1.6 in JSON, on standard output.

    python deploy/sbom.py IMAGE

The image itself is asked: dpkg for Debian's packages, Python's metadata for what pip has installed.
Its labels say what it was made from. It is run once, without a network, and no part of it starts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_PARTED = "=="
# A line a package: name, version, architecture, and the source that it was built from.
_DPKG = (
    "dpkg-query --show --showformat "
    r"'${binary:Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n'"
)
_PYTHON = (
    "import importlib.metadata as m, json; "
    "print(json.dumps([[d.metadata['Name'], d.version] for d in m.distributions()]))"
)
_LISTS = (
    f'. /etc/os-release; echo "$ID-$VERSION_ID"; echo {_PARTED}; {_DPKG}; echo {_PARTED}; '
    f'/opt/signpost/bin/python -c "{_PYTHON}"'
)
_LABELS = ("org.opencontainers.image.", "signpost.")
_VERSION = "org.opencontainers.image.version"


def bill_of(image: str) -> Bom:
    """Raises subprocess.CalledProcessError where the image is not there or is another's."""
    about = json.loads(_docker("image", "inspect", image))[0]
    run = ("run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-euc", _LISTS)
    system, debian, python = _docker(*run).split(f"{_PARTED}\n")
    root = _image(about)
    # The same for the same image.
    bill = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, str(about["Id"])))
    bill.metadata.component = root
    components = [*_debian(debian, system.strip()), *_python(python)]
    for component in components:
        bill.components.add(component)
    bill.register_dependency(root, components)
    return bill


def _image(about: dict[str, Any]) -> Component:
    labels = about["Config"]["Labels"] or {}
    properties = [
        Property(name=name, value=value)
        for name, value in sorted(labels.items())
        if name.startswith(_LABELS) and value
    ]
    properties.append(Property(name="architecture", value=about["Architecture"]))
    return Component(
        name="signpost",
        version=labels.get(_VERSION) or None,
        type=ComponentType.CONTAINER,
        bom_ref="signpost-image",
        properties=properties,
    )


def _debian(listed: str, system: str) -> Iterator[Component]:
    for line in listed.splitlines():
        name, version, architecture, source, source_version = line.split("\t")
        name = name.partition(":")[0]
        qualifiers = {"arch": architecture, "distro": system}
        if (source, source_version) != (name, version):
            qualifiers["upstream"] = f"{source}@{source_version}"
        yield _library(name, version, PackageURL("deb", "debian", name, version, qualifiers))


def _python(listed: str) -> Iterator[Component]:
    for name, version in json.loads(listed):
        yield _library(name, version, PackageURL("pypi", None, name, version))


def _library(name: str, version: str, purl: PackageURL) -> Component:
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
    )


def _docker(*arguments: str) -> str:
    command = ("docker", *arguments)
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode()  # noqa: S603


def main() -> None:
    """Print it."""
    if len(sys.argv) != 2:
        sys.exit("usage: python deploy/sbom.py IMAGE")
    print(JsonV1Dot6(bill_of(sys.argv[1])).output_as_string(indent=1))


if __name__ == "__main__":
    main()
