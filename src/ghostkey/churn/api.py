"""The API server as churn asks it, past the operator's proxy."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ghostkey.churn.subjects import Document, as_json
from ghostkey.model.errors import ApiFailed

if TYPE_CHECKING:
    from ghostkey.testing import ControlPlane


class Api:
    """The API server as the administrator, for one thread."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._connection: http.client.HTTPSConnection | None = None

    def ask(self, method: str, path: str, body: bytes | None = None, content_type: str = "application/json") -> tuple[int, Any]:
        """Status and decoded answer."""
        for attempt in (1, 2):
            self._connection = self._connection or self._control_plane.connect()
            try:
                self._connection.request(method, path, body, {"Content-Type": content_type} if body is not None else {})
                answer = self._connection.getresponse()
                content = answer.read()
                is_json = "json" in (answer.getheader("Content-Type") or "")
                return answer.status, json.loads(content) if is_json and content else {
                    "message": content.decode(errors="replace")[:500]
                }
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                self._connection = None
                if attempt == 2:
                    raise ApiFailed(f"{method} {path}: {error}") from None
        raise AssertionError("unreachable")

    def must(self, method: str, path: str, body: Document | None = None, allowed: Sequence[int] = ()) -> Any:
        """The answer. Raises ApiFailed with the server's words unless it is a success or one of `allowed`."""
        status, answer = self.ask(method, path, as_json(body) if body is not None else None)
        if status >= http.HTTPStatus.BAD_REQUEST and status not in allowed:
            raise ApiFailed(f"{method} {path}: {status} {answer.get('message', '')}", status=status)
        return answer

    def get(self, path: str) -> dict[str, Any] | None:
        """An object; None when it is gone."""
        status, answer = self.ask("GET", path)
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        if status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiFailed(f"GET {path}: {status} {answer.get('message', '')}", status=status)
        document: dict[str, Any] = answer
        return document
