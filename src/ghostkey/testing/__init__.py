"""Real control planes for tests: etcd, kube-apiserver, kube-controller-manager and kwok, from nothing, in seconds.

>>> with ControlPlane() as control_plane:              # doctest: +SKIP
...     control_plane.kubectl("get", "namespaces")

The pytest plugin `ghostkey.testing.plugin` gives the fixtures `control_plane` and `namespace`.
"""

from ghostkey.testing.binaries import binary, go_program, is_built, testbed_directory
from ghostkey.testing.control_plane import ControlPlane
from ghostkey.testing.supervised import Process, Supervised

__all__ = ["ControlPlane", "Process", "Supervised", "binary", "go_program", "is_built", "testbed_directory"]
