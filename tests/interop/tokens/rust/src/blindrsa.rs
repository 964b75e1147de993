//! `blind-rsa-signatures`: the four variants of RFC 9474.

use blind_rsa_signatures::{
    BlindSignature, DefaultRng, Deterministic, KeyPair, MessagePrepare, MessageRandomizer, PSS, PSSZero, PublicKey,
    Randomized, SaltMode, Sha384, Signature,
};

use crate::{Args, Res, hex};

type Finish = Box<dyn FnOnce(Vec<u8>) -> Res<Vec<u8>>>;

#[derive(Default)]
pub struct State {
    // Keys are typed by their variant, and each is made for one.
    key: Option<Box<dyn Fn(&[u8]) -> Res<Vec<u8>>>>,
    finish: Option<Finish>,
}

impl State {
    pub fn answer(&mut self, op: &str, args: &mut Args) -> Res<String> {
        match op {
            "finish" => return Ok(hex(self.finish.take().ok_or("no request")?(args.bytes()?)?)),
            "sign" => {
                args.word()?; // the variant, which the key has
                return Ok(hex(self.key.as_ref().ok_or("no key")?(&args.bytes()?)?));
            }
            _ => {}
        }
        match args.word()? {
            "SHA384_PSS_RANDOMIZED" => self.variant::<PSS, Randomized>(op, args),
            "SHA384_PSSZERO_RANDOMIZED" => self.variant::<PSSZero, Randomized>(op, args),
            "SHA384_PSS_DETERMINISTIC" => self.variant::<PSS, Deterministic>(op, args),
            "SHA384_PSSZERO_DETERMINISTIC" => self.variant::<PSSZero, Deterministic>(op, args),
            _ => Err("no such variant".into()),
        }
    }

    fn variant<S: SaltMode + 'static, M: MessagePrepare + 'static>(
        &mut self,
        op: &str,
        args: &mut Args,
    ) -> Res<String> {
        type Key<S, M> = PublicKey<Sha384, S, M>;
        Ok(match op {
            "key" => {
                let pair = KeyPair::<Sha384, S, M>::generate(&mut DefaultRng, args.int()?.into())?;
                self.key = Some(Box::new(move |blinded| Ok(pair.sk.blind_sign(blinded)?.0)));
                hex(pair.pk.to_der()?)
            }
            "blind" => {
                let key = Key::<S, M>::from_der(&args.bytes()?)?;
                let message = args.bytes()?;
                let blinded = key.blind(&mut DefaultRng, &message)?;
                let mut prepared = blinded.msg_randomizer.map_or(Vec::new(), |prefix| prefix.0.to_vec());
                prepared.extend_from_slice(&message);
                let wire = hex(&blinded.blind_message.0);
                self.finish =
                    Some(Box::new(move |answer| Ok(key.finalize(&BlindSignature(answer), &blinded, &message)?.0)));
                format!("{} {wire}", hex(prepared))
            }
            "verify" => {
                let key = Key::<S, M>::from_der(&args.bytes()?)?;
                let (mut prepared, signature) = (args.bytes()?, args.bytes()?);
                let mut prefix = None;
                if M::RANDOMIZE {
                    let message = prepared.split_off(32);
                    prefix = Some(MessageRandomizer(prepared.try_into().map_err(|_| "no prefix")?));
                    prepared = message;
                }
                key.verify(&Signature(signature), prefix, &prepared)?;
                String::new()
            }
            _ => return Err("no such operation".into()),
        })
    }
}
