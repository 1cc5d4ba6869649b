//! The configuration, as the settings of each room. Nothing is opened here but
//! the content model's file.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::SignedDuration;
use crate::config::{self, Config};
use crate::filter::{self, catalogue, content, dns, engine, policy, similar};
use crate::intake::direction::Networks;
use crate::intake::{self, milter, smtp};
use crate::store::IndexEngine;
use crate::{appeal, notice, portal, queue, release};

use super::build::StartError;

/// Each key of the configuration as the console shows it.
pub(super) fn effective(config: &Config) -> Vec<portal::ConfigKey> {
    let meanings = config::meanings();
    let shown = |one: &config::Effective| portal::ConfigKey {
        key: one.key.clone(),
        meaning: meanings.get(&one.name).cloned().unwrap_or_default(),
        value: one.value.clone(),
        written: one.written,
        secret: one.secret,
    };
    config.effective.iter().map(shown).collect()
}

/// The served domains, as patterns that the blocking list never holds.
pub(super) fn own_domains(config: &Config) -> Vec<String> {
    let domains = config.organisations.iter().flat_map(|one| &one.domains);
    domains.map(|domain| format!("@{domain}")).collect()
}

/// The engine that the configuration names.
pub fn index(chosen: config::Index) -> IndexEngine {
    match chosen {
        config::Index::Sled => IndexEngine::Sled,
        config::Index::Redb => IndexEngine::Redb,
    }
}

pub(super) fn dns_source(config: &Config) -> dns::Source {
    match &config.dns.zone {
        Some(zone) => dns::Source::Zone(zone.clone()),
        None if config.dns.servers.is_empty() => dns::Source::System,
        None => dns::Source::Servers(config.dns.servers.clone()),
    }
}

pub(super) fn filter(config: &Config) -> Result<filter::Settings, StartError> {
    let defaults = filter::Settings::default();
    let chosen = &config.filter;
    let window =
        |recipients, window, texts| similar::Settings { recipients, window: signed(window), texts };
    Ok(filter::Settings {
        model: model(config)?.into(),
        limits: config.smtp.limits,
        dns: dns_source(config),
        patience: dns::Patience { message: config.dns.timeout, ..defaults.patience },
        weights: catalogue::Weights::with(chosen.weights.clone())?,
        engines: engines(config),
        lists: chosen.lists.clone(),
        trusted_sealers: chosen.trusted_sealers.clone(),
        defer_temperror: chosen.defer_temperror,
        mass: window(chosen.mass_recipients, chosen.mass_window, defaults.mass.texts),
        replay: window(chosen.replay_recipients, chosen.replay_window, defaults.replay.texts),
        ..defaults
    })
}

fn engines(config: &Config) -> engine::Settings {
    let chosen = config.filter.engines.clone();
    let host = config.smtp.hostname.to_string();
    engine::Settings {
        clamd: chosen.clamd,
        rspamd: chosen.rspamd,
        spamd: chosen
            .spamassassin
            .map(|(settings, how)| (engine::spamd::Settings { host, ..settings }, how)),
        ..engine::Settings::default()
    }
}

/// The installation's own model, or the one that comes with the program.
///
/// # Errors
/// [`StartError`] if the installation's own cannot be read.
pub fn model(config: &Config) -> Result<Arc<content::Model>, StartError> {
    let own = &config.filter.model;
    if own.exists() {
        Ok(Arc::new(content::Model::open(own)?))
    } else {
        Ok(content::Model::starter())
    }
}

pub(super) fn queue(config: &Config) -> queue::Settings {
    let defaults = queue::Settings::default();
    let chosen = &config.delivery;
    queue::Settings {
        schedule: queue::Schedule {
            first: signed(chosen.first_retry),
            longest: signed(chosen.longest_retry),
            lifetime: signed(chosen.lifetime),
        },
        ..defaults
    }
}

pub(super) fn notice(config: &Config) -> notice::Settings {
    let chosen = &config.notice;
    notice::Settings {
        ceiling: chosen.ceiling,
        per_domain: chosen.per_domain_hour,
        in_all: chosen.per_hour,
        ..notice::Settings::new(chosen.domain.clone())
    }
}

pub(super) fn release(config: &Config) -> release::Settings {
    let chosen = &config.release;
    release::Settings {
        delay: signed(chosen.delay),
        ceiling: chosen.ceiling,
        per_network: chosen.per_network,
        per_organisation: chosen.per_organisation,
    }
}

pub(super) fn appeal(config: &Config) -> appeal::Settings {
    let days = |days: u16| SignedDuration::from_hours(24 * i64::from(days));
    let chosen = &config.appeals;
    appeal::Settings { deadline: days(chosen.deadline_days), keep: days(chosen.keep_days) }
}

pub(super) fn intake(config: &Config) -> intake::Settings {
    intake::Settings {
        host: config.smtp.hostname.to_string(),
        networks: networks(config),
        thresholds: thresholds(config),
        queue_accepted: false,
        one_organisation_per_transaction: config.smtp.one_organisation_per_transaction,
    }
}

fn networks(config: &Config) -> Networks {
    Networks { own: config.networks.own.clone(), relays: config.networks.relays.clone() }
}

pub(super) fn thresholds(config: &Config) -> policy::Thresholds {
    policy::Thresholds { hold: config.filter.hold, correspondent: config.filter.correspondent }
}

pub(super) fn smtp(
    config: &Config,
    certificate: Option<smtp::Certificate>,
    next_hop: smtp::NextHop,
) -> smtp::Settings {
    let hostname = config.smtp.hostname.to_string();
    let networks = &config.networks;
    let defaults = smtp::Limits::default();
    smtp::Settings {
        limits: smtp::Limits {
            connections: config.smtp.connections,
            connections_per_client: config.smtp.connections_per_client,
            message: config.smtp.limits.size,
            receiving: config.smtp.receiving,
            recipients: config.smtp.recipients,
            ..defaults
        },
        certificate,
        xforward: networks.proxies.clone(),
        xclient: networks.proxies.clone(),
        proxies: networks.proxies.clone(),
        normalised: networks.normalise.clone(),
        uncounted: networks.relays.iter().chain(&networks.proxies).copied().collect(),
        next_hop: Some(next_hop),
        verification: smtp::verification::Times {
            positive: signed(config.next_hop.known_recipients),
            negative: signed(config.next_hop.unknown_recipients),
        },
        ..smtp::Settings::new(hostname)
    }
}

pub(super) fn milter(config: &Config, smtp: &smtp::Settings) -> milter::Settings {
    milter::Settings {
        allow: config.milter.allow.clone(),
        limits: smtp::Limits { connections: config.milter.connections, ..smtp.limits.clone() },
        normalised: smtp.normalised.clone(),
        ..milter::Settings::new(smtp.hostname.clone())
    }
}

pub(super) fn portal(config: &Config) -> portal::Settings {
    portal::Settings {
        trusted_proxies: config.portal.proxies.clone(),
        statistics: config.portal.statistics,
        postmaster: config.organisations.first().map(|one| one.contact.postmaster.clone()),
        ..portal::Settings::default()
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
