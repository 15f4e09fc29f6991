"""ghostkey finds ConfigMap and Secret keys that outlive the subject they were written for, and takes them away safely."""

__version__ = "0.1.0"
