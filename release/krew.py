"""The manifest by which `kubectl krew` installs the archives.

Source: krew developer guide, "Plugin manifest", krew.googlecontainertools.github.com/v1alpha2
"""

from __future__ import annotations

from collections.abc import Mapping

import yaml

import ghostkey

NAME = "kubectl-ghostkey"


def manifest(archives: Mapping[tuple[str, str], tuple[str, str]], base_url: str) -> str:
    """The YAML; `archives` are (operating system, architecture) → (file, SHA-256)."""
    platforms = [
        {
            "selector": {"matchLabels": {"os": system, "arch": machine}},
            "uri": f"{base_url.rstrip('/')}/{file}",
            "sha256": digest,
            "bin": f"{NAME}/{NAME}",
        }
        for (system, machine), (file, digest) in sorted(archives.items())
    ]
    document = {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "ghostkey"},
        "spec": {
            "version": f"v{ghostkey.__version__}",
            "homepage": base_url,
            "shortDescription": "Find and trim keys that outlive their subject",
            "description": (
                "Finds keys of ConfigMaps and Secrets whose subject (a custom resource, Pod, Namespace …) is gone,\n"
                "proves each, takes them away atomically and puts them back on request.\n"
            ),
            "platforms": platforms,
        },
    }
    return yaml.safe_dump(document, sort_keys=False)
