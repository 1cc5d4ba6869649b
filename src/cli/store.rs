//! `reprieve store …`, `backup` and `restore`.

use std::path::{Path, absolute};
use std::process::ExitCode;

use super::{StoreCommand, held};
use crate::gateway::{Config, Errand, SCHEMAS, index};
use crate::store::{IndexEngine, Store};

pub(super) fn run(command: StoreCommand) -> anyhow::Result<ExitCode> {
    match command {
        StoreCommand::Verify(configured) => verify(&configured.read()?),
        StoreCommand::Rebuild { configured, index } => {
            let config = configured.read()?;
            rebuild(&config, index.as_deref())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn verify(config: &Config) -> anyhow::Result<ExitCode> {
    let report = Store::verify(&config.store.folder, &SCHEMAS)?;
    println!(
        "{} batches, {} checkpoints, {} records, {} index keys, {} bodies",
        report.batches, report.checkpoints, report.records, report.index_keys, report.bodies
    );
    if report.problems.is_empty() {
        println!("nothing is wrong");
        return Ok(ExitCode::SUCCESS);
    }
    for problem in &report.problems {
        println!("wrong: {problem}");
    }
    Ok(ExitCode::FAILURE)
}

fn rebuild(config: &Config, engine: Option<&str>) -> anyhow::Result<()> {
    let engine = match engine {
        Some("redb") => IndexEngine::Redb,
        Some(_) => IndexEngine::Sled,
        None => index(config.store.index),
    };
    let began = std::time::Instant::now();
    let opened = Store::rebuild(&config.store.folder, engine)?;
    println!(
        "built the index ({}) up to batch {} in {:.1} s",
        engine.name(),
        opened.sequence,
        began.elapsed().as_secs_f64()
    );
    if engine != index(config.store.index) {
        println!("Set store.index = {:?}, or the next start builds it again.", engine.name());
    }
    Ok(())
}

/// Live, or of a stopped gateway.
pub(super) async fn backup(config: &Config, file: &Path) -> anyhow::Result<()> {
    let to = absolute(file)?;
    held::ask(config, Errand::Backup { to: to.clone() }).await?;
    println!("wrote {} ({} bytes)", to.display(), std::fs::metadata(&to)?.len());
    println!("Keys are not in it: keep {} too.", config.keys.folder.display());
    Ok(())
}

pub(super) fn restore(config: &Config, file: &Path) -> anyhow::Result<()> {
    let sequence = Store::restore(file, &config.store.folder)?;
    println!("{} holds everything up to batch {sequence}", config.store.folder.display());
    Ok(())
}
