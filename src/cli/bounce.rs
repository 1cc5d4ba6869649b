//! `reprieve bounce classify`: why mails bounced, read from files.
//!
//! One line a file, also for what is no bounce: then without recipients.

use std::path::PathBuf;

use serde_json::json;

use crate::demo::corpus;
use crate::mail::bounce::{self, Kind};
use crate::suppression::classify::{Class, classify};

/// # Errors
/// If a file cannot be read.
pub(super) fn run(paths: &[PathBuf], as_json: bool) -> anyhow::Result<()> {
    corpus::read_raw::<anyhow::Error>(paths, &mut |sample| {
        let bounce = bounce::read(&sample.message);
        let recipients: Vec<serde_json::Value> = bounce
            .failures
            .iter()
            .map(|failure| {
                let class =
                    if bounce.kind == Kind::Bounce { classify(failure) } else { Class::None };
                let status = failure.status.map(|(c, s, d)| format!("{c}.{s}.{d}"));
                json!({
                    "address": failure.address,
                    "class": class.as_str(),
                    "status": status,
                    "diagnostic": failure.diagnostic,
                })
            })
            .collect();
        if as_json {
            println!("{}", json!({ "file": sample.file, "recipients": recipients }));
            return Ok(());
        }
        println!("{}", sample.file);
        for one in &recipients {
            let text = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
            let words: String = text("diagnostic").chars().take(100).collect();
            let shown = crate::mail::display::visible(&words);
            println!(
                "    {:<14} {:<9} {}  {shown}",
                text("class"),
                text("status"),
                text("address")
            );
        }
        Ok(())
    })
}
