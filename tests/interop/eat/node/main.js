// The npm peer for tokens in JSON behind the driver protocol of tests/interop/driver.py.

import { createInterface } from "node:readline";
import { CompactSign, compactVerify, exportSPKI, generateKeyPair, importSPKI } from "jose";

const hex = (data) => Buffer.from(data).toString("hex") || "-";
const bytes = (word) => new Uint8Array(Buffer.from(word.replace("-", ""), "hex"));
const keys = {};

const operations = {
  // jwt.key ALGORITHM: a public key in PEM
  async "jwt.key"(algorithm) {
    keys[algorithm] = await generateKeyPair(algorithm, { extractable: true });
    return hex(Buffer.from(await exportSPKI(keys[algorithm].publicKey)));
  },
  // jwt.sign ALGORITHM PAYLOAD: a JWS in compact form
  async "jwt.sign"(algorithm, payload) {
    const header = { alg: algorithm, typ: "eat+jwt", kid: "kid" };
    const token = await new CompactSign(bytes(payload)).setProtectedHeader(header).sign(keys[algorithm].privateKey);
    return hex(Buffer.from(token));
  },
  // jwt.verify ALGORITHM KEY TOKEN: its payload
  async "jwt.verify"(algorithm, key, token) {
    const pem = Buffer.from(bytes(key)).toString();
    const { payload } = await compactVerify(bytes(token), await importSPKI(pem, algorithm), { algorithms: [algorithm] });
    return hex(payload);
  },
};

async function answer(line) {
  const [operation, library, ...words] = line.split(" ");
  try {
    if (library !== "jose" || !(operation in operations)) throw new Error("unknown operation");
    return `ok ${await operations[operation](...words)}`;
  } catch (error) {
    return `error ${String(error.message).replaceAll("\n", " ") || "no reason given"}`;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write((await answer(line)) + "\n");
}
