//! How well the filter tells spam from ham that it has not seen.
//!
//! `cargo bench --bench accuracy`: ten-fold cross-validation over the folders
//! ham, hard_ham and spam below `REPRIEVE_CORPUS` (`../shared/corpus` if it is
//! not set), or `spamassassin-ham.tar.xz` and its like as they are. Each tenth
//! is judged by the whole filter, without DNS and engines, with a model, its
//! probabilities and its holding margin that were made of the other nine tenths
//! alone. Mails that are held or rejected count as held; intervals are
//! Wilson's, 95 %.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use reprieve::clock::Clock;
use reprieve::config::{Config, MINIMAL};
use reprieve::demo::corpus;
use reprieve::directory::{Choices, Directory};
use reprieve::filter::content::{self, Example, train};
use reprieve::filter::policy::{self, Thresholds, View};
use reprieve::filter::{Filter, Settings, Verdict, dns};
use reprieve::mail::message::FromHeader;
use reprieve::mail::{Address, Client, Envelope, Message, Recipient, ReversePath};
use reprieve::reputation::Regard;

struct Mail {
    folder: &'static str,
    message: Message,
}

/// What a judged mail was, and what was said of it.
#[allow(clippy::struct_excessive_bools)]
struct Outcome {
    spam: bool,
    folder: &'static str,
    held: bool,
    by_content: bool,
    without_content: bool,
    probability: f32,
}

fn main() {
    let corpus = std::env::var("REPRIEVE_CORPUS").unwrap_or_else(|_| "../shared/corpus".into());
    let mut mails = Vec::new();
    for folder in ["ham", "hard_ham", "spam"] {
        let unpacked = Path::new(&corpus).join(folder);
        let packed = Path::new(&corpus).join(format!("spamassassin-{folder}.tar.xz"));
        gather(if unpacked.is_dir() { &unpacked } else { &packed }, folder, &mut mails);
    }
    let read: Vec<(Mail, Example)> = mails
        .into_iter()
        .filter_map(|mail| {
            let example = content::example(&mail.message, mail.folder == "spam")?;
            Some((mail, example))
        })
        .collect();
    let (mails, examples): (Vec<Mail>, Vec<Example>) = read.into_iter().unzip();
    if examples.is_empty() {
        println!("no mails below {corpus}");
        return;
    }
    println!(
        "{} mails; the same body stands in {} of them more than once",
        mails.len(),
        twins(&mails)
    );

    let seeds = std::env::var("REPRIEVE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    for seed in 1..=seeds {
        let outcomes = cross_validate(&mails, &examples, seed);
        table(seed, &outcomes);
    }
    worth_of_blocks(&examples);
}

fn gather(folder: &Path, name: &'static str, mails: &mut Vec<Mail>) {
    let read = corpus::read::<io::Error>(&[folder.to_owned()], &mut |sample| {
        mails.push(Mail { folder: name, message: Message::new(sample.message.into()) });
        Ok(())
    });
    if let Err(error) = read {
        println!("{}: {error}", folder.display());
    }
}

/// Mails whose body another mail has too, white space aside.
fn twins(mails: &[Mail]) -> usize {
    let mut bodies: HashMap<Vec<u8>, usize> = HashMap::new();
    for mail in mails {
        let body = mail.message.body().iter().copied().filter(|b| !b.is_ascii_whitespace());
        *bodies.entry(body.collect()).or_default() += 1;
    }
    bodies.values().filter(|count| **count > 1).sum()
}

fn cross_validate(mails: &[Mail], examples: &[Example], seed: u64) -> Vec<Outcome> {
    let part = train::parts(examples, train::FOLDS, seed);
    let config = Config::parse(MINIMAL, Path::new("/"), &[]).expect("the minimal configuration");
    let organisation = &config.organisations[0];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut outcomes = Vec::new();
    for fold in 0..train::FOLDS {
        let known: Vec<Example> = examples
            .iter()
            .zip(&part)
            .filter(|(_, p)| **p != fold)
            .map(|(e, _)| e.clone())
            .collect();
        let model = Arc::new(train::model(&known));
        runtime.block_on(async {
            let settings = Settings {
                model: model.into(),
                authenticate: false,
                dns: dns::Source::Text(String::new()),
                ..Settings::default()
            };
            let filter =
                Filter::new(settings, Directory::default(), Clock::system()).expect("a filter");
            for (mail, _) in mails.iter().zip(&part).filter(|(_, p)| **p == fold) {
                let envelope = envelope(&mail.message);
                let examination = filter.examine(&envelope, &mail.message, false);
                let examination = examination.await.expect("nothing is asked");
                let view = View {
                    organisation,
                    rule: None,
                    choices: Choices::default(),
                    regard: Regard::Unknown,
                    correspondent: false,
                    role_address: false,
                };
                let judgement = policy::decide(&examination, &view, &Thresholds::default());
                let content: f32 = examination
                    .findings
                    .iter()
                    .filter(|finding| finding.id == "content")
                    .map(|finding| finding.weight)
                    .sum();
                outcomes.push(Outcome {
                    spam: mail.folder == "spam",
                    folder: mail.folder,
                    held: matches!(judgement.verdict, Verdict::Hold | Verdict::Reject),
                    by_content: content >= Thresholds::default().hold,
                    without_content: examination.score - content >= Thresholds::default().hold
                        || (judgement.verdict == Verdict::Reject),
                    probability: examination.spam_probability.unwrap_or(0.5),
                });
            }
        });
    }
    outcomes
}

fn envelope(message: &Message) -> Envelope {
    let address = Address::parse("r@example.com").expect("an address");
    Envelope {
        client: Client {
            ip: [192, 0, 2, 1].into(),
            name: None,
            helo: "unknown".into(),
            tls: None,
            esmtp: true,
        },
        authenticated: None,
        mail_from: match message.from() {
            FromHeader::Single(address) => ReversePath::Address(address),
            FromHeader::Missing | FromHeader::Ambiguous => ReversePath::Null,
        },
        rcpt_to: vec![Recipient { raw: address.to_string(), address }],
        eight_bit: false,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "accuracy".into(),
    }
}

fn table(seed: u64, outcomes: &[Outcome]) {
    println!("\n{}-fold cross-validation, seed {seed}", train::FOLDS);
    println!("{:<24} {:>28} {:>28}", "", "spam held", "ham held");
    let row = |name: &str, holds: &dyn Fn(&Outcome) -> bool| {
        let of = |spam: bool| {
            let all = outcomes.iter().filter(|one| one.spam == spam);
            share(all.clone().filter(|one| holds(one)).count(), all.count())
        };
        println!("{name:<24} {:>28} {:>28}", of(true), of(false));
    };
    row("content model alone", &|one| one.by_content);
    row("everything but content", &|one| one.without_content);
    row("together", &|one| one.held);
    let mut folders: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for one in outcomes {
        let (held, all) = folders.entry(one.folder).or_default();
        *held += usize::from(one.held);
        *all += 1;
    }
    for (folder, (held, all)) in folders {
        println!("  {folder:<10} {held:>5} of {all:>5} held");
    }
    println!("{:<16} {:>6} {:>9}", "said to be spam", "mails", "are spam");
    let edges = [0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.01];
    for edge in edges.windows(2) {
        let inside: Vec<&Outcome> =
            outcomes.iter().filter(|one| (edge[0]..edge[1]).contains(&one.probability)).collect();
        let spam = inside.iter().filter(|one| one.spam).count();
        let name = format!("{:.2} to {:.2}", edge[0], edge[1].min(1.0));
        println!("{name:<16} {:>6} {:>9.3}", inside.len(), ratio(spam, inside.len()));
    }
}

/// The model alone, with one block of marks taken away.
fn worth_of_blocks(examples: &[Example]) {
    println!("\nThe model alone: spam held where 0.3 % of ham is, and ham where 99 % of spam is");
    let names = [
        "without the header",
        "without the way",
        "without the body",
        "without the words",
        "without the shape",
    ];
    tell("all marks", examples);
    for (block, name) in names.iter().enumerate() {
        let less: Vec<Example> = examples.iter().map(|example| example.without(block)).collect();
        tell(name, &less);
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn tell(name: &str, examples: &[Example]) {
    let margins = train::cross_validate(examples, train::FOLDS, 1);
    let side = |spam: bool| {
        let mut side: Vec<f64> =
            margins.iter().zip(examples).filter(|(_, e)| e.spam == spam).map(|(m, _)| *m).collect();
        side.sort_by(|a, b| b.total_cmp(a));
        side
    };
    let (spam, ham) = (side(true), side(false));
    let limit = ham[(ham.len() as f64 * 0.003) as usize];
    let caught = spam.iter().filter(|margin| **margin > limit).count();
    let limit = spam[(spam.len() as f64 * 0.99).ceil() as usize - 1];
    let held = ham.iter().filter(|margin| **margin >= limit).count();
    println!("{name:<24} {:>28} {:>28}", share(caught, spam.len()), share(held, ham.len()));
}

#[allow(clippy::cast_precision_loss)]
fn ratio(part: usize, of: usize) -> f64 {
    part as f64 / of.max(1) as f64
}

/// `99.16 % (98.35 to 99.57)`.
#[allow(clippy::cast_precision_loss)]
fn share(part: usize, of: usize) -> String {
    let (n, p, z) = (of.max(1) as f64, ratio(part, of), 1.96_f64);
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let (low, high) = (100.0 * (centre - half).max(0.0), 100.0 * (centre + half).min(1.0));
    format!("{:.2} % ({low:.2} to {high:.2})", 100.0 * p)
}
