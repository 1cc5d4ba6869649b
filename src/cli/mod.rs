//! Reads the command line ([`table`]), and has each command carried out.
//!
//! Exit codes: 0 done, 1 it failed (the reason stands on standard error),
//! 2 the command line was wrong.

mod admin;
mod appeals;
mod bounce;
mod check;
mod held;
mod init;
mod key;
mod notices;
mod queue;
mod replay;
mod store;
mod summary;
mod suppression;
mod table;
mod train;
mod wiring;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser as _;

use crate::demo;
use crate::gateway::{self, Config, LogFormat};
use crate::mail::Address;
use crate::maillog::writer;
use table::{
    AdminCommand, Administrator, AppealsCommand, BounceCommand, Command, Configured, Demo,
    HeldCommand, KeyCommand, Keys, NoticesCommand, One, QueueCommand, StoreCommand, Table,
};

/// Reads the command line, carries it out, and answers the exit code.
pub fn main() -> ExitCode {
    let command = Table::parse().command;
    // The library that signs and encrypts is chosen once for the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("reprieve: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and what caused it; a cause that a sentence has named already is
/// not said again.
fn told(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(configured) => {
            let config = configured.read()?;
            let _writer = log(config.log.format, &config.log.level)?;
            runtime()?.block_on(gateway::serve(configured.config, configured.set, config))?;
        }
        Command::Init { dir } => init::run(&dir)?,
        Command::Check { configured, offline, from, mail, mta } => {
            let to = mail.map(|to| Address::parse(&to).context("--mail")).transpose()?;
            let asked = check::Asked { offline, from, mail: to.map(|to| (to, mta)) };
            return runtime()?.block_on(check::run(&configured.read()?, &asked));
        }
        Command::Key(command) => runtime()?.block_on(key::run(command))?,
        Command::Held(command) => runtime()?.block_on(held::run(command))?,
        Command::Notices(command) => runtime()?.block_on(notices::run(command))?,
        Command::Queue(command) => runtime()?.block_on(queue::run(command))?,
        Command::Admin(command) => runtime()?.block_on(admin::run(command))?,
        Command::Store(command) => return store::run(command),
        Command::Appeals(command) => runtime()?.block_on(appeals::run(command))?,
        Command::Digest { to, configured } => {
            let config = configured.read()?;
            let answer = held::ask(&config, gateway::Errand::Digest { to });
            let sent = runtime()?.block_on(answer)?["sent"] == true;
            println!("{}", if sent { "sent" } else { "there is nothing to tell" });
        }
        Command::Backup { file, configured } => {
            runtime()?.block_on(store::backup(&configured.read()?, &file))?;
        }
        Command::Restore { file, configured } => store::restore(&configured.read()?, &file)?,
        Command::Replay { path, config, json, summary } => {
            let config = config.map(|file| gateway::read(&file, &[])).transpose()?;
            let form = replay::Form { json, summary };
            runtime()?.block_on(replay::run(config, path, form))?;
        }
        Command::Suppression(command) => runtime()?.block_on(suppression::run(command))?,
        Command::Bounce(BounceCommand::Classify { path, json }) => bounce::run(&path, json)?,
        Command::Train(command) => train::run(command)?,
        Command::Demo(demo) => {
            let _writer = log(LogFormat::Text, if demo.verbose { "info" } else { "error" })?;
            runtime()?.block_on(demo::run(demo.options()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

impl Configured {
    fn read(&self) -> anyhow::Result<Config> {
        Ok(gateway::read(&self.config, &self.set)?)
    }
}

impl Demo {
    fn options(self) -> demo::Options {
        let Self { headless, empty, json, smtp, portal, inbox, milter, data, set, corpus, .. } =
            self;
        demo::Options { headless, empty, json, smtp, milter, portal, inbox, data, set, corpus }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all().build().context("no threads to work with")
}

/// The log goes to standard error until the answer is dropped; `RUST_LOG`
/// beats the configuration.
fn log(format: LogFormat, level: &str) -> anyhow::Result<writer::Writer> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let (lines, writer) = writer::begin(std::io::stderr()).context("no thread for the log")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter);
    let builder = builder.with_writer(move || lines.clone());
    match format {
        LogFormat::Json => builder.json().flatten_event(true).init(),
        LogFormat::Text => builder.with_ansi(false).init(),
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn a_cause_is_said_once() {
        let cause = std::io::Error::other("no such file");
        let named = anyhow::anyhow!("cannot read a.toml: no such file");
        assert_eq!(
            told(&anyhow::Error::new(cause).context(named)),
            "cannot read a.toml: no such file"
        );
        let cause = anyhow::anyhow!("no such file").context("cannot make b");
        assert_eq!(told(&cause), "cannot make b: no such file");
    }

    #[test]
    fn the_table_is_sound() {
        Table::command().debug_assert();
    }
}
