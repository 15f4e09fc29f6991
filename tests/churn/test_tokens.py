"""A subject is found however its name is written, and nobody else is."""

from __future__ import annotations

import base64
import hashlib
import random
import uuid

from hypothesis import given
from hypothesis import strategies as st

from ghostkey.churn.tokens import LONG_TAIL, Named, Spellings, masked, new_token

CHANCE = random.Random(7)
SUBJECTS = [Named(t := new_token(CHANCE), t + LONG_TAIL, "prod", str(uuid.UUID(int=CHANCE.getrandbits(128)))) for _ in range(60)]
SPELLINGS = Spellings(SUBJECTS)


@given(st.sampled_from(SUBJECTS), st.binary(max_size=9), st.binary(max_size=9))
def test_base64_of_any_alignment(subject: Named, before: bytes, after: bytes) -> None:
    assert "base64" in SPELLINGS.find(base64.b64encode(before + subject.token.encode() + after)).get(subject.token, set())


@given(st.sampled_from(SUBJECTS), st.sampled_from(["sha256", "sha1", "md5"]), st.sampled_from(["/", ".", "-", "_", ""]))
def test_hashes(subject: Named, name: str, joint: str) -> None:
    text = f"{subject.namespace}{joint}{subject.name}" if joint else subject.name
    digest = hashlib.new(name, text.encode()).hexdigest()
    assert SPELLINGS.find(f"x-{digest[:8]}".encode())[subject.token] == {"hash"}


def test_uid_whole_and_shortened() -> None:
    for subject in SUBJECTS:
        assert "uid" in SPELLINGS.find(f"key.{subject.uid}=".encode())[subject.token]


@given(st.binary(max_size=4000))
def test_nobody_is_found_in_noise(noise: bytes) -> None:
    assert not SPELLINGS.find(noise)


def test_the_same_mistake_of_two_subjects_is_one_signature() -> None:
    one, other = SUBJECTS[:2]
    for shape in ("{n}.{t}", "child-{t}-x", "{u}", "{cut}-" + "0" * 8):
        texts = {masked(shape.format(n=s.namespace, t=s.name, u=s.uid, cut=s.name[:15])) for s in (one, other)}
        assert len(texts) == 1
    assert masked(f"tenant-{one.token}-credentials") == masked(f"tenant-{one.name}-credentials") == "tenant-<S>-credentials"
