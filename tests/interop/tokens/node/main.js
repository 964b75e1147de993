// The npm token peers behind the driver protocol of tests/interop/driver.py.

import { createInterface } from "node:readline";
import { RSABSSA } from "@cloudflare/blindrsa-ts";
import * as pp from "@cloudflare/privacypass-ts";
import * as voprf from "@cloudflare/voprf-ts";
import { CryptoNoble } from "@cloudflare/voprf-ts/crypto-noble";

console.log = console.error; // standard output is the protocol's, and libraries write to it

const hex = (data) => (data.length ? Buffer.from(data).toString("hex") : "-");

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
  rest() {
    return this.words.splice(0).map((word) => new Args([word]).bytes());
  }
}

// Blind RSA.

const variants = {
  SHA384_PSS_RANDOMIZED: RSABSSA.SHA384.PSS.Randomized,
  SHA384_PSSZERO_RANDOMIZED: RSABSSA.SHA384.PSSZero.Randomized,
  SHA384_PSS_DETERMINISTIC: RSABSSA.SHA384.PSS.Deterministic,
  SHA384_PSSZERO_DETERMINISTIC: RSABSSA.SHA384.PSSZero.Deterministic,
};
const algorithm = { name: "RSA-PSS", hash: "SHA-384" };
const rsaPublic = (der) => crypto.subtle.importKey("spki", der, algorithm, true, ["verify"]);
let rsa, rsaPending;

const blindRsa = {
  "rsa.key": async (args) => {
    args.word(); // the variant: keys aren't bound to one here
    rsa = await RSABSSA.SHA384.generateKey({ modulusLength: args.int(), publicExponent: new Uint8Array([1, 0, 1]) });
    return [hex(new Uint8Array(await crypto.subtle.exportKey("spki", rsa.publicKey)))];
  },
  "rsa.blind": async (args) => {
    const suite = variants[args.word()]();
    const key = await rsaPublic(args.bytes());
    const prepared = suite.prepare(args.bytes());
    const { blindedMsg, inv } = await suite.blind(key, prepared);
    rsaPending = (answer) => suite.finalize(key, prepared, answer, inv);
    return [hex(prepared), hex(blindedMsg)];
  },
  "rsa.finish": async (args) => [hex(await rsaPending(args.bytes()))],
  "rsa.sign": async (args) => [hex(await variants[args.word()]().blindSign(rsa.privateKey, args.bytes()))],
  "rsa.verify": async (args) => {
    const suite = variants[args.word()]();
    const [key, prepared, signature] = [await rsaPublic(args.bytes()), args.bytes(), args.bytes()];
    if (!(await suite.verify(key, signature, prepared))) throw new Error("signature");
    return [];
  },
};

// OPRF: its own arithmetic (sjcl) where it has the group, else noble's.

const modes = [
  [voprf.OPRFServer, voprf.OPRFClient],
  [voprf.VOPRFServer, voprf.VOPRFClient],
  [voprf.POPRFServer, voprf.POPRFClient],
];
const provider = (suite) => (suite.startsWith("P") ? [] : [CryptoNoble]);
let oprf, oprfPending;

const pseudorandom = {
  "oprf.key": async (args) => {
    const [mode, suite] = [args.int(), args.word()];
    const { privateKey, publicKey } = await voprf.generateKeyPair(suite, ...provider(suite));
    oprf = { suite, mode, server: new modes[mode][0](suite, privateKey, ...provider(suite)) };
    return [hex(publicKey)];
  },
  "oprf.blind": async (args) => {
    const [mode, suite, key, info, inputs] = [args.int(), args.word(), args.bytes(), args.bytes(), args.rest()];
    if (mode && !voprf.validatePublicKey(suite, key, ...provider(suite))) throw new Error("public key");
    const made = mode ? [suite, key, ...provider(suite)] : [suite, ...provider(suite)];
    const client = new modes[mode][1](...made);
    const [state, request] = await client.blind(inputs);
    oprfPending = (proof, evaluated) => {
      const group = voprf.Oprf.getGroup(suite, ...provider(suite));
      const given = proof.length ? voprf.DLEQProof.deserialize(group.id, proof, ...provider(suite)) : undefined;
      const answer = new voprf.Evaluation(mode, evaluated.map((element) => group.desElt(element)), given);
      return mode === 2 ? client.finalize(state, answer, info) : client.finalize(state, answer);
    };
    return request.blinded.map((element) => hex(element.serialize()));
  },
  "oprf.finish": async (args) => (await oprfPending(args.bytes(), args.rest())).map(hex),
  "oprf.evaluate": async (args) => {
    const [info, blinded] = [args.bytes(), args.rest()];
    const group = voprf.Oprf.getGroup(oprf.suite, ...provider(oprf.suite));
    const request = new voprf.EvaluationRequest(blinded.map((element) => group.desElt(element)));
    const answer = await oprf.server.blindEvaluate(request, ...(oprf.mode === 2 ? [info] : []));
    const proof = answer.proof ? answer.proof.serialize() : new Uint8Array();
    return [hex(proof), ...answer.evaluated.map((element) => hex(element.serialize()))];
  },
  "oprf.output": async (args) => {
    const [info, input] = [args.bytes(), args.bytes()];
    return [hex(await oprf.server.evaluate(input, ...(oprf.mode === 2 ? [info] : [])))];
  },
};

// Privacy Pass: types 1 and 2, single and in generic batches, and the header fields.

const { privateVerif, publicVerif, genericBatched } = pp;
const entries = { 1: pp.TOKEN_TYPES.VOPRF, 2: pp.TOKEN_TYPES.BLIND_RSA };
const PSS = publicVerif.BlindRSAMode.PSS;
const issuers = {};
let pending;

function entry(type) {
  if (!entries[type]) throw new Error("no such token type");
  return entries[type];
}
const client = (type) => (type === 1 ? new privateVerif.Client() : new publicVerif.Client(PSS));
const requestOf = (type, data) =>
  type === 1 ? privateVerif.TokenRequest.deserialize(data) : publicVerif.TokenRequest.deserialize(entry(type), data);
const latin = (data) => Buffer.from(data).toString("latin1");
const bytes = (text) => Buffer.from(text, "latin1");

async function request(type, key, challenge) {
  const made = client(type);
  const asked = await made.createTokenRequest(pp.TokenChallenge.deserialize(challenge), key);
  return { asked, finish: (response) => made.finalize(response), decode: (data) => made.deserializeTokenResponse(data) };
}

const tokens = {
  "token.key": async (args) => {
    const type = args.int();
    entry(type);
    if (type === 1) {
      const { privateKey, publicKey } = await privateVerif.keyGen();
      issuers[1] = new privateVerif.Issuer("issuer.example", privateKey, publicKey);
      return [hex(publicKey)];
    }
    const pair = await publicVerif.Issuer.generateKey(PSS, { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) });
    issuers[2] = new publicVerif.Issuer(PSS, "issuer.example", pair.privateKey, pair.publicKey);
    return [hex(await publicVerif.getPublicKeyBytes(pair.publicKey))];
  },
  "token.request": async (args) => {
    const type = args.int();
    entry(type);
    const { asked, finish, decode } = await request(type, args.bytes(), args.bytes());
    pending = async (answer) => [hex((await finish(decode(answer))).serialize())];
    return [hex(asked.serialize())];
  },
  "token.finish": async (args) => pending(args.bytes()),
  "token.issue": async (args) => {
    const type = args.int();
    return [hex((await issuers[type].issue(requestOf(type, args.bytes()))).serialize())];
  },
  "token.redeem": async (args) => {
    const type = args.int();
    const token = pp.Token.deserialize(entry(type), args.bytes());
    if (!(await issuers[type].verify(token))) throw new Error("token");
    return [];
  },
  "token.verify": async (args) => {
    const type = args.int();
    const spki = publicVerif.convertRSASSAPSSToEnc(args.bytes());
    const token = pp.Token.deserialize(entry(type), args.bytes());
    if (!(await new publicVerif.Origin(PSS).verify(token, await rsaPublic(spki)))) throw new Error("token");
    return [];
  },
  "generic.request": async (args) => {
    const all = [];
    for (let count = args.int(); count; count--) {
      const type = args.int();
      entry(type);
      all.push(await request(type, args.bytes(), args.bytes()));
    }
    pending = async (answer) => {
      const { tokenResponses } = genericBatched.GenericBatchTokenResponse.deserialize(answer);
      if (tokenResponses.length !== all.length) throw new Error("number of responses");
      const made = [];
      for (const [at, { tokenResponse }] of tokenResponses.entries()) {
        if (tokenResponse) made.push(hex((await all[at].finish(tokenResponse)).serialize()));
      }
      return made;
    };
    const batch = new genericBatched.Client().createTokenRequest(all.map(({ asked }) => new genericBatched.TokenRequest(asked)));
    return [hex(batch.serialize())];
  },
  "generic.finish": async (args) => pending(args.bytes()),
  "generic.issue": async (args) => {
    const issuer = new genericBatched.Issuer(...Object.values(issuers));
    return [hex((await issuer.issue(genericBatched.BatchedTokenRequest.deserialize(args.bytes()))).serialize())];
  },
  "header.offer": async (args) => {
    const challenge = pp.TokenChallenge.deserialize(args.bytes());
    return [hex(bytes(new pp.WWWAuthenticateHeader(challenge, args.bytes()).toString(true)))];
  },
  "header.offers": async (args) =>
    pp.WWWAuthenticateHeader.parse(latin(args.bytes())).flatMap((offer) => [
      hex(offer.challenge.serialize()),
      hex(offer.tokenKey),
    ]),
  "header.authorize": async (args) => {
    const token = pp.Token.deserialize(entry(args.int()), args.bytes());
    return [hex(bytes(new pp.AuthorizationHeader(token).toString(true)))];
  },
  "header.token": async (args) => {
    const [header] = pp.AuthorizationHeader.parse(entry(args.int()), latin(args.bytes()));
    return [hex(header.token.serialize())];
  },
};

const operations = { ...blindRsa, ...pseudorandom, ...tokens };

async function answer(line) {
  const args = new Args(line.trim().split(" "));
  try {
    const operation = operations[args.word()];
    args.word(); // the library follows from the operation
    return ["ok", ...(await operation(args))].join(" ");
  } catch (error) {
    return `error ${error.name}: ${error.message}`.replaceAll("\n", " ");
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write((await answer(line)) + "\n");
}
