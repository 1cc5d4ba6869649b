//! `notice.ready`: whether letters may go out.
//!
//! Letters from a domain whose SPF, DKIM, DMARC or PTR is wrong would be
//! refused, or teach receivers to distrust us. `reprieve check` looks at all
//! four and leaves a mark beside the keys; the mark names what it was for, so
//! that another domain or key needs another look. RFC 7208, 6376, 7489.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use super::settings::dns_source;
use crate::config::{Config, Ready};
use crate::filter::dns::{Dns, DnsError, Patience};
use crate::notice::Signer;

/// Something that `check` saw, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub good: bool,
    pub sentence: String,
}

/// Whether letters may go out now.
pub(super) fn letters_may_go(config: &Config) -> bool {
    match config.notice.ready {
        Ready::Always => true,
        Ready::Never => false,
        Ready::Checked => {
            let wanted = subject(config);
            wanted.is_some() && fs::read_to_string(mark(config)).ok() == wanted
        }
    }
}

/// Looks at the notice domain's DNS. `from`: the addresses that letters leave
/// from, if the operator named them; without, SPF is only looked for.
///
/// # Errors
/// [`DnsError`] if there is no resolver.
pub async fn check_notice_domain(
    config: &Config,
    from: &[IpAddr],
) -> Result<Vec<Finding>, DnsError> {
    let patience = Patience { message: config.dns.timeout, ..Patience::default() };
    let dns = Dns::new(&dns_source(config), &patience)?;
    let domain = &config.notice.domain;
    let of_dmarc = format!("_dmarc.{domain}");
    let mut found = vec![
        answered(domain.as_str(), dns.texts(domain.as_str(), "v=spf1").await, |records| {
            spf(records, domain.as_str())
        }),
        answered(&of_dmarc, dns.texts(&of_dmarc, "v=DMARC1").await, |records| {
            dmarc(records, domain.as_str())
        }),
    ];
    let records = Signer::open(&config.keys.folder, domain).map(|signer| signer.records(domain));
    let records = records.unwrap_or_default();
    if records.is_empty() {
        found.push(bad(format!(
            "no DKIM key in {}: run reprieve key dkim",
            config.keys.folder.display()
        )));
    }
    for (name, value) in records {
        let records = dns.texts(&name, "").await;
        found.push(answered(&name, records, |records| dkim(records, &name, &value)));
    }
    for ip in from {
        let names = dns.names(*ip).await;
        found.push(answered(&ip.to_string(), names, |names| match names.first() {
            Some(name) => good(format!("{ip} has the name {name}")),
            None => bad(format!("{ip} has no PTR record: ask who gave you the address for one")),
        }));
    }
    Ok(found)
}

/// Leaves the mark that all was right, or takes it away.
///
/// # Errors
/// If the keys' folder cannot be written.
pub fn mark_ready(config: &Config, ready: bool) -> std::io::Result<()> {
    let path = mark(config);
    match subject(config) {
        Some(subject) if ready => {
            let mut file = fs::File::create(&path)?;
            file.write_all(subject.as_bytes())?;
            file.sync_all()
        }
        _ => match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    }
}

fn mark(config: &Config) -> PathBuf {
    config.keys.folder.join("notice.ready")
}

/// Domain and keys that a mark is for; `None` without a key.
fn subject(config: &Config) -> Option<String> {
    let domain = &config.notice.domain;
    let records = Signer::open(&config.keys.folder, domain).ok()?.records(domain);
    let lines: Vec<String> =
        records.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    (!lines.is_empty()).then(|| format!("{domain}\n{}", lines.concat()))
}

/// What is not published, and what nobody can say now, are two things.
fn answered(
    name: &str,
    records: Option<Vec<String>>,
    judge: impl Fn(&[String]) -> Finding,
) -> Finding {
    match records {
        Some(records) => judge(&records),
        None => {
            bad(format!("DNS says nothing about {name} now: is the resolver up (dns.servers)?"))
        }
    }
}

fn spf(records: &[String], domain: &str) -> Finding {
    match records {
        [one] if one.ends_with("-all") || one.ends_with("~all") || one.contains("redirect=") => {
            good(format!("{domain} has the SPF record \"{one}\""))
        }
        [one] => bad(format!("the SPF record of {domain} does not end with -all: \"{one}\"")),
        [] => bad(format!(
            "{domain} has no SPF record: publish TXT \"v=spf1 ip4:<your server> -all\""
        )),
        _ => bad(format!("{domain} has several SPF records, which counts as none (RFC 7208 3.2)")),
    }
}

fn dmarc(records: &[String], domain: &str) -> Finding {
    match records.first() {
        Some(one) => good(format!("{domain} has the DMARC record \"{one}\"")),
        None => bad(format!(
            "{domain} has no DMARC record: publish TXT _dmarc.{domain} \"v=DMARC1; p=reject\""
        )),
    }
}

fn dkim(records: &[String], name: &str, wanted: &str) -> Finding {
    let key = |record: &str| {
        let tag = record.split(';').map(str::trim).find_map(|tag| tag.strip_prefix("p="));
        tag.map(|key| key.replace(' ', ""))
    };
    match records.first() {
        Some(one) if key(one) == key(wanted) => good(format!("{name} has our key")),
        Some(_) => bad(format!("{name} has another key than ours: publish TXT \"{wanted}\"")),
        None => bad(format!("{name} does not exist: publish TXT \"{wanted}\"")),
    }
}

fn good(sentence: String) -> Finding {
    Finding { good: true, sentence }
}

fn bad(sentence: String) -> Finding {
    Finding { good: false, sentence }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_silent_resolver_is_not_taken_for_a_missing_record() {
        // Nothing answers there.
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let servers = format!("dns.servers=[\"{}\"]", silent.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let set = [servers, "dns.timeout=100 ms".to_owned()];
        let config = Config::parse(crate::config::MINIMAL, folder.path(), &set).unwrap();
        let found = check_notice_domain(&config, &[]).await.unwrap();
        let about = |word: &str| found.iter().any(|one| !one.good && one.sentence.contains(word));
        assert!(about("DNS says nothing about mail-release.example.com"), "{found:?}");
        assert!(!about("publish"), "{found:?}");
    }
}
