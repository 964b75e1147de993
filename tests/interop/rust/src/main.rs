//! The Rust peers behind the driver protocol of `tests/interop/driver.py`.

use std::error::Error;
use std::io::{self, BufRead, Cursor, Write};
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::str::SplitWhitespace;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bhttp::{ControlData, Field, FieldSection, Message, Mode, StatusCode};
use futures::executor::block_on;
use futures::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Cursor as Source};
use ohttp::hpke::{Aead, Kdf, Kem};
use ohttp::{ClientRequest, KeyConfig, Server, SymmetricSuite};

type Res<T> = Result<T, Box<dyn Error>>;
type Pending = Box<dyn FnOnce(&[u8]) -> Res<Vec<u8>>>;
type Responder = Box<dyn FnOnce(&[Vec<u8>]) -> Res<Vec<u8>>>;

#[derive(Default)]
struct State {
    server: Option<Server>,
    pending: Option<Pending>,
    responder: Option<Responder>,
}

struct Args<'a>(SplitWhitespace<'a>);

impl Args<'_> {
    fn word(&mut self) -> Res<&str> {
        self.0.next().ok_or_else(|| "argument missing".into())
    }

    fn int(&mut self) -> Res<u16> {
        Ok(self.word()?.parse()?)
    }

    fn bytes(&mut self) -> Res<Vec<u8>> {
        let hex = self.word()?.trim_start_matches('-');
        (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&hex[at..at + 2], 16)?)).collect()
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Res<T>) -> Res<Vec<T>> {
        let count = self.int()?;
        (0..count).map(|_| item(self)).collect()
    }

    fn fields(&mut self) -> Res<Vec<(Vec<u8>, Vec<u8>)>> {
        self.list(|args| Ok((args.bytes()?, args.bytes()?)))
    }

    fn mode(&mut self) -> Res<Mode> {
        Ok(Mode::try_from(u64::from(self.int()?))?)
    }

    fn message(&mut self) -> Res<Message> {
        let mut message = if self.word()? == "request" {
            Message::request(self.bytes()?, self.bytes()?, self.bytes()?, self.bytes()?)
        } else {
            if self.int()? != 0 {
                return Err("the API can't make informational responses".into());
            }
            Message::response(StatusCode::try_from(self.int()?)?)
        };
        for (name, value) in self.fields()? {
            message.put_header(name, value);
        }
        message.write_content(self.bytes()?);
        for (name, value) in self.fields()? {
            message.put_trailer(name, value);
        }
        Ok(message)
    }
}

fn hex(data: impl AsRef<[u8]>) -> String {
    let text: String = data.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if text.is_empty() { "-".into() } else { text }
}

fn put_fields(out: &mut Vec<String>, fields: &[Field]) {
    out.push(fields.len().to_string());
    for field in fields {
        out.extend([hex(field.name()), hex(field.value())]);
    }
}

fn put_message(message: &Message) -> String {
    let mut out = Vec::new();
    match message.control() {
        ControlData::Request { method, scheme, authority, path } => {
            out.push("request".into());
            out.extend([method, scheme, authority, path].map(hex));
        }
        ControlData::Response(status) => {
            out.extend(["response".into(), message.informational().len().to_string()]);
            for interim in message.informational() {
                out.push(interim.status().code().to_string());
                put_fields(&mut out, interim.fields().fields());
            }
            out.push(status.code().to_string());
        }
    }
    let header: &FieldSection = message.header();
    put_fields(&mut out, header.fields());
    out.push(hex(message.content()));
    put_fields(&mut out, message.trailer().fields());
    out.join(" ")
}

/// What is written to one clone can be taken out of another.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl AsyncWrite for Sink {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().unwrap().extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn send(mut stream: impl AsyncWrite + Unpin, pieces: &[Vec<u8>]) -> Res<()> {
    for piece in pieces {
        block_on(stream.write_all(piece))?;
    }
    Ok(block_on(stream.close())?)
}

/// Nanoseconds of one call: the least over batches, for as many milliseconds.
fn least(milliseconds: u16, mut once: impl FnMut() -> Res<()>) -> Res<String> {
    const BATCH: u128 = 5;
    let (began, mut best) = (Instant::now(), u128::MAX);
    while best == u128::MAX || began.elapsed() < Duration::from_millis(milliseconds.into()) {
        let batch = Instant::now();
        for _ in 0..BATCH {
            once()?;
        }
        best = best.min(batch.elapsed().as_nanos() / BATCH);
    }
    Ok(best.to_string())
}

fn bench(args: &mut Args) -> Res<String> {
    let kem = Kem::try_from(args.int()?)?;
    let suite = SymmetricSuite::new(Kdf::try_from(args.int()?)?, Aead::try_from(args.int()?)?);
    let config = KeyConfig::new(7, kem, vec![suite])?;
    let list = KeyConfig::encode_list(&[&config])?;
    let server = Server::new(config)?;
    let message = vec![0; args.int()?.into()];
    least(args.int()?, || {
        let (wire, pending) = ClientRequest::from_encoded_config_list(&list)?.encapsulate(&message)?;
        let (opened, responder) = server.decapsulate(&wire)?;
        if pending.decapsulate(&responder.encapsulate(&opened)?)? == message { Ok(()) } else { Err("other".into()) }
    })
}

impl State {
    fn seal(&mut self, chunked: bool, configs: &[u8], pieces: &[Vec<u8>]) -> Res<Vec<u8>> {
        let client = ClientRequest::from_encoded_config_list(configs)?;
        if !chunked {
            let (wire, response) = client.encapsulate(&pieces.concat())?;
            self.pending = Some(Box::new(move |wire| Ok(response.decapsulate(wire)?)));
            return Ok(wire);
        }
        let sink = Sink::default();
        let mut request = client.encapsulate_stream(sink.clone())?;
        send(&mut request, pieces)?;
        self.pending = Some(Box::new(move |wire| {
            let mut message = Vec::new();
            block_on(request.response(wire)?.read_to_end(&mut message))?;
            Ok(message)
        }));
        Ok(sink.take())
    }

    fn open(&mut self, chunked: bool, wire: Vec<u8>) -> Res<Vec<u8>> {
        let server = self.server.as_ref().ok_or("no key")?;
        if !chunked {
            let (message, response) = server.decapsulate(&wire)?;
            self.responder = Some(Box::new(move |pieces| Ok(response.encapsulate(&pieces.concat())?)));
            return Ok(message);
        }
        let mut request = server.clone().decapsulate_stream(Source::new(wire));
        let mut message = Vec::new();
        block_on(request.read_to_end(&mut message))?;
        self.responder = Some(Box::new(move |pieces| {
            let sink = Sink::default();
            send(request.response(sink.clone())?, pieces)?;
            Ok(sink.take())
        }));
        Ok(message)
    }

    fn answer(&mut self, op: &str, args: &mut Args) -> Res<String> {
        args.word()?; // the library: one of each kind here
        Ok(match op {
            "ohttp.key" => {
                let kem = Kem::try_from(args.int()?)?;
                let suites = args.list(|args| {
                    Ok(SymmetricSuite::new(Kdf::try_from(args.int()?)?, Aead::try_from(args.int()?)?))
                })?;
                let config = KeyConfig::new(7, kem, suites)?;
                let list = KeyConfig::encode_list(&[&config])?;
                self.server = Some(Server::new(config)?);
                hex(list)
            }
            "ohttp.seal" => {
                let (chunked, configs) = (args.word()? == "chunked", args.bytes()?);
                (args.int()?, args.int()?); // KDF and AEAD: it takes the first that a configuration has
                let pieces = args.list(Args::bytes)?;
                hex(self.seal(chunked, &configs, &pieces)?)
            }
            "ohttp.finish" => hex(self.pending.take().ok_or("no request")?(&args.bytes()?)?),
            "ohttp.open" => {
                let chunked = args.word()? == "chunked";
                let wire = args.bytes()?;
                hex(self.open(chunked, wire)?)
            }
            "ohttp.answer" => {
                let pieces = args.list(Args::bytes)?;
                hex(self.responder.take().ok_or("no request")?(&pieces)?)
            }
            "ohttp.bench" => bench(args)?,
            "bhttp.encode" => {
                let (mode, mut out) = (args.mode()?, Vec::new());
                args.int()?; // padding: none here
                args.message()?.write_bhttp(mode, &mut out)?;
                hex(out)
            }
            "bhttp.decode" => put_message(&Message::read_bhttp(&mut Cursor::new(args.bytes()?))?),
            "bhttp.echo" => {
                let (mode, mut out) = (args.mode()?, Vec::new());
                Message::read_bhttp(&mut Cursor::new(args.bytes()?))?.write_bhttp(mode, &mut out)?;
                hex(out)
            }
            _ => return Err("no such operation".into()),
        })
    }
}

fn main() {
    panic::set_hook(Box::new(|_| {}));
    let mut state = State::default();
    for line in io::stdin().lock().lines() {
        let line = line.expect("a line");
        let mut args = Args(line.split_whitespace());
        let op = args.word().expect("an operation").to_owned();
        let reply = match panic::catch_unwind(AssertUnwindSafe(|| state.answer(&op, &mut args))) {
            Ok(Ok(reply)) => format!("ok {reply}"),
            Ok(Err(error)) => format!("error {error}").replace('\n', " "),
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map_or("", |text| text);
                format!("panic {text}").replace('\n', " ")
            }
        };
        writeln!(io::stdout().lock(), "{reply}").expect("a reader");
    }
}
