//! Every command and flag in one table.
//!
//! Exit codes: 0 done, 1 it failed (the reason stands on standard error),
//! 2 the command line was wrong.

mod init;
mod key;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// A mail quarantine with a door for the sender.
#[derive(Debug, Parser)]
#[command(name = "reprieve", version, max_term_width = 100)]
struct Table {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write an annotated configuration, keys and folders into DIR
    Init {
        /// An empty or new folder
        dir: PathBuf,
    },
    /// Keys that sign links: make, promote, retire, list
    #[command(subcommand)]
    Key(KeyCommand),
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Make a key that verifies but does not sign yet
    New(Keys),
    /// Make the key ID the one that signs
    Promote {
        id: u16,
        #[command(flatten)]
        keys: Keys,
    },
    /// Remove the key ID: every link that it signed ends
    Retire {
        id: u16,
        #[command(flatten)]
        keys: Keys,
    },
    /// Print every key
    List {
        #[command(flatten)]
        keys: Keys,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

/// Where a command's configuration is.
#[derive(Args, Clone, Debug)]
struct Configured {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/reprieve/reprieve.toml")]
    config: PathBuf,
    /// Override one key of it: --set release.delay="5 s"
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// Where the keys are.
#[derive(Args, Clone, Debug)]
struct Keys {
    /// The folder of the keys (default: the configuration's)
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    configured: Configured,
}

/// Reads the command line, carries it out, and answers the exit code.
pub fn main() -> ExitCode {
    let command = Table::parse().command;
    match run(command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("reprieve: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Init { dir } => init::run(&dir)?,
        Command::Key(command) => key::run(command)?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_table_is_sound() {
        Table::command().debug_assert();
    }
}
