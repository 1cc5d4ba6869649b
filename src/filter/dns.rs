//! DNS for the filter: the system's resolver, given servers, or a zone file.
//!
//! With a zone file ([`Source::Zone`], RFC 1035 section 5) every question is
//! answered from that file and nothing is ever asked of the network: what the
//! file does not name does not exist. The demo and the tests live on it.
//! Answers are never trusted beyond what SPF, DKIM and DMARC make of them.

mod master;
mod recent;
mod responder;
mod zone;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as NetDnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use recent::Recent;
use responder::Responder;
pub use zone::Zone;

/// Who answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// What `/etc/resolv.conf` names.
    #[default]
    System,
    Servers(Vec<SocketAddr>),
    /// A master file that answers everything.
    Zone(PathBuf),
    /// The text of a master file, for tests and the demo.
    Text(String),
}

/// How long DNS may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For one question to one server; it is asked twice at most.
    pub question: Duration,
    /// For all questions about one message.
    pub message: Duration,
}

/// A resolver with its cache. Clones share it.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
    recent: Recent,
    /// Runs as long as somebody asks.
    responder: Option<Arc<Responder>>,
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    #[error("the zone file {path} cannot be read: {error}")]
    Unreadable { path: PathBuf, error: std::io::Error },
    #[error("the zone file is not a master file (RFC 1035 section 5): {0}")]
    Zone(String),
    #[error("no port on the loopback interface for the zone's answers: {0}")]
    Loopback(std::io::Error),
    #[error("the system's resolver configuration cannot be used: {0}")]
    System(String),
}

impl Default for Patience {
    fn default() -> Self {
        Self { question: Duration::from_secs(1), message: Duration::from_secs(2) }
    }
}

impl Dns {
    /// A resolver for `source`. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// [`DnsError`].
    pub fn new(source: &Source, patience: &Patience) -> Result<Self, DnsError> {
        match source {
            Source::System => {
                let (config, _) = hickory_resolver::system_conf::read_system_conf()
                    .map_err(|error| DnsError::System(error.to_string()))?;
                Self::build(config, patience, None)
            }
            Source::Servers(addresses) => {
                let servers = addresses.iter().map(|address| server(*address)).collect();
                Self::build(ResolverConfig::from_parts(None, vec![], servers), patience, None)
            }
            Source::Zone(path) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| DnsError::Unreadable { path: path.clone(), error })?;
                Self::of_zone(Zone::parse(&text)?, patience)
            }
            Source::Text(text) => Self::of_zone(Zone::parse(text)?, patience),
        }
    }

    /// A resolver that knows `zone` and nothing else.
    ///
    /// # Errors
    /// [`DnsError::Loopback`].
    pub fn of_zone(zone: Zone, patience: &Patience) -> Result<Self, DnsError> {
        let responder = Responder::start(zone).map_err(DnsError::Loopback)?;
        let config = ResolverConfig::from_parts(None, vec![], vec![server(responder.address())]);
        Self::build(config, patience, Some(Arc::new(responder)))
    }

    fn build(
        config: ResolverConfig,
        patience: &Patience,
        responder: Option<Arc<Responder>>,
    ) -> Result<Self, DnsError> {
        let mut options = ResolverOpts::default();
        options.timeout = patience.question;
        options.attempts = 1;
        options.cache_size = 65_536;
        options.use_hosts_file = ResolveHosts::Never;
        // A wrong "does not exist" must not last; a right one is asked again.
        options.negative_max_ttl = Some(Duration::from_mins(10));
        options.positive_max_ttl = Some(Duration::from_hours(24));
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .map_err(|error| DnsError::System(error.to_string()))?;
        Ok(Self { resolver, recent: Recent::default(), responder })
    }

    /// The resolver itself, for what speaks to it in its own words.
    pub fn resolver(&self) -> &TokioResolver {
        &self.resolver
    }

    /// Whether a zone file answers: asking costs nothing then, and private
    /// addresses have names too.
    pub fn is_local(&self) -> bool {
        self.responder.is_some()
    }

    /// Asks for records of one type; aliases are followed.
    pub async fn query(&self, name: &str, kind: RecordType) -> Found {
        if let Some(records) = self.recent.find(name, kind, Instant::now()) {
            return Found::Records(records);
        }
        let (found, until) = self.resolve(name, kind).await;
        if let (Found::Records(records), Some(until)) = (&found, until) {
            self.recent.keep(name, kind, records, until);
        }
        found
    }

    /// What the resolver says, and until when that is true.
    async fn resolve(&self, name: &str, kind: RecordType) -> (Found, Option<Instant>) {
        // Bytes that no host name has may still be asked for (RFC 2181
        // section 11); what makes no name at all does not exist.
        let labels = name.trim_end_matches('.').split('.').map(str::as_bytes);
        let Ok(mut name) = Name::from_labels(labels) else {
            return (Found::Nothing, None);
        };
        name.set_fqdn(true);
        let answer = self.resolver.lookup(name, kind).await;
        let until = answer.as_ref().ok().map(Lookup::valid_until);
        (Found::from(answer, kind), until)
    }

    /// The TXT records of `name` that begin with `prefix` (ASCII case
    /// ignored), their strings joined. `None`: DNS is silent.
    pub async fn texts(&self, name: &str, prefix: &str) -> Option<Vec<String>> {
        let records = self.query(name, RecordType::TXT).await.records()?;
        let texts = records.iter().filter_map(|record| match record {
            RData::TXT(text) => Some(text.txt_data.concat()),
            _ => None,
        });
        let texts = texts
            .filter(|text| {
                text.get(..prefix.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
            })
            .map(|text| String::from_utf8_lossy(&text).into_owned());
        Some(texts.collect())
    }

    /// The names that `ip`'s PTR records give, without the last dot. `None`: DNS
    /// is silent.
    pub async fn names(&self, ip: IpAddr) -> Option<Vec<String>> {
        let records = self.reverse(ip).await.records()?;
        let names = records.iter().filter_map(|record| match record {
            RData::PTR(name) => Some(name.0.to_ascii().trim_end_matches('.').to_owned()),
            _ => None,
        });
        Some(names.collect())
    }

    /// Asks for the names of an address.
    pub async fn reverse(&self, ip: IpAddr) -> Found {
        Found::from(self.resolver.reverse_lookup(ip).await, RecordType::PTR)
    }
}

/// What DNS said.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    Records(Vec<RData>),
    /// The name does not exist, or has nothing of this type.
    Nothing,
    /// No answer, or a server's failure.
    Silence,
}

impl Found {
    /// `None`: there was no answer.
    fn records(self) -> Option<Vec<RData>> {
        match self {
            Self::Records(records) => Some(records),
            Self::Nothing => Some(Vec::new()),
            Self::Silence => None,
        }
    }

    fn from(answer: Result<Lookup, NetError>, kind: RecordType) -> Self {
        match answer {
            Ok(lookup) => {
                let records: Vec<RData> = lookup
                    .answers()
                    .iter()
                    .filter(|record| record.record_type() == kind)
                    .map(|record| record.data.clone())
                    .collect();
                if records.is_empty() { Self::Nothing } else { Self::Records(records) }
            }
            Err(NetError::Dns(NetDnsError::NoRecordsFound(none)))
                if matches!(none.response_code, ResponseCode::NXDomain | ResponseCode::NoError) =>
            {
                Self::Nothing
            }
            Err(_) => Self::Silence,
        }
    }
}

/// Whether an address belongs to the machine or to a private network, about
/// which public DNS knows nothing (RFC 1918, RFC 4193, RFC 3927).
pub fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified()
        }
        IpAddr::V6(ip) => {
            ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_unspecified()
        }
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_zone_answers_everything_and_nothing_else_is_asked() {
        let long = "k=rsa; p=".to_owned() + &"A".repeat(3000);
        let zone = format!(
            "a.example. 300 IN TXT \"v=spf1 -all\"\na.example. TXT \"other\"\nb.example. A 192.0.2.1\nlong.example. TXT \"{long}\"\n"
        );
        let dns = Dns::new(&Source::Text(zone), &Patience::default()).unwrap();
        assert!(dns.is_local());
        let count = async |name, kind| match dns.query(name, kind).await {
            Found::Records(records) => records.len(),
            Found::Nothing => 0,
            Found::Silence => panic!("{name} must be answered"),
        };
        assert_eq!(count("a.example", RecordType::TXT).await, 2);
        assert_eq!(count("b.example", RecordType::TXT).await, 0);
        assert_eq!(count("example.com", RecordType::A).await, 0);
        let Found::Records(records) = dns.query("long.example", RecordType::TXT).await else {
            panic!("over 512 bytes: by TCP");
        };
        let RData::TXT(text) = &records[0] else { panic!("{records:?}") };
        assert_eq!(text.txt_data.concat(), long.as_bytes());
    }

    #[test]
    fn a_broken_zone_is_refused() {
        let error =
            Dns::new(&Source::Text("a.example. IN NONSENSE x\n".into()), &Patience::default());
        assert!(matches!(error, Err(DnsError::Zone(_))));
    }
}
