//! `privacypass`: token types 1, 2 and 5, both kinds of batches, and the header fields.

use blind_rsa_signatures::DefaultRng;
use futures::executor::block_on;
use http::HeaderValue;
use p384::NistP384;
use privacypass::auth::authenticate::{TokenChallenge, build_www_authenticate_header, parse_www_authenticate_header};
use privacypass::auth::authorize::{build_authorization_header, parse_authorization_header};
use privacypass::common::private::{PrivateCipherSuite, deserialize_public_key, serialize_public_key};
use privacypass::generic_tokens::{
    GenericBatchTokenRequest, GenericBatchTokenResponse, GenericToken, server::Server as GenericServer,
};
use privacypass::private_tokens::{self as private, PrivateToken};
use privacypass::public_tokens::server::{
    IssuerServer, OriginKeyStore, OriginServer, serialize_public_key as serialize_rsa_key,
};
use privacypass::public_tokens::{self as public, PublicKey, PublicToken, public_key_to_truncated_token_key_id};
use privacypass::test_utils::nonce_store::MemoryNonceStore;
use privacypass::test_utils::private_memory_store::MemoryKeyStoreVoprf;
use privacypass::test_utils::public_memory_store::{IssuerMemoryKeyStore, OriginMemoryKeyStore};
use privacypass::{Deserialize, Serialize, amortized_tokens as amortized};
use voprf::Ristretto255;

use crate::{Args, Res, hex};

type Finish = Box<dyn FnOnce(&[u8]) -> Res<String>>;

#[derive(Default)]
pub struct State {
    p384: MemoryKeyStoreVoprf<NistP384>,
    ristretto: MemoryKeyStoreVoprf<Ristretto255>,
    issuer: IssuerMemoryKeyStore,
    spent: MemoryNonceStore,
    finish: Option<Finish>,
}

/// Bytes as one value, all of them.
fn decode<T: Deserialize>(bytes: &[u8]) -> Res<T> {
    let mut rest = bytes;
    let found = T::tls_deserialize(&mut rest)?;
    if rest.is_empty() { Ok(found) } else { Err("trailing bytes".into()) }
}

fn encode(value: &impl Serialize) -> Res<String> {
    Ok(hex(value.tls_serialize_detached()?))
}

impl State {
    pub fn answer(&mut self, op: &str, args: &mut Args) -> Res<String> {
        match op {
            "token.finish" | "batch.finish" | "generic.finish" => {
                self.finish.take().ok_or("no request")?(&args.bytes()?)
            }
            "generic.request" => self.generic_request(args),
            "generic.issue" => {
                let request = decode(&args.bytes()?)?;
                let issued = GenericServer::new();
                encode(&block_on(issued.issue_token_responses(&self.p384, &self.ristretto, &self.issuer, request))?)
            }
            "header.offer" => {
                let challenge = TokenChallenge::deserialize(&args.bytes()?)?;
                let (_, value) = build_www_authenticate_header(&challenge, &args.bytes()?, None)?;
                Ok(hex(value))
            }
            "header.offers" => {
                let found = parse_www_authenticate_header(&HeaderValue::from_bytes(&args.bytes()?)?)?;
                let mut out = Vec::new();
                for offer in found {
                    out.extend([hex(offer.token_challenge().serialize()?), hex(offer.token_key())]);
                }
                Ok(out.join(" "))
            }
            _ => match args.int()? {
                1 => self.private::<NistP384>(op, args, |state| &state.p384),
                2 => self.public(op, args),
                5 => self.private::<Ristretto255>(op, args, |state| &state.ristretto),
                _ => Err("no such token type".into()),
            },
        }
    }

    fn private<CS>(
        &mut self,
        op: &str,
        args: &mut Args,
        keys: impl Fn(&Self) -> &MemoryKeyStoreVoprf<CS>,
    ) -> Res<String>
    where
        CS: PrivateCipherSuite + 'static,
    {
        Ok(match op {
            "token.key" => {
                let key = block_on(private::server::Server::<CS>::new().create_keypair(keys(self)))?;
                hex(serialize_public_key::<CS>(key))
            }
            "token.request" => {
                let (key, challenge) = (deserialize_public_key::<CS>(&args.bytes()?)?, args.bytes()?);
                let (request, state) =
                    private::TokenRequest::<CS>::new(key, &TokenChallenge::deserialize(&challenge)?)?;
                self.finish =
                    Some(Box::new(move |answer| encode(&decode::<private::TokenResponse<CS>>(answer)?.issue_token(&state)?)));
                encode(&request)?
            }
            "token.issue" => {
                let server = private::server::Server::<CS>::new();
                encode(&block_on(server.issue_token_response(keys(self), decode(&args.bytes()?)?))?)?
            }
            "token.redeem" => {
                let token: PrivateToken<CS> = decode(&args.bytes()?)?;
                block_on(private::server::Server::<CS>::new().redeem_token(keys(self), &self.spent, token))?;
                String::new()
            }
            "batch.request" => {
                let (key, challenge) = (deserialize_public_key::<CS>(&args.bytes()?)?, args.bytes()?);
                let challenge = TokenChallenge::deserialize(&challenge)?;
                let (request, state) =
                    amortized::AmortizedBatchTokenRequest::<CS>::new(key, &challenge, args.int()?)?;
                self.finish = Some(Box::new(move |answer| {
                    let response: amortized::AmortizedBatchTokenResponse<CS> = decode(answer)?;
                    let tokens: Res<Vec<_>> = response.issue_tokens(&state)?.iter().map(encode).collect();
                    Ok(tokens?.join(" "))
                }));
                encode(&request)?
            }
            "batch.issue" => {
                let server = amortized::server::Server::<CS>::new();
                encode(&block_on(server.issue_token_response(keys(self), decode(&args.bytes()?)?))?)?
            }
            "header.authorize" => hex(build_authorization_header(&decode::<PrivateToken<CS>>(&args.bytes()?)?)?.1),
            "header.token" => {
                let token: PrivateToken<CS> = parse_authorization_header(&HeaderValue::from_bytes(&args.bytes()?)?)?;
                encode(&token)?
            }
            _ => return Err("no such operation".into()),
        })
    }

    fn public(&mut self, op: &str, args: &mut Args) -> Res<String> {
        Ok(match op {
            "token.key" => {
                let key = block_on(IssuerServer::new().create_keypair(&mut DefaultRng, &self.issuer))?;
                hex(serialize_rsa_key(&key)?)
            }
            "token.request" => {
                let (key, challenge) = (PublicKey::from_spki(&args.bytes()?)?, args.bytes()?);
                let challenge = TokenChallenge::deserialize(&challenge)?;
                let (request, state) = public::TokenRequest::new(&mut DefaultRng, key, &challenge)?;
                self.finish =
                    Some(Box::new(move |answer| encode(&decode::<public::TokenResponse>(answer)?.issue_token(&state)?)));
                encode(&request)?
            }
            "token.issue" => {
                let request = decode(&args.bytes()?)?;
                encode(&block_on(IssuerServer::new().issue_token_response(&self.issuer, request))?)?
            }
            "token.verify" => {
                let key = PublicKey::from_spki(&args.bytes()?)?;
                let keys = OriginMemoryKeyStore::default();
                block_on(keys.insert(public_key_to_truncated_token_key_id(&key)?, key));
                let token: PublicToken = decode(&args.bytes()?)?;
                block_on(OriginServer::new().redeem_token(&keys, &self.spent, token))?;
                String::new()
            }
            "header.authorize" => hex(build_authorization_header(&decode::<PublicToken>(&args.bytes()?)?)?.1),
            "header.token" => {
                let token: PublicToken = parse_authorization_header(&HeaderValue::from_bytes(&args.bytes()?)?)?;
                encode(&token)?
            }
            _ => return Err("no such operation".into()),
        })
    }

    fn generic_request(&mut self, args: &mut Args) -> Res<String> {
        let mut builder = GenericBatchTokenRequest::builder();
        for _ in 0..args.int()? {
            let token_type = args.int()?;
            let (key, challenge) = (args.bytes()?, TokenChallenge::deserialize(&args.bytes()?)?);
            builder = match token_type {
                1 => {
                    let key = deserialize_public_key::<NistP384>(&key)?;
                    let (request, state) = private::TokenRequest::<NistP384>::new(key, &challenge)?;
                    builder.add_token_request(request.into(), state.into())
                }
                2 => {
                    let key = PublicKey::from_spki(&key)?;
                    let (request, state) = public::TokenRequest::new(&mut DefaultRng, key, &challenge)?;
                    builder.add_token_request(request.into(), state.into())
                }
                5 => {
                    let key = deserialize_public_key::<Ristretto255>(&key)?;
                    let (request, state) = private::TokenRequest::<Ristretto255>::new(key, &challenge)?;
                    builder.add_token_request(request.into(), state.into())
                }
                _ => return Err("no such token type".into()),
            };
        }
        let (request, states) = builder.build();
        self.finish = Some(Box::new(move |answer| {
            let tokens = decode::<GenericBatchTokenResponse>(answer)?.issue_tokens(&states)?;
            let encoded: Res<Vec<_>> = tokens
                .iter()
                .map(|token| match token {
                    GenericToken::PrivateP384(token) => encode(token.as_ref()),
                    GenericToken::Public(token) => encode(token.as_ref()),
                    GenericToken::PrivateRistretto255(token) => encode(token.as_ref()),
                })
                .collect();
            Ok(encoded?.join(" "))
        }));
        encode(&request)
    }
}
