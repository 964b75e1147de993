// The npm peers behind the driver protocol of tests/interop/driver.py.

import { createInterface } from "node:readline";
import * as panva from "hpke";
import * as noble from "@panva/hpke-noble";
import * as core from "@hpke/core";
import { Chacha20Poly1305 } from "@hpke/chacha20poly1305";
import { XWing } from "@hpke/hybridkem-x-wing";
import { MlKem768, MlKem1024 } from "@hpke/ml-kem";
import { BHttpDecoder, BHttpEncoder } from "bhttp-js";

const PANVA = {
  kem: {
    0x0010: panva.KEM_DHKEM_P256_HKDF_SHA256,
    0x0011: panva.KEM_DHKEM_P384_HKDF_SHA384,
    0x0012: panva.KEM_DHKEM_P521_HKDF_SHA512,
    0x0020: panva.KEM_DHKEM_X25519_HKDF_SHA256,
    0x0021: panva.KEM_DHKEM_X448_HKDF_SHA512,
    0x0041: noble.KEM_ML_KEM_768,
    0x0042: noble.KEM_ML_KEM_1024,
    0x0050: noble.KEM_MLKEM768_P256,
    0x0051: noble.KEM_MLKEM1024_P384,
    0x647a: noble.KEM_MLKEM768_X25519,
  },
  kdf: {
    1: panva.KDF_HKDF_SHA256,
    2: panva.KDF_HKDF_SHA384,
    3: panva.KDF_HKDF_SHA512,
    16: noble.KDF_SHAKE128,
    17: noble.KDF_SHAKE256,
  },
  aead: { 1: panva.AEAD_AES_128_GCM, 2: panva.AEAD_AES_256_GCM, 3: noble.AEAD_ChaCha20Poly1305 },
};

const CORE = {
  kem: {
    0x0010: core.DhkemP256HkdfSha256,
    0x0011: core.DhkemP384HkdfSha384,
    0x0012: core.DhkemP521HkdfSha512,
    0x0020: core.DhkemX25519HkdfSha256,
    0x0021: core.DhkemX448HkdfSha512,
    0x0041: MlKem768,
    0x0042: MlKem1024,
    0x647a: XWing,
  },
  kdf: { 1: core.HkdfSha256, 2: core.HkdfSha384, 3: core.HkdfSha512 },
  aead: { 1: core.Aes128Gcm, 2: core.Aes256Gcm, 3: Chacha20Poly1305 },
};

// Both libraries behind one face: generate, send, receive, and contexts with seal, open and export.

const libraries = {
  "hpke": (kem, kdf, aead) => {
    const suite = new panva.CipherSuite(PANVA.kem[kem], PANVA.kdf[kdf], PANVA.aead[aead]);
    const options = (info, psk, pskId) => (psk.length ? { info, psk, pskId } : { info });
    const context = (made) => ({
      seal: (plaintext, aad) => made.Seal(plaintext, aad),
      open: (ciphertext, aad) => made.Open(ciphertext, aad),
      export: (label, length) => made.Export(label, length),
    });
    return {
      generate: () => suite.GenerateKeyPair(),
      encode: (key) => suite.SerializePublicKey(key),
      send: async (key, ...given) => {
        const made = await suite.SetupSender(await suite.DeserializePublicKey(key), options(...given));
        return [made.encapsulatedSecret, context(made.ctx)];
      },
      receive: async (pair, enc, ...given) => context(await suite.SetupRecipient(pair, enc, options(...given))),
    };
  },
  "@hpke/core": (kem, kdf, aead) => {
    const suite = new core.CipherSuite({
      kem: new CORE.kem[kem](),
      kdf: new CORE.kdf[kdf](),
      aead: new CORE.aead[aead](),
    });
    const options = (info, psk, pskId) => (psk.length ? { info, psk: { id: pskId, key: psk } } : { info });
    return {
      generate: () => suite.kem.generateKeyPair(),
      encode: (key) => suite.kem.serializePublicKey(key),
      send: async (key, ...given) => {
        const recipientPublicKey = await suite.kem.deserializePublicKey(key);
        const made = await suite.createSenderContext({ recipientPublicKey, ...options(...given) });
        return [made.enc, made];
      },
      receive: (pair, enc, ...given) =>
        suite.createRecipientContext({ recipientKey: pair.privateKey, enc, ...options(...given) }),
    };
  },
};

let pair;

class Args {
  constructor(words) {
    this.words = words;
  }
  word() {
    if (!this.words.length) throw new Error("argument missing");
    return this.words.shift();
  }
  int() {
    return Number(this.word());
  }
  bytes() {
    return new Uint8Array(Buffer.from(this.word().replace("-", ""), "hex"));
  }
  text() {
    return Buffer.from(this.bytes()).toString("latin1");
  }
  fields() {
    return Array.from({ length: this.int() }, () => [this.text(), this.text()]);
  }
}

const hex = (data) => Buffer.from(data).toString("hex") || "-";
const text = (data) => hex(Buffer.from(data, "latin1"));
const fields = (headers) => [[...headers].length, ...[...headers].flat().map((part) => text(part))];

// Nanoseconds of one call: the least over batches, for as many milliseconds.
async function least(milliseconds, once) {
  const batch = 5n;
  const end = process.hrtime.bigint() + BigInt(milliseconds) * 1000000n;
  let best;
  while (best === undefined || process.hrtime.bigint() < end) {
    const began = process.hrtime.bigint();
    for (let left = batch; left > 0n; left--) await once();
    const spent = (process.hrtime.bigint() - began) / batch;
    if (best === undefined || spent < best) best = spent;
  }
  return best;
}

const operations = {
  "hpke.key": async (library, args) => {
    const suite = libraries[library](args.int(), 1, 1);
    pair = await suite.generate();
    return [hex(await suite.encode(pair.publicKey))];
  },
  "hpke.seal": async (library, args) => {
    const suite = libraries[library](args.int(), args.int(), args.int());
    const [enc, context] = await suite.send(args.bytes(), args.bytes(), args.bytes(), args.bytes());
    const out = [hex(enc), hex(await context.export(args.bytes(), args.int()))];
    for (let left = args.int(); left > 0; left--) {
      const aad = args.bytes();
      out.push(hex(await context.seal(args.bytes(), aad)));
    }
    return out;
  },
  "hpke.open": async (library, args) => {
    const suite = libraries[library](args.int(), args.int(), args.int());
    const context = await suite.receive(pair, args.bytes(), args.bytes(), args.bytes(), args.bytes());
    const out = [hex(await context.export(args.bytes(), args.int()))];
    for (let left = args.int(); left > 0; left--) {
      const aad = args.bytes();
      out.push(hex(await context.open(args.bytes(), aad)));
    }
    return out;
  },
  "hpke.bench": async (library, args) => {
    const suite = libraries[library](args.int(), args.int(), args.int());
    const own = await suite.generate();
    const [message, none] = [new Uint8Array(args.int()), new Uint8Array()];
    return [
      await least(args.int(), async () => {
        const [enc, sender] = await suite.send(await suite.encode(own.publicKey), none, none, none);
        const recipient = await suite.receive(own, enc, none, none, none);
        await recipient.open(await sender.seal(message, none), none);
      }),
    ];
  },
  "bhttp.encode": async (_library, args) => {
    args.int(); // framing: always of known length
    args.int(); // padding: none
    if (args.word() === "request") {
      const [method, scheme, authority, path] = [args.text(), args.text(), args.text(), args.text()];
      const headers = args.fields();
      const content = args.bytes();
      const body = content.length ? content : undefined;
      return [hex(await new BHttpEncoder().encodeRequest(new Request(`${scheme}://${authority}${path}`, { method, headers, body })))];
    }
    if (args.int()) throw new Error("the Fetch API has no informational responses");
    const [status, headers, content] = [args.int(), args.fields(), args.bytes()];
    return [hex(await new BHttpEncoder().encodeResponse(new Response(content.length ? content : null, { status, headers })))];
  },
  "bhttp.decode": async (_library, args) => {
    const data = args.bytes();
    if (data[0] % 2 === 0) {
      const made = new BHttpDecoder().decodeRequest(data);
      const url = new URL(made.url);
      const control = [made.method, url.protocol.slice(0, -1), url.host, url.pathname + url.search].map(text);
      return ["request", ...control, ...fields(made.headers), hex(await made.arrayBuffer()), 0];
    }
    const made = new BHttpDecoder().decodeResponse(data);
    return ["response", 0, made.status, ...fields(made.headers), hex(await made.arrayBuffer()), 0];
  },
};

async function answer(line) {
  const args = new Args(line.trim().split(" "));
  try {
    const operation = operations[args.word()];
    return ["ok", ...(await operation(args.word(), args))].join(" ");
  } catch (error) {
    return `error ${error.name}: ${error.message}`.replaceAll("\n", " ");
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write((await answer(line)) + "\n");
}
