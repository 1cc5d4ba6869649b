//! `[[organisation]]`: whom we serve, as the directory keeps it.

use toml::Value;

use super::reader::{Mistake, Section};
use super::value;
use crate::directory::{
    Choice, Contact, Digest, Frequency, Organisation, OrganisationId, Pattern, Rhythm, Rule,
    RuleAction, Told,
};
use crate::mail::{Address, Domain};

/// Every organisation; there must be one at least.
pub(super) fn read(
    root: &mut Section,
    hold_first_contact: bool,
) -> Result<Vec<Organisation>, Mistake> {
    let sections = root.list("organisation", "id")?;
    if sections.is_empty() {
        return Err(root.mistake_line(
            "organisation",
            "is missing: nobody is served",
            "[[organisation]] with id, name, domains and postmaster",
        ));
    }
    sections.into_iter().map(|section| one(section, hold_first_contact)).collect()
}

fn one(mut section: Section, hold_first_contact: bool) -> Result<Organisation, Mistake> {
    let id = section.required("id", "\"example\"", id)?;
    let name = section.required("name", "\"Example Ltd\"", value::text)?;
    let domains = section.required("domains", "[\"example.com\"]", domains)?;
    let postmaster =
        section.required("postmaster", "\"postmaster@example.com\"", value::address)?;
    let telephone = section.optional("telephone", "\"+358 9 123 4567\"", value::text)?;
    let hours = section.optional("hours", "\"weekdays 8-16\"", value::text)?;
    let rules = section.list("rule", "sender")?;
    let rules = rules.into_iter().map(|section| rule(section, &domains));
    let rules = rules.collect::<Result<_, _>>()?;
    let choices = Choice::ALL.map(|choice| (choice.as_str(), choice));
    let told = Told::ALL.map(|told| (told.as_str(), told));
    let organisation = Organisation {
        id,
        name,
        domains,
        contact: Contact { postmaster, telephone, hours },
        language: section.or("language", "\"en\"", language)?,
        host: section.optional("host", "\"release.example.com\"", host)?,
        colour: section.optional("colour", "\"#0b6e4f\"", value::colour)?,
        retention_days: section.or("retention", "\"14 days\"", retention)?,
        told: section.or("told", "\"letter\"", value::word(&told))?,
        marketing: section.or("marketing", "\"deliver\"", value::word(&choices))?,
        poll: section.or("poll", "\"deliver\"", value::word(&choices))?,
        social: section.or("social", "\"deliver\"", value::word(&choices))?,
        mass: section.or("mass", "\"hold\"", value::word(&choices))?,
        hold_first_contact: section
            .optional(
                "first_contact",
                "\"hold\"",
                value::word(&[("deliver", false), ("hold", true)]),
            )?
            .unwrap_or(hold_first_contact),
        rules,
        digest: digest(&mut section)?,
        people_choose: section.or("people_choose", "true", value::flag)?,
        sentence: section.optional("sentence", "\"Ring us at any time.\"", sentence)?,
        logo: None,
    };
    section.finish()?;
    Ok(organisation)
}

/// How recipients are told what was held for them.
fn digest(section: &mut Section) -> Result<Digest, Mistake> {
    let frequencies = Frequency::ALL.map(|one| (one.as_str(), one));
    let standard = Digest::default();
    Ok(Digest {
        rhythm: Rhythm {
            frequency: section.or("digest", "\"daily\"", value::word(&frequencies))?,
            hour: section.or("digest_hour", "8", hour)?,
            ..standard.rhythm
        },
        zone: section.or("time_zone", "\"UTC\"", zone)?,
    })
}

fn hour(value: &Value) -> Result<u8, String> {
    let hour = value.as_integer().and_then(|hour| u8::try_from(hour).ok());
    hour.filter(|hour| *hour < 24).ok_or_else(|| format!("{value} is not an hour from 0 to 23"))
}

/// A name of the IANA time zone database.
fn zone(value: &Value) -> Result<String, String> {
    let name = value.as_str().unwrap_or_default();
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Ok(name.to_owned()),
        Err(_) => Err(format!("{value} is not a time zone like \"Europe/Helsinki\"")),
    }
}

fn rule(mut section: Section, domains: &[Domain]) -> Result<Rule, Mistake> {
    let ours = |value: &Value| {
        let address = value::address(value)?;
        let foreign = || format!("{value} is in none of the organisation's domains");
        domains.contains(address.domain()).then_some(address).ok_or_else(foreign)
    };
    let rule = Rule {
        sender: section.required("sender", "\"shop.example\"", pattern)?,
        action: section.required(
            "action",
            "\"block\"",
            value::word(&[("block", RuleAction::Block), ("allow", RuleAction::Allow)]),
        )?,
        recipient: section.optional("recipient", "\"anna@example.com\"", ours)?,
    };
    section.finish()?;
    Ok(rule)
}

fn id(value: &Value) -> Result<OrganisationId, String> {
    let id = value.as_str().and_then(OrganisationId::new);
    id.ok_or_else(|| {
        format!("{value} is not an id of 1 to 40 lower-case letters, digits and hyphens")
    })
}

fn domains(value: &Value) -> Result<Vec<Domain>, String> {
    let domains = value::list(value::domain)(value)?;
    if domains.is_empty() { Err("is empty".to_owned()) } else { Ok(domains) }
}

/// A mailbox, or a domain with all below it.
fn pattern(value: &Value) -> Result<Pattern, String> {
    let text = value.as_str().unwrap_or_default();
    let pattern = if text.contains('@') {
        Address::parse(text).map(Pattern::Address)
    } else {
        Domain::parse(text).map(Pattern::Domain)
    };
    pattern.map_err(|error| format!("{value} is neither an address nor a domain ({error})"))
}

/// One line that letters and pages can carry.
fn sentence(value: &Value) -> Result<String, String> {
    let text = value::text(value)?;
    if text.chars().count() > 300 || text.chars().any(crate::mail::display::is_invisible) {
        return Err(format!("{value} is not one line of at most 300 characters"));
    }
    Ok(text)
}

fn retention(value: &Value) -> Result<u16, String> {
    let days = value::days(value)?;
    if days <= 90 { Ok(days) } else { Err(format!("{value} is longer than 90 days")) }
}

/// `fi`, `pt-BR`.
fn language(value: &Value) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain || !(2..=12).contains(&text.len()) {
        return Err(format!("{value} is not a language tag"));
    }
    let translated = crate::notice::languages();
    let language = text.split('-').next().unwrap_or(text);
    if translated.iter().any(|one| one.eq_ignore_ascii_case(language)) {
        Ok(text.to_owned())
    } else {
        Err(format!("{value} is not translated; these are: {}", translated.join(", ")))
    }
}

/// A host name, with a port if need be.
fn host(value: &Value) -> Result<String, String> {
    let text = value.as_str().unwrap_or_default();
    let name = text
        .split_once(':')
        .map_or(Some(text), |(name, port)| port.parse::<u16>().ok().map(|_| name));
    match name.map(Domain::parse) {
        Some(Ok(_)) => Ok(text.to_ascii_lowercase()),
        _ => Err(format!("{value} is not a host name")),
    }
}
