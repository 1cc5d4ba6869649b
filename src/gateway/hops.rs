//! The servers that mail is handed to: inside the session, and by the courier.
//!
//! One TLS trust for all of them; the smarthost's password comes from a file
//! of its own, so that the configuration can be shown to anybody.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;

use crate::clock::Clock;
use crate::config::{self, Config};
use crate::intake::smtp;
use crate::queue::Courier;
use crate::queue::client::{Connection, Timeouts};
use crate::queue::pool::Bounds;
use crate::queue::relay::Relay;
use crate::queue::route::{Auth, NextHop, Protocol, Routes, TlsPolicy};
use crate::queue::tls::{ClientTls, TlsError};

/// Why mail cannot be handed on.
#[derive(Debug, thiserror::Error)]
pub enum HopError {
    #[error("delivery.ca: {0}")]
    Tls(#[from] TlsError),
    #[error("delivery.smarthost_password: {path} cannot be read: {cause}")]
    Unreadable { path: PathBuf, cause: std::io::Error },
    #[error(
        "delivery.smarthost_password: {0} can be read by others; it needs mode 0600 (chmod 600)"
    )]
    Permissions(PathBuf),
    #[error("delivery.smarthost_password: the first line of {0} is empty")]
    Empty(PathBuf),
}

/// How long `reprieve check` waits for each step of a server's greeting.
const GREETED: Duration = Duration::from_secs(10);

/// What all hops share, read once.
pub(super) struct Hops {
    tls: ClientTls,
    auth: Option<Auth>,
}

impl Hops {
    pub fn new(config: &Config) -> Result<Self, HopError> {
        let tls = ClientTls::trusting(config.delivery.ca.as_deref())?;
        let auth = config.delivery.smarthost_auth.as_ref().map(|auth| {
            let password = password(&auth.password)?;
            Ok::<_, HopError>(Auth { login: auth.login.clone(), password })
        });
        Ok(Self { tls, auth: auth.transpose()? })
    }

    /// The next hop inside the session, while our client waits.
    pub fn in_session(&self, config: &Config) -> smtp::NextHop {
        smtp::NextHop {
            server: hop(config, &config.next_hop.server, config.next_hop.tls),
            tls: self.tls.clone(),
            // RFC 5321 section 4.5.3.2.6 lets our client wait 10 minutes for
            // the answer to a message.
            timeouts: Timeouts {
                end: Duration::from_mins(5),
                ..Timeouts::all(Duration::from_secs(30))
            },
            ask_recipients: config.next_hop.ask_recipients,
            xforward: true,
        }
    }

    /// The courier: routes, then served domains to the next hop, the rest to
    /// the smarthost.
    pub fn courier(&self, config: &Config, clock: &Clock) -> Courier {
        let chosen = &config.delivery;
        let at_least = |policy| if chosen.require_tls { TlsPolicy::Verified } else { policy };
        let next_hop = hop(config, &config.next_hop.server, at_least(config.next_hop.tls));
        let mut per_domain = HashMap::new();
        for organisation in &config.organisations {
            for domain in &organisation.domains {
                per_domain.insert(domain.clone(), next_hop.clone());
            }
        }
        for route in &chosen.routes {
            let server = hop(config, &route.server, at_least(TlsPolicy::Opportunistic));
            per_domain.insert(route.domain.clone(), server);
        }
        let default = match &chosen.smarthost {
            Some(smarthost) => self.smarthost(config, smarthost, at_least),
            None => next_hop,
        };
        let bounds = Bounds { connections: chosen.connections, ..Bounds::default() };
        Courier::Relay(Relay::new(
            Routes { default, per_domain },
            self.tls.clone(),
            Timeouts::default(),
            bounds,
            clock.clone(),
        ))
    }

    /// A password goes to nobody but the server that it is for: over TLS with
    /// a verified certificate, unless the server is on this machine.
    fn smarthost(
        &self,
        config: &Config,
        smarthost: &config::Hop,
        at_least: impl Fn(TlsPolicy) -> TlsPolicy,
    ) -> NextHop {
        let trusted = self.auth.is_none() || is_here(&smarthost.place);
        let policy = if trusted { TlsPolicy::Opportunistic } else { TlsPolicy::Verified };
        NextHop { auth: self.auth.clone(), ..hop(config, smarthost, at_least(policy)) }
    }
}

/// Greets every server that mail is handed to as the gateway would, with its
/// TLS and its password; each is a sentence, and whether it is good.
pub async fn check_hops(config: &Config) -> Vec<(bool, String)> {
    let hops = match Hops::new(config) {
        Ok(hops) => hops,
        Err(error) => return vec![(false, error.to_string())],
    };
    let chosen = &config.delivery;
    let at_least = |policy| if chosen.require_tls { TlsPolicy::Verified } else { policy };
    let mut all = vec![("next_hop.server", hops.in_session(config).server)];
    let smarthost = chosen.smarthost.iter();
    all.extend(smarthost.map(|one| ("delivery.smarthost", hops.smarthost(config, one, at_least))));
    let routed =
        |route: &config::Route| hop(config, &route.server, at_least(TlsPolicy::Opportunistic));
    all.extend(chosen.routes.iter().map(|route| ("delivery.route", routed(route))));
    let greeted = all.into_iter().map(|(key, hop)| greet(&hops.tls, key, hop));
    join_all(greeted).await
}

async fn greet(tls: &ClientTls, key: &str, hop: NextHop) -> (bool, String) {
    match Connection::open(&hop, tls, Timeouts::all(GREETED)).await {
        Ok(connection) => {
            let how = if connection.is_encrypted() { "with TLS" } else { "without TLS" };
            connection.quit().await;
            (true, format!("{key}: {hop} answers, {how}"))
        }
        Err(error) => (false, format!("{key}: {hop}: {error}")),
    }
}

fn hop(config: &Config, hop: &config::Hop, tls: TlsPolicy) -> NextHop {
    let (host, port) = match &hop.place {
        config::Place::Tcp { host, port } => (host.clone(), *port),
        config::Place::Unix(path) => (path.display().to_string(), 0),
    };
    NextHop {
        host,
        port,
        protocol: match hop.protocol {
            config::Protocol::Smtp => Protocol::Smtp,
            config::Protocol::Lmtp => Protocol::Lmtp,
        },
        tls,
        helo: config.smtp.hostname.to_string(),
        auth: None,
    }
}

fn is_here(place: &config::Place) -> bool {
    match place {
        config::Place::Unix(_) => true,
        config::Place::Tcp { host, .. } => {
            host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
        }
    }
}

/// The first line of a file that nobody else may read.
fn password(path: &Path) -> Result<String, HopError> {
    let unreadable = |cause| HopError::Unreadable { path: path.into(), cause };
    let mode = fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(HopError::Permissions(path.into()));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    match text.lines().next().filter(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(HopError::Empty(path.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MINIMAL;

    fn config(extra: &[&str]) -> Config {
        let extra: Vec<String> = extra.iter().map(|&one| one.to_owned()).collect();
        Config::parse(MINIMAL, Path::new("/nowhere"), &extra).unwrap()
    }

    fn secret(text: &str, mode: u32) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    #[test]
    fn a_password_is_read_from_a_file_of_our_own_only() {
        assert_eq!(password(secret("p w\nrest\n", 0o600).path()).unwrap(), "p w");
        let open = secret("p", 0o640);
        assert!(matches!(password(open.path()), Err(HopError::Permissions(_))));
        assert!(matches!(password(secret("\n", 0o600).path()), Err(HopError::Empty(_))));
        assert!(matches!(password(Path::new("/none")), Err(HopError::Unreadable { .. })));
    }

    #[test]
    fn a_password_goes_to_a_verified_server_or_to_this_machine() {
        for (smarthost, policy) in [
            ("smtp:mail.example.com:587", TlsPolicy::Verified),
            ("smtp:192.0.2.1:587", TlsPolicy::Verified),
            ("smtp:127.0.0.1:587", TlsPolicy::Opportunistic),
        ] {
            let file = secret("secret\n", 0o600);
            let config = config(&[
                &format!("delivery.smarthost={smarthost}"),
                "delivery.smarthost_login=reprieve",
                &format!("delivery.smarthost_password={}", file.path().display()),
            ]);
            let hops = Hops::new(&config).unwrap();
            let chosen = config.delivery.smarthost.as_ref().unwrap();
            let hop = hops.smarthost(&config, chosen, |policy| policy);
            assert_eq!(hop.tls, policy, "{smarthost}");
            assert_eq!(hop.auth.unwrap().password, "secret");
        }
        let without = config(&["delivery.smarthost=smtp:mail.example.com:587"]);
        let hops = Hops::new(&without).unwrap();
        let chosen = without.delivery.smarthost.as_ref().unwrap();
        let hop = hops.smarthost(&without, chosen, |policy| policy);
        assert_eq!((hop.tls, hop.auth), (TlsPolicy::Opportunistic, None));
    }

    #[tokio::test]
    async fn a_check_greets_each_server_as_the_gateway_would() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                use tokio::io::AsyncWriteExt;
                // Greeting and EHLO's answer; STARTTLS is not offered.
                stream.write_all(b"220 hop\r\n250 hop\r\n").await.unwrap();
                let mut rest = Vec::new();
                let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
            }
        });
        let server = format!("next_hop.server=smtp:{address}");
        let nowhere = "delivery.smarthost=smtp:127.0.0.1:1";
        let without_routes = |extra: &[&str]| {
            let mut config = config(extra);
            config.delivery.routes.clear();
            config
        };
        let said = check_hops(&without_routes(&[&server, nowhere, "next_hop.tls=off"])).await;
        assert_eq!(said[0], (true, format!("next_hop.server: {address} answers, without TLS")));
        assert!(!said[1].0 && said[1].1.starts_with("delivery.smarthost: 127.0.0.1:1: connect"));
        let said = check_hops(&without_routes(&[&server, nowhere, "next_hop.tls=required"])).await;
        assert!(!said[0].0 && said[0].1.contains("does not offer STARTTLS"), "{}", said[0].1);
    }

    #[test]
    fn the_next_hops_tls_is_the_configurations() {
        for (word, policy) in [
            ("off", TlsPolicy::None),
            ("opportunistic", TlsPolicy::Opportunistic),
            ("required", TlsPolicy::Required),
            ("verified", TlsPolicy::Verified),
        ] {
            let config = config(&[&format!("next_hop.tls={word}")]);
            assert_eq!(Hops::new(&config).unwrap().in_session(&config).server.tls, policy);
        }
    }
}
