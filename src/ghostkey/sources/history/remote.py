"""Logs and stores in object stores and on web servers, copied into a folder that lives as long as the reading.

What it reads
    s3://, gs:// and az:// (abfs://) by Arrow's own file systems, with the credentials that each one's tools use (environment,
    profiles, the machine's own role); http:// and https:// one file at a time. A name that ends in `/`, or is no object, is a
    folder: everything below it is read. az://CONTAINER/PATH, and abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH.
When it is wrong
    Nothing is read in place: what is named is copied first, within the bounds below.
Source
    pyarrow.fs (S3FileSystem, GcsFileSystem, AzureFileSystem); AWS_ENDPOINT_URL as in AWS SDKs, STORAGE_EMULATOR_HOST as in
    Google's, AZURE_STORAGE_CONNECTION_STRING as in Azure's
"""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from ghostkey.model.errors import GhostkeyError, NoSuchPath, SourceDamaged, with_extra

SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "http", "https")
FILES = 100_000  # of one folder
TIMEOUT_SECONDS = 60
_BLOCK = 1 << 20


def is_remote(path: str) -> bool:
    """Whether a path is a URL that `fetch` reads."""
    return urllib.parse.urlsplit(path).scheme in SCHEMES and "://" in path


def fetch(url: str, folder: Path, progress: Callable[[str], None] = lambda _: None) -> Path:
    """A copy of what a URL names, a file or a folder, in a folder that is there. Raises NoSuchPath or SourceDamaged."""
    scheme = urllib.parse.urlsplit(url).scheme
    progress(f"copying {url}")
    if scheme in ("http", "https"):
        return _from_web(url, folder)
    return _from_store(url, folder, progress)


def _from_web(url: str, folder: Path) -> Path:
    target = folder / _safe(PurePosixPath(urllib.parse.urlsplit(url).path).name)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer, target.open("wb") as handle:
            shutil.copyfileobj(answer, handle, _BLOCK)
    except urllib.error.HTTPError as error:
        raise NoSuchPath(f"{url}: {error.code} {error.reason}", "name a file that the server gives") from None
    except (OSError, ValueError) as error:
        raise SourceDamaged(f"cannot read {url}: {error}") from None
    return target


def _from_store(url: str, folder: Path, progress: Callable[[str], None]) -> Path:
    fs = _arrow()
    parts = urllib.parse.urlsplit(url)
    # abfs://container@account…/path
    place = (parts.netloc.partition("@")[0] + parts.path).rstrip("/")
    try:
        system = _system(fs, parts)
        info = system.get_file_info(place)
        if info.type == fs.FileType.File:
            return _copied(system, place, folder / _safe(PurePosixPath(place).name))
        selector = fs.FileSelector(place, recursive=True, allow_not_found=True)
        found = [entry for entry in system.get_file_info(selector) if entry.type == fs.FileType.File]
        if not found:
            raise NoSuchPath(
                f"{url} does not exist", "name an object, or the beginning of the names of several, as s3://bucket/logs/"
            )
        if len(found) > FILES:
            raise SourceDamaged(f"{url} holds {len(found):,} objects, more than {FILES:,}", "name a part of it")
        top = folder / _safe(PurePosixPath(place).name)
        for number, entry in enumerate(found):
            progress(f"copying {url}: {number + 1:,} of {len(found):,}")
            within = PurePosixPath(entry.path).relative_to(PurePosixPath(place))
            target = top.joinpath(*(_safe(part) for part in within.parts))
            target.parent.mkdir(parents=True, exist_ok=True)
            _copied(system, entry.path, target)
        return top
    except (OSError, ValueError) as error:
        if isinstance(error, GhostkeyError):
            raise
        raise SourceDamaged(
            f"cannot read {url}: {error}", "credentials are those of the store's own tools, such as AWS_PROFILE"
        ) from None


def _system(fs: Any, parts: urllib.parse.SplitResult) -> Any:
    """The file system of a URL; its options may stand in the query, as `?endpoint_override=…&scheme=http`."""
    options = dict(urllib.parse.parse_qsl(parts.query))
    if parts.scheme == "s3":
        endpoint = (
            options.get("endpoint_override") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        )
        known: dict[str, str] = {}
        if endpoint:
            bare = urllib.parse.urlsplit(endpoint if "://" in endpoint else f"{options.get('scheme', 'https')}://{endpoint}")
            known = {"endpoint_override": bare.netloc, "scheme": bare.scheme}
        region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region or endpoint:
            known["region"] = region or "us-east-1"
        return fs.S3FileSystem(**known)
    if parts.scheme in ("gs", "gcs"):
        endpoint = options.get("endpoint_override") or os.environ.get("STORAGE_EMULATOR_HOST") or ""
        if not endpoint:
            return fs.GcsFileSystem()
        bare = urllib.parse.urlsplit(endpoint if "://" in endpoint else f"{options.get('scheme', 'http')}://{endpoint}")
        return fs.GcsFileSystem(anonymous=True, endpoint_override=bare.netloc, scheme=bare.scheme)
    return _azure(fs, parts, options)


def _azure(fs: Any, parts: urllib.parse.SplitResult, options: dict[str, str]) -> Any:
    """The file system of a storage account, as the URL, a connection string or the environment name it."""
    named = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "")
    known = dict(word.split("=", 1) for word in named.split(";") if "=" in word)
    account = (
        parts.netloc.partition("@")[2].partition(".")[0] or options.get("account_name") or known.get("AccountName")
        or os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    )  # fmt: skip
    if not account:
        raise ValueError("the storage account is not known: set AZURE_STORAGE_ACCOUNT")
    key = known.get("AccountKey") or os.environ.get("AZURE_STORAGE_KEY") or None
    where: dict[str, str] = {}
    if endpoint := known.get("BlobEndpoint"):
        bare = urllib.parse.urlsplit(endpoint)
        where = dict.fromkeys(("blob_storage_authority", "dfs_storage_authority"), bare.netloc)
        where |= dict.fromkeys(("blob_storage_scheme", "dfs_storage_scheme"), bare.scheme)
    return fs.AzureFileSystem(account, account_key=key, **where)


def _copied(system: Any, place: str, target: Path) -> Path:
    with system.open_input_stream(place, compression=None) as source, target.open("wb") as handle:
        shutil.copyfileobj(source, handle, _BLOCK)
    return target


def _safe(name: str) -> str:
    """A name as a file of its own: what an object is called leads nowhere."""
    name = name.replace("/", "_").replace("\\", "_").replace("\0", "_")
    return "_" if name in ("", ".", "..") else name[:200]


def _arrow() -> Any:
    try:
        from pyarrow import fs
    except ImportError:
        raise GhostkeyError("reading from an object store needs pyarrow, which is not installed", with_extra("history")) from None
    return fs
