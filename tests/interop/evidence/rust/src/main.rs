//! The Rust verifier of SEV-SNP reports behind the driver protocol of tests/interop/driver.py.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use sev::certs::snp::{Certificate, Chain, Verifiable, ca};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;

type Answer = Result<String, String>;

fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn bytes(words: &mut std::str::SplitWhitespace) -> Result<Vec<u8>, String> {
    let word = words.next().ok_or("argument missing")?;
    let digits = word.trim_matches('-').as_bytes();
    digits
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).map_err(failed))
        .map(|pair| u8::from_str_radix(pair?, 16).map_err(failed))
        .collect()
}

fn report(words: &mut std::str::SplitWhitespace) -> Result<AttestationReport, String> {
    AttestationReport::from_bytes(&bytes(words)?).map_err(failed)
}

/// snp.verify ASK ARK VEK REPORT
fn verify(words: &mut std::str::SplitWhitespace) -> Answer {
    let mut certificate = || Certificate::from_der(&bytes(words)?).map_err(failed);
    let (ask, ark, vek) = (certificate()?, certificate()?, certificate()?);
    let chain = Chain { ca: ca::Chain { ark, ask }, vek };
    (&chain, &report(words)?).verify().map_err(failed)?;
    Ok(String::new())
}

/// snp.fields REPORT: version, guest SVN, policy, VMPL, platform information; then the reported, committed, current and
/// launch TCB, each as FMC (0 if there is none), boot loader, TEE, SNP, microcode
fn fields(words: &mut std::str::SplitWhitespace) -> Answer {
    let found = report(words)?;
    let mut all = vec![
        u64::from(found.version),
        u64::from(found.guest_svn),
        found.policy.into(),
        u64::from(found.vmpl),
        found.plat_info.into(),
    ];
    for tcb in [found.reported_tcb, found.committed_tcb, found.current_tcb, found.launch_tcb] {
        all.extend([tcb.fmc.unwrap_or(0), tcb.bootloader, tcb.tee, tcb.snp, tcb.microcode].map(u64::from));
    }
    Ok(all.iter().map(u64::to_string).collect::<Vec<_>>().join(" "))
}

fn answer(line: &str) -> Answer {
    let mut words = line.split_whitespace();
    match (words.next(), words.next()) {
        (Some("snp.verify"), Some("sev")) => verify(&mut words),
        (Some("snp.fields"), Some("sev")) => fields(&mut words),
        _ => Err("unknown operation".into()),
    }
}

fn main() {
    std::panic::set_hook(Box::new(|_| ()));
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let text = match catch_unwind(AssertUnwindSafe(|| answer(&line))) {
            Ok(Ok(text)) => format!("ok {text}"),
            Ok(Err(text)) => format!("error {text}"),
            Err(_) => "panic in the library".into(),
        };
        writeln!(out, "{}", text.replace('\n', " ")).expect("written");
        out.flush().expect("flushed");
    }
}
