"""PyPI's ``voprf`` behind the driver protocol of tests/interop/driver.py. It has the mode VOPRF only."""

from __future__ import annotations

import os
import sys

from voprf import p384, ristretto

SUITES = {"P384-SHA384": (p384, 96), "ristretto255-SHA512": (ristretto, 64)}


class Driver:
    """Holds one server's key, and one client's state."""

    def oprf_key(self, _mode, suite):
        self.server, self.proof_size = SUITES[suite][0].Evaluator(os.urandom(32)), SUITES[suite][1]
        self.library = SUITES[suite][0]
        return [self.server.public_key.serialize()]

    def oprf_blind(self, _mode, suite, key, _info, *inputs):
        self.library, self.proof_size = SUITES[suite]
        self.key = self.library.PublicKey.deserialize(data(key))
        made = [self.library.Client.blind(data(one)) for one in inputs]
        self.clients = [client for client, _ in made]
        return [blinded.serialize() for _, blinded in made]

    def oprf_finish(self, proof, *evaluated):
        answer = data(proof) + b"".join(map(data, evaluated))
        output = self.library.VerifiableBatchOutput.deserialize(answer)
        return self.library.Client.finalize_batch(self.clients, output, self.key)

    def oprf_evaluate(self, _info, *blinded):
        elements = [self.library.BlindedInput.deserialize(data(one)) for one in blinded]
        answer = self.server.evaluate_batch(elements).serialize()
        proof, body = answer[: self.proof_size], answer[self.proof_size :]
        size = len(body) // len(elements)
        return [proof, *(body[start : start + size] for start in range(0, len(body), size))]

    def oprf_output(self, _info, message):
        return [self.server.evaluate_known_input(data(message))]


def data(word):
    return bytes.fromhex(word.removeprefix("-"))


def main():
    driver = Driver()
    for line in sys.stdin:
        operation, _library, *words = line.split()
        try:
            results = getattr(driver, operation.replace(".", "_"))(*words)
            print("ok", *(bytes(result).hex() or "-" for result in results), flush=True)
        except BaseException as error:  # noqa: BLE001  # a panic in Rust is no Exception
            kind = "error" if isinstance(error, Exception) else "panic"
            print(kind, type(error).__name__, str(error).replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
