//! The Rust token peers behind the driver protocol of `tests/interop/driver.py`.

mod blindrsa;
mod tokens;

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::panic::{self, AssertUnwindSafe};
use std::str::SplitWhitespace;

pub type Res<T> = Result<T, Box<dyn Error>>;

pub struct Args<'a>(SplitWhitespace<'a>);

impl Args<'_> {
    pub fn word(&mut self) -> Res<&str> {
        self.0.next().ok_or_else(|| "argument missing".into())
    }

    pub fn int(&mut self) -> Res<u16> {
        Ok(self.word()?.parse()?)
    }

    pub fn bytes(&mut self) -> Res<Vec<u8>> {
        let hex = self.word()?.trim_start_matches('-');
        (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&hex[at..at + 2], 16)?)).collect()
    }

    pub fn text(&mut self) -> Res<String> {
        Ok(String::from_utf8(self.bytes()?)?)
    }
}

pub fn hex(data: impl AsRef<[u8]>) -> String {
    let text: String = data.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    if text.is_empty() { "-".into() } else { text }
}

#[derive(Default)]
struct State {
    rsa: blindrsa::State,
    tokens: tokens::State,
}

impl State {
    fn answer(&mut self, op: &str, args: &mut Args) -> Res<String> {
        args.word()?; // the library follows from the operation
        match op.split_once('.') {
            Some(("rsa", op)) => self.rsa.answer(op, args),
            _ => self.tokens.answer(op, args),
        }
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
