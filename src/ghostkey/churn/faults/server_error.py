"""A write is answered 500, and not carried out: etcd has no leader, or a webhook fails.

What it finds
    Error branches that log and go on, and so forget what was to be cleaned up.
Source
    k8s.io/apimachinery/pkg/api/errors, NewInternalError.
"""

from __future__ import annotations

from ghostkey.churn.fault import Answer, Exchange, Fault, refusal


async def _refuse(exchange: Exchange) -> Answer:
    return refusal(500, "InternalError", "Internal error occurred: etcdserver: leader changed")


FAULT = Fault(on_request=_refuse, asks_again=True)
