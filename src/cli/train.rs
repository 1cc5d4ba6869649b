//! `reprieve train`: teach the content model, look at it, carry it.
//!
//! `spam` and `ham` add to the installation's own model, beginning with the
//! one that comes with the program; `new` trains a whole model from nothing,
//! the same bytes from the same mails. An operator's word counts at once; a
//! running gateway takes the file up within a minute.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Subcommand;

use super::Configured;
use crate::demo::corpus;
use crate::filter::content::{self, Example, Guard, Model, train};
use crate::gateway;
use crate::mail::{Limits, Message, prescan};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Learn that these mails are unwanted
    Spam(Lesson),
    /// Learn that these mails are wanted
    Ham(Lesson),
    /// Train a model from nothing and write it into FILE
    New {
        file: PathBuf,
        /// Unwanted mails
        #[arg(long, required = true)]
        spam: Vec<PathBuf>,
        /// Wanted mails
        #[arg(long, required = true)]
        ham: Vec<PathBuf>,
    },
    /// Print what the model was made of
    Show(Configured),
    /// Write the model that is in force into FILE
    Export {
        file: PathBuf,
        #[command(flatten)]
        configured: Configured,
    },
    /// Make FILE the installation's model
    Import {
        file: PathBuf,
        #[command(flatten)]
        configured: Configured,
    },
}

/// Mails to learn from.
#[derive(clap::Args, Debug)]
pub(super) struct Lesson {
    /// Mails (.eml), folders, Maildirs, .mbox files or .tar(.xz) archives
    #[arg(required = true)]
    path: Vec<PathBuf>,
    #[command(flatten)]
    configured: Configured,
}

/// How often a lesson is read: once moves a clear mistake, three times settle it.
const READINGS: usize = 3;
/// How far each reading goes: all mails of a lesson are to be heard.
const FORCE: f32 = 0.5;
/// What people taught, in the order of the kinds of votes.
const VOICES: [&str; 5] = [
    "recipients called it spam",
    "recipients' programs did",
    "recipients freed their copy",
    "recipients got it and said nothing",
    "administrators taught it",
];
const SOON: &str = "a running gateway judges by it within a minute";
/// A model of fewer mails of a kind guesses.
const FEW: usize = 50;

pub(super) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Spam(lesson) => learn(&lesson, true),
        Command::Ham(lesson) => learn(&lesson, false),
        Command::New { file, spam, ham } => new(&file, &spam, &ham),
        Command::Show(configured) => {
            let config = configured.read()?;
            let model = gateway::model(&config)?;
            let own = config.filter.model;
            let place = if own.exists() { own.display().to_string() } else { "the starter".into() };
            let learnt = model.learnt();
            println!("{place}: {} spam and {} ham", learnt.spam, learnt.ham);
            let taught = model.taught();
            println!("{} of these were learnt after the training", learnt.later);
            println!("{} of them from what people said:", taught.lessons);
            for (what, count) in VOICES.iter().zip(taught.heard.0) {
                println!("  {count:>6} {what}");
            }
            Ok(())
        }
        Command::Export { file, configured } => {
            gateway::model(&configured.read()?)?.save(&file)?;
            println!("wrote {}", file.display());
            Ok(())
        }
        Command::Import { file, configured } => {
            let config = configured.read()?;
            let own = &config.filter.model;
            let _guard = Guard::take(own)?;
            // What cannot be read is what an import mends.
            let before = gateway::model(&config).unwrap_or_else(|_| Model::starter());
            Model::open(&file)?.instead_of(&before).save(own)?;
            println!("wrote {}; {SOON}", own.display());
            Ok(())
        }
    }
}

fn learn(lesson: &Lesson, spam: bool) -> anyhow::Result<()> {
    let config = lesson.configured.read()?;
    let examples = examples(&lesson.path, spam)?;
    if examples.is_empty() {
        bail!("there are no mails in what was named");
    }
    let _guard = Guard::take(&config.filter.model)?;
    let mut model = Model::clone(&*gateway::model(&config)?);
    for reading in 0..READINGS {
        for example in &examples {
            model.learn(example, FORCE, reading == 0);
        }
    }
    let own = &config.filter.model;
    model.save(own)?;
    let what = if spam { "unwanted" } else { "wanted" };
    println!("learnt {} {what} mails into {}; {SOON}", examples.len(), own.display());
    Ok(())
}

fn new(file: &Path, spam: &[PathBuf], ham: &[PathBuf]) -> anyhow::Result<()> {
    let mut all = examples(ham, false)?;
    let hams = all.len();
    all.extend(examples(spam, true)?);
    let spams = all.len() - hams;
    if spams < FEW || hams < FEW {
        bail!("{spams} spam and {hams} ham are too few: a model needs at least {FEW} of each");
    }
    println!("training on {spams} spam and {hams} ham; each is read many times");
    let model = train::model(&all);
    model.save(file)?;
    println!("wrote {}", file.display());
    Ok(())
}

/// Every readable mail, in the order of the files' names.
fn examples(paths: &[PathBuf], spam: bool) -> anyhow::Result<Vec<Example>> {
    let mut examples = Vec::new();
    let mut unreadable = 0;
    corpus::read::<anyhow::Error>(paths, &mut |sample| {
        let message = Message::new(sample.message.into());
        // As at the door: what trips a limit is never parsed.
        let simple = prescan::scan(message.bytes(), &Limits::default()).tripped.is_none();
        match simple.then(|| content::example(&message, spam)).flatten() {
            Some(example) => examples.push(example),
            None => unreadable += 1,
        }
        Ok(())
    })
    .context("cannot read the mails")?;
    if unreadable > 0 {
        eprintln!("{unreadable} mails cannot be read and were left out");
    }
    Ok(examples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[ignore = "trains eleven times: minutes in a build that is not optimised"]
    fn the_starter_is_what_its_documented_command_makes() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let corpus = std::env::var("REPRIEVE_CORPUS").unwrap_or_else(|_| "../shared/corpus".into());
        let [ham, hard_ham, spam] = ["ham", "hard_ham", "spam"].map(|folder| {
            let packed = root.join(&corpus).join(format!("spamassassin-{folder}.tar.xz"));
            let unpacked = root.join(&corpus).join(folder);
            if unpacked.is_dir() { unpacked } else { packed }
        });
        let made = root.join("target/starter.model");
        new(&made, &[spam], &[ham, hard_ham]).unwrap();
        let starter = std::fs::read(root.join("src/filter/content/starter.model")).unwrap();
        assert!(std::fs::read(&made).unwrap() == starter, "compare {}", made.display());
    }
}
