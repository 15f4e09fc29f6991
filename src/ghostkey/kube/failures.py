"""What went wrong with a request, in the other side's words, without anything that it was sent."""

from __future__ import annotations

import http.client
import ssl
from http import HTTPStatus

from ghostkey.foreign import UnreadableError, decode_json
from ghostkey.kube.answers import TooLargeError, described
from ghostkey.kube.config import ClientConfig
from ghostkey.kube.connect import Dialer
from ghostkey.kube.credentials import Credentials
from ghostkey.kube.proxies import ProxyFailedError, status_words
from ghostkey.model.admission import GUARD_POLICY
from ghostkey.model.errors import AccessDenied, AnswerLost, ApiFailed, GhostkeyError

MESSAGE_CHARACTERS = 2_000  # of an error's own words
GUARD_HINT = "`ghostkey guard status` shows what is kept out and why; `ghostkey guard apply --mode audit --apply` lets it pass"
# what 403 says where it is no matter of rights; Source: Kubernetes apiserver, plugin/pkg/admission
_NO_MATTER_OF_RIGHTS = {
    "because it is being terminated": "the namespace is being deleted: nothing can be made in it any more",
    "exceeded quota": "a ResourceQuota of the namespace is used up: kubectl describe resourcequota",
    "violates PodSecurity": "the namespace's Pod Security Standard does not allow it",
    "admission webhook ": "a webhook of the cluster has refused it: its owner knows why",
}
TOO_LARGE = "TooLarge"  # reason of an answer that was not read to its end


class Failures:
    """Makes errors of answers, and of their absence."""

    def __init__(self, config: ClientConfig, dialer: Dialer, where: str) -> None:
        self._config, self._dialer, self._where = config, dialer, where

    def of_answer(self, method: str, path: str, status: int, answer: bytes, sent: Credentials) -> GhostkeyError:
        """What an answer that is no success says, and what to do about it."""
        try:
            said = decode_json(answer)
            message = self._without_secrets(str(said.get("message") or ""), sent)[:MESSAGE_CHARACTERS]
            reason = self._without_secrets(str(said.get("reason") or ""), sent)
            # on 410 the server offers a token to go on from; it travels in `reason`
            offered = str((said.get("metadata") or {}).get("continue") or "")
        except (UnreadableError, AttributeError):
            message, reason, offered = described(answer) if answer else "", "", ""
        if is_redirect(status):
            message = f"it redirects to {answer.decode() or 'nowhere'}"
        what = f"{_verb(method)} {path.partition('?')[0]}: {status_words(status)}: {message}".rstrip(": ")
        if status == HTTPStatus.UNAUTHORIZED:
            return AccessDenied(
                f"{what} (user {self._config.user!r} of {self._config.origin})",
                "the credentials are missing or have expired: log in again, or choose another --context",
                status,
            )
        if status == HTTPStatus.FORBIDDEN:
            return AccessDenied(what, _way_out_of(message), status)
        hint = GUARD_HINT if status == HTTPStatus.UNPROCESSABLE_ENTITY and GUARD_POLICY in message else ""
        return ApiFailed(what, hint, status=status, reason=offered or reason)

    def _without_secrets(self, text: str, sent: Credentials) -> str:
        """What a server says, without what it was sent: some echo the request."""
        secrets = sent.secrets()
        if proxy := self._dialer.proxy:
            secrets += [proxy.password, *(value.partition(" ")[2] for value in proxy.headers.values())]
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, "…")
        return text

    def unreachable(self, method: str, path: str, error: Exception) -> GhostkeyError:
        """Why there was no answer."""
        where = self._where
        if isinstance(error, ssl.SSLCertVerificationError):
            return ApiFailed(
                f"{where}: TLS certificate not accepted: {error.verify_message}",
                f"check certificate-authority of the cluster in {self._config.origin}",
            )
        if isinstance(error, ProxyFailedError) and self._dialer.proxy:
            return ApiFailed(
                f"cannot {_verb(method)} {path.partition('?')[0]} at {where}: {error}",
                f"the proxy is that of {self._dialer.proxy.said_by}; nothing goes around it",
            )
        if isinstance(error, TooLargeError):
            return ApiFailed(f"cannot {_verb(method)} {path.partition('?')[0]} at {where}: {error}", reason=TOO_LARGE)
        return ApiFailed(
            f"cannot {_verb(method)} {path.partition('?')[0]} at {where}: {words_of(error)}",
            f"is the server of context {self._config.context!r} running and reachable? kubectl cluster-info",
        )


def _way_out_of(message: str) -> str:
    """What to do about a 403 of these words: it is mostly one of rights."""
    told = (hint for words, hint in _NO_MATTER_OF_RIGHTS.items() if words in message)
    return next(told, "`ghostkey rbac` prints the rights that each command needs")


def answer_lost(method: str, path: str, words: str) -> AnswerLost:
    """The error of a write of which nothing says whether it was carried out."""
    return AnswerLost(f"no answer says whether the {_verb(method)} of {path.partition('?')[0]} was carried out: {words}")


def is_redirect(status: int) -> bool:
    """Whether a status says to ask elsewhere."""
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST


def words_of(error: Exception) -> str:
    """What an error says, where its own words would not help."""
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut"  # its own words count bytes
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, http.client.RemoteDisconnected):
        return "the answer is no HTTP"  # its own words quote the line
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def is_refusal(status: int, answer: bytes) -> bool:
    """Whether an error says that a write was not carried out: the API server's own word with a 4xx, or 429 of anybody."""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    is_of_client = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.REQUEST_TIMEOUT
    return is_of_client and is_status(answer)


def is_status(answer: bytes) -> bool:
    """Whether an error is the API server's own."""
    try:
        said = decode_json(answer)
    except UnreadableError:
        return False
    return isinstance(said, dict) and said.get("kind") == "Status" and said.get("status") == "Failure"


def _verb(method: str) -> str:
    return {"GET": "read", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method, method)
