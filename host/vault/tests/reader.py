"""Reads vaults with Python's `cryptography`, from docs/vault-format.md alone.

In: the directory of the test vectors. Out: how many of those that should open did, with the contents their manifest gives.
It checks every tag and every check sum, but does not name what is wrong: that is what the vectors' other half is for.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def derive(secret, purpose, salt, vault, length):
    info = b"llm-host-vault/1 " + purpose + b"\0" + vault
    return HKDF(hashes.SHA256(), length, salt or None, info).derive(secret)


def aad(purpose, *parts):
    return b"llm-host-vault/1 " + purpose + b"\0" + b"".join(parts)


def unseal(key, associated, sealed):
    return ChaCha20Poly1305(key).decrypt(bytes(12), sealed, associated)


def check(data):
    return hashlib.sha256(data).digest()[:8]


def secret_of(kind, slot, slot_id, vault, unlock):
    """What opens a slot, and where its wrap begins; None for a slot of another method."""
    if kind == 1 and "passphrase" in unlock:
        memory, iterations, lanes = struct.unpack(">III", slot[20:32])
        argon2 = Argon2id(salt=slot[32:64], length=32, iterations=iterations, lanes=lanes, memory_cost=memory)
        return argon2.derive(unlock["passphrase"].encode()), 32
    if kind == 2 and "key_file" in unlock:
        return bytes.fromhex(unlock["key_file"]), 20
    if kind == 3 and "keyring" in unlock:
        return bytes.fromhex(unlock["keyring"][vault.hex() + "/" + slot_id.hex()]), 20
    return None


def data_key(file, count, vault, unlock):
    at, key = 112, None
    for _ in range(count):
        kind, reserved, length, slot_id = struct.unpack(">BBH16s", file[at : at + 20])
        slot = file[at : at + 20 + length]
        assert reserved == 0 and check(slot) == file[at + 20 + length : at + 28 + length]
        at += 28 + length
        found = secret_of(kind, slot, slot_id, vault, unlock)
        if found and key is None:
            secret, wrap = found
            keys = derive(secret, b"slot", slot[wrap : wrap + 32], vault, 64)
            if keys[32:] == slot[wrap + 32 : wrap + 64]:
                associated = aad(b"slot", vault, slot[: wrap + 64])
                key = unseal(keys[:32], associated, slot[wrap + 64 : wrap + 112])
    return key, at


def secrets_of(plain):
    (count,) = struct.unpack(">H", plain[:2])
    at, fields = 2, {}
    for _ in range(count):
        (length,) = struct.unpack(">H", plain[at : at + 2])
        name = plain[at + 2 : at + 2 + length].decode()
        at += 2 + length
        (length,) = struct.unpack(">I", plain[at : at + 4])
        fields[name] = plain[at + 4 : at + 4 + length].decode()
        at += 4 + length
    assert len(plain) % 256 == 0 and len(plain) - at < 256 and not any(plain[at:])
    return fields


def read(file, unlock):
    assert file[:8] == b"\x89LLMV\r\n\x1a" and check(file[:104]) == file[104:112]
    fixed = struct.unpack(">HBBI16sQ32s16sII8s", file[8:104])
    version, suite, count, slots_len, vault, revision, salt, key_id, index_len, records_len, reserved = fixed
    assert (version, suite, reserved) == (1, 1, bytes(8))
    key, at = data_key(file, count, vault, unlock)
    assert at == 112 + slots_len and key_id == derive(key, b"key id", b"", vault, 16)
    tag = hmac.digest(derive(key, b"header", salt, vault, 32), file[:at], "sha256")
    assert hmac.compare_digest(tag, file[at : at + 32])
    front, at = file[: at + 32], at + 32
    index = json.loads(unseal(derive(key, b"index", salt, vault, 32), aad(b"index", front), file[at : at + index_len]))
    at += index_len
    assert at + records_len == len(file)
    secrets = {}
    for row in index["entries"]:
        length, sealed_for, record_salt = struct.unpack(">IQ32s", file[at : at + 44])
        sealed = file[at + 44 : at + 44 + length]
        at += 44 + length
        digest = hashlib.sha256(sealed).hexdigest()
        assert row["record"] == {"revision": sealed_for, "salt": record_salt.hex(), "sha256": digest}
        name = row["entry"]["name"]
        associated = aad(b"entry", vault, struct.pack(">Q", sealed_for), name.encode())
        secrets[name] = secrets_of(unseal(derive(key, b"entry", record_salt, vault, 32), associated, sealed))
    assert at == len(file)
    return {"revision": revision, "secrets": secrets, "grants": len(index["grants"])}


def main(directory):
    good = [case for case in json.loads((directory / "manifest.json").read_text()) if "secrets" in case["expect"]]
    for case in good:
        found = read((directory / case["file"]).read_bytes(), case["unlock"])
        assert found == case["expect"], f"{case['name']}: {found}"
    print(f"{len(good)} vaults read")


main(pathlib.Path(sys.argv[1]))
