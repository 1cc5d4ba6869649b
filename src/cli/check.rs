//! `reprieve check`: configuration, keys, store, wiring and the notice domain's
//! DNS, in sentences. When all of the last is right, letters may go.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use super::wiring;
use crate::gateway::{self, Config, Ready};
use crate::intake::smtp::Certificate;
use crate::link::ring::{KeyState, folder};
use crate::mail::Address;

/// What is asked besides the configuration itself.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Neither DNS nor any server.
    pub offline: bool,
    /// Addresses that letters leave from.
    pub from: Vec<IpAddr>,
    /// Send a test mail to this address through this MTA.
    pub mail: Option<(Address, SocketAddr)>,
}

pub(super) async fn run(config: &Config, asked: &Asked) -> anyhow::Result<ExitCode> {
    let mut wrong = 0;
    let mut say = |good: bool, sentence: String| {
        println!("{} {sentence}", if good { "ok   " } else { "WRONG" });
        wrong += usize::from(!good);
    };
    let domains: usize = config.organisations.iter().map(|one| one.domains.len()).sum();
    let organisations = config.organisations.len();
    let served = format!(
        "the configuration serves {} of {}",
        counted(domains, "domain"),
        counted(organisations, "organisation")
    );
    say(true, served);
    for (good, sentence) in keys(config).into_iter().chain(certificate(config)) {
        say(good, sentence);
    }
    let (good, sentence) = store(config);
    say(good, sentence);
    if !asked.offline {
        let hops = gateway::check_hops(config).await;
        for (good, sentence) in wiring::doors(config).into_iter().chain(hops) {
            say(good, sentence);
        }
        if let Some((to, mta)) = &asked.mail {
            for (good, sentence) in wiring::mail(config, to, *mta).await {
                say(good, sentence);
            }
        }
        let found = gateway::check_notice_domain(config, &asked.from).await?;
        let ready = found.iter().all(|one| one.good);
        for one in found {
            say(one.good, one.sentence);
        }
        if config.notice.ready == Ready::Checked {
            gateway::mark_ready(config, ready)?;
            if ready {
                say(
                    true,
                    "letters may go out (a running gateway hears of it by SIGHUP)".to_owned(),
                );
            } else {
                say(
                    false,
                    "no letters go out until this is right; senders are told by the reply"
                        .to_owned(),
                );
            }
        }
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Nothing where STARTTLS is not offered.
fn certificate(config: &Config) -> Option<(bool, String)> {
    let tls = config.smtp.tls.as_ref()?;
    Some(match Certificate::load(&tls.certificate, &tls.key) {
        Ok(_) => (true, format!("STARTTLS is offered with {}", tls.certificate.display())),
        Err(error) => (false, format!("smtp.tls_certificate, smtp.tls_key: {error}")),
    })
}

fn keys(config: &Config) -> Vec<(bool, String)> {
    let path = &config.keys.folder;
    if let Err(error) = crate::link::KeyRing::open(path) {
        return vec![(false, error.to_string())];
    }
    let all = folder::list(path).unwrap_or_default();
    let active = all.iter().find(|key| key.state == KeyState::Active);
    let age = active.map_or(0, |key| {
        crate::clock::Timestamp::now().duration_since(key.created).as_hours() / 24
    });
    let number = counted(all.len(), "key");
    let mut said = vec![(true, format!("{number} in {}, one signs", path.display()))];
    if age > 365 {
        said.push((
            false,
            format!("the key that signs is {age} days old: make a new one (keys/README.md)"),
        ));
    }
    said
}

/// What can be said of the store without opening it: a running gateway has it.
fn store(config: &Config) -> (bool, String) {
    let folder = &config.store.folder;
    let place = folder.ancestors().find(|place| place.exists());
    let Some(place) = place else {
        return (false, format!("{} cannot be made", folder.display()));
    };
    match rustix::fs::statvfs(place) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let mib = free >> 20;
            let sentence = format!("{mib} MiB are free for the store in {}", folder.display());
            (free > config.store.reserve, sentence)
        }
        Err(error) => (false, format!("{}: {error}", place.display())),
    }
}
