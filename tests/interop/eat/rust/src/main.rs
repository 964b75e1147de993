//! The Rust peers for tokens and reference values behind the driver protocol of tests/interop/driver.py, all with ES384.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::SplitWhitespace;

use corim_rs::{
    Corim, CorimError, CorimMap, CorimMetaMap, CorimSignerMap, CoseAlgorithm, CoseEllipticCurve, CoseKey, CoseKeyOwner,
    CoseKty, CoseSigner, CoseVerifier, EntityNameTypeChoice, SignedCorimBuilder,
};
use coset::{CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana};
use p384::ecdsa::signature::{Signer, Verifier};
use p384::ecdsa::{Signature, SigningKey, VerifyingKey};

type Answer = Result<String, String>;

fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn bytes(words: &mut SplitWhitespace) -> Result<Vec<u8>, String> {
    let word = words.next().ok_or("argument missing")?;
    let digits = word.trim_matches('-').as_bytes();
    digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).map_err(failed))
        .map(|pair| u8::from_str_radix(pair?, 16).map_err(failed))
        .collect()
}

fn hex(data: &[u8]) -> String {
    data.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn public(words: &mut SplitWhitespace) -> Result<VerifyingKey, String> {
    VerifyingKey::from_sec1_bytes(&bytes(words)?).map_err(failed)
}

fn private(words: &mut SplitWhitespace) -> Result<SigningKey, String> {
    SigningKey::from_slice(&bytes(words)?).map_err(failed)
}

fn check(key: &VerifyingKey, signature: &[u8], data: &[u8]) -> Result<(), String> {
    key.verify(data, &Signature::from_slice(signature).map_err(failed)?).map_err(failed)
}

fn sign(key: &SigningKey, data: &[u8]) -> Vec<u8> {
    let signature: Signature = key.sign(data);
    signature.to_vec()
}

struct Public(VerifyingKey);
struct Private(SigningKey);

fn cose_key() -> CoseKey {
    CoseKey {
        kty: CoseKty::Ec2,
        alg: Some(CoseAlgorithm::ES384),
        crv: Some(CoseEllipticCurve::P384),
        x: None,
        y: None,
        d: None,
        key_ops: None,
        base_iv: None,
        k: None,
        kid: None,
    }
}

impl CoseKeyOwner for Public {
    fn to_cose_key(&self) -> CoseKey {
        cose_key()
    }
}

impl CoseKeyOwner for Private {
    fn to_cose_key(&self) -> CoseKey {
        cose_key()
    }
}

impl CoseVerifier for Public {
    fn verify_signature(&self, _: CoseAlgorithm, signature: &[u8], data: &[u8]) -> Result<(), CorimError> {
        check(&self.0, signature, data).map_err(CorimError::custom)
    }
}

impl CoseSigner for Private {
    fn sign(&self, _: CoseAlgorithm, data: &[u8]) -> Result<Vec<u8>, CorimError> {
        Ok(sign(&self.0, data))
    }
}

fn encoded(map: CorimMap<'_>) -> Answer {
    Ok(hex(&Corim::from(map).to_cbor().map_err(failed)?))
}

/// corim.verify KEY SIGNED: the manifest in it, encoded again
fn verify_corim(words: &mut SplitWhitespace) -> Answer {
    let (key, data) = (public(words)?, bytes(words)?);
    let signed = Corim::from_cbor(data.as_slice()).map_err(failed)?.as_signed().ok_or("not signed")?;
    signed.verify_signature(Public(key)).map_err(failed)?;
    encoded(signed.corim_map)
}

/// corim.sign SCALAR MANIFEST NAME: the manifest, decoded, encoded again and signed
fn sign_corim(words: &mut SplitWhitespace) -> Answer {
    let (key, data) = (private(words)?, bytes(words)?);
    let name = String::from_utf8(bytes(words)?).map_err(failed)?;
    let map = Corim::from_cbor(data.as_slice()).map_err(failed)?.into_map();
    let signer = CorimSignerMap { signer_name: EntityNameTypeChoice::Text(name.into()), signer_uri: None, extensions: None };
    let signed = SignedCorimBuilder::new()
        .alg(CoseAlgorithm::ES384)
        .kid(b"kid".to_vec())
        .meta(CorimMetaMap { signer, signature_validity: None, extensions: None })
        .corim_map(map)
        .build_and_sign(Private(key))
        .map_err(failed)?;
    Ok(hex(&Corim::from(signed).to_cbor().map_err(failed)?))
}

/// cwt.verify KEY TOKEN: the payload of a COSE_Sign1 message below its tag
fn verify_cwt(words: &mut SplitWhitespace) -> Answer {
    let (key, data) = (public(words)?, bytes(words)?);
    let message = CoseSign1::from_tagged_slice(&data).map_err(failed)?;
    if message.protected.header.alg != Some(coset::Algorithm::Assigned(iana::Algorithm::ES384)) {
        return Err("another algorithm".into());
    }
    message.verify_signature(b"", |signature, data| check(&key, signature, data))?;
    Ok(hex(&message.payload.ok_or("no payload")?))
}

/// cwt.sign SCALAR PAYLOAD TAGGED: a COSE_Sign1 message around the payload, with a key identifier that isn't signed
fn sign_cwt(words: &mut SplitWhitespace) -> Answer {
    let (key, payload, tagged) = (private(words)?, bytes(words)?, words.next() == Some("1"));
    let message = CoseSign1Builder::new()
        .protected(HeaderBuilder::new().algorithm(iana::Algorithm::ES384).build())
        .unprotected(HeaderBuilder::new().key_id(b"kid".to_vec()).build())
        .payload(payload)
        .create_signature(b"", |data| sign(&key, data))
        .build();
    let data = if tagged { message.to_tagged_vec() } else { message.to_vec() };
    Ok(hex(&data.map_err(failed)?))
}

fn answer(line: &str) -> Answer {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("corim.verify"), Some("corim-rs")) => verify_corim(&mut words),
        (Some("corim.sign"), Some("corim-rs")) => sign_corim(&mut words),
        (Some("cwt.verify"), Some("coset")) => verify_cwt(&mut words),
        (Some("cwt.sign"), Some("coset")) => sign_cwt(&mut words),
        _ => Err("unknown operation".into()),
    }
}

fn main() {
    std::panic::set_hook(Box::new(|_| ()));
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input");
        let text = match catch_unwind(AssertUnwindSafe(|| answer(&line))) {
            Ok(Ok(results)) if results.is_empty() => "ok".into(),
            Ok(Ok(results)) => format!("ok {results}"),
            Ok(Err(reason)) => format!("error {}", reason.replace('\n', " ")),
            Err(_) => "panic in the peer".into(),
        };
        println!("{text}");
        std::io::stdout().flush().expect("standard output");
    }
}
