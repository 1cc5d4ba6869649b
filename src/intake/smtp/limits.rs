//! What a client may cost: connections, time, lines, commands, memory.
//!
//! RFC 5321 section 4.5.3. Nothing a client sends is trusted to end by
//! itself. The [`Gate`] counts connections by client network; the [`Budget`]
//! counts the bytes of all messages that are being received.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;

/// Defaults as in `deploy/reprieve.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, all clients together.
    pub connections: usize,
    /// Connections at once from one IPv4 address or one IPv6 /64.
    pub connections_per_client: usize,
    /// Bytes of one message.
    pub message: usize,
    /// Bytes of all messages that are being received.
    pub receiving: usize,
    /// Recipients of one transaction.
    pub recipients: usize,
    /// Refused commands of one session.
    pub errors: usize,
    /// NOOP, RSET, VRFY and kin since the last message that was taken.
    pub idle_commands: usize,
    /// Waiting for the first byte of a command (RFC 5321 section 4.5.3.2.7).
    pub silence: Duration,
    /// From the first byte of a command to its end; the same for a TLS
    /// handshake, a PROXY header and a reply that the client must read.
    pub command: Duration,
    /// From connect to the last command that is read.
    pub session: Duration,
    /// From 354 on, this long before `data_rate` counts.
    pub data_grace: Duration,
    /// Bytes per second that a message must make on average.
    pub data_rate: u32,
    /// Longest pause inside a message.
    pub data_pause: Duration,
    /// How long transactions may go on once the server is to stop.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4000,
            connections_per_client: 50,
            message: 25 << 20,
            receiving: 512 << 20,
            recipients: 1000,
            errors: 20,
            idle_commands: 100,
            silence: Duration::from_mins(5),
            command: Duration::from_mins(1),
            session: Duration::from_hours(2),
            data_grace: Duration::from_secs(30),
            data_rate: 500,
            data_pause: Duration::from_mins(3),
            shutdown: Duration::from_secs(30),
        }
    }
}

/// Bytes of a command line with its CRLF (RFC 5321 section 4.5.3.1.4).
pub const COMMAND_BYTES: usize = 512;
/// Bytes of a line that is too long before the session ends.
pub const ENDLESS_BYTES: usize = 64 << 10;

/// Counts connections.
#[derive(Debug)]
pub struct Gate {
    total: usize,
    per_client: usize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    clients: HashMap<IpNet, usize>,
}

/// One counted connection; dropping it ends the count.
#[derive(Debug)]
pub struct Pass {
    gate: Arc<Gate>,
    client: Option<IpNet>,
}

/// Why a connection is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Crowded {
    #[error("Too many connections, try again later")]
    Server,
    #[error("Too many connections from your network")]
    Client,
}

impl Gate {
    pub fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            total: limits.connections,
            per_client: limits.connections_per_client,
            counts: Mutex::default(),
        })
    }

    /// Counts a connection of the whole server.
    ///
    /// # Errors
    /// [`Crowded::Server`].
    pub fn enter(self: &Arc<Self>) -> Result<Pass, Crowded> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.total >= self.total {
            return Err(Crowded::Server);
        }
        counts.total += 1;
        Ok(Pass { gate: Arc::clone(self), client: None })
    }
}

impl Pass {
    /// Counts the connection for its client too.
    ///
    /// # Errors
    /// [`Crowded::Client`].
    pub fn count_for(&mut self, client: IpAddr) -> Result<(), Crowded> {
        let network = network(client);
        let mut counts = self.gate.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.clients.entry(network).or_default();
        if *count >= self.gate.per_client {
            return Err(Crowded::Client);
        }
        *count += 1;
        self.client = Some(network);
        Ok(())
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let mut counts = self.gate.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        let Some(client) = self.client else { return };
        if let Some(count) = counts.clients.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                counts.clients.remove(&client);
            }
        }
    }
}

/// An IPv4 address, or the /64 that one IPv6 client commonly has.
fn network(client: IpAddr) -> IpNet {
    let bits = if client.is_ipv4() { 32 } else { 64 };
    IpNet::new(client, bits).map_or_else(|_| client.into(), |network| network.trunc())
}

/// Memory for messages that are being received.
#[derive(Clone, Debug)]
pub struct Budget {
    limit: usize,
    used: Arc<AtomicUsize>,
}

/// What one message takes from the budget; dropping it gives it back.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    pub fn new(limits: &Limits) -> Self {
        Self { limit: limits.receiving, used: Arc::default() }
    }

    pub fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }
}

impl Share {
    /// Sets the share to `bytes`. `false`: the budget has not so much left,
    /// and the share stays as it was.
    pub fn set(&mut self, bytes: usize) -> bool {
        let used = &self.budget.used;
        if bytes <= self.bytes {
            used.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        } else {
            let more = bytes - self.bytes;
            if used.fetch_add(more, Ordering::Relaxed) + more > self.budget.limit {
                used.fetch_sub(more, Ordering::Relaxed);
                return false;
            }
        }
        self.bytes = bytes;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(connections: usize, connections_per_client: usize) -> Arc<Gate> {
        Gate::new(&Limits { connections, connections_per_client, ..Limits::default() })
    }

    #[test]
    fn s_35_a_client_is_an_address_or_a_64() {
        let gate = gate(10, 2);
        let enter = |ip: &str| {
            let mut pass = gate.enter().unwrap();
            pass.count_for(ip.parse().unwrap()).map(|()| pass)
        };
        let first = enter("2001:db8::1").unwrap();
        let second = enter("2001:db8::2").unwrap();
        assert_eq!(enter("2001:db8::3").unwrap_err(), Crowded::Client);
        let elsewhere = enter("2001:db8:0:1::1").unwrap();
        let other = enter("192.0.2.1").unwrap();
        let neighbour = enter("192.0.2.2").unwrap();
        drop(first);
        let again = enter("2001:db8::3").unwrap();
        drop((second, elsewhere, other, neighbour, again));
        assert!(gate.counts.lock().unwrap().clients.is_empty());
    }

    #[test]
    fn the_server_has_an_end_too() {
        let gate = gate(1, 2);
        let pass = gate.enter().unwrap();
        assert_eq!(gate.enter().unwrap_err(), Crowded::Server);
        drop(pass);
        assert!(gate.enter().is_ok());
    }

    #[test]
    fn a_share_is_given_back() {
        let budget = Budget::new(&Limits { receiving: 100, ..Limits::default() });
        let mut one = budget.share();
        let mut two = budget.share();
        assert!(one.set(60) && !two.set(60) && two.set(40));
        assert!(one.set(10));
        drop(one);
        assert!(two.set(100));
    }
}
