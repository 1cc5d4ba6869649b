//! What the session said about a message: who sends it, from where, to whom.
//!
//! The envelope is stored with the message's bytes, so that a held message
//! can be judged again and delivered exactly as it was asked for.

use std::net::IpAddr;

use minicbor::{Decode, Encode};

use crate::clock::Timestamp;
use crate::mail::{Address, ReversePath};

/// The SMTP client, as far as the session (or a listed proxy) tells.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Client {
    /// The address that checks, limits and SPF judge.
    #[n(0)]
    pub ip: IpAddr,
    /// The name of a PTR record that leads back to `ip`; `None` if unverified.
    #[n(1)]
    pub name: Option<String>,
    /// The HELO or EHLO argument, as sent.
    #[n(2)]
    pub helo: String,
    /// TLS version and cipher, if the session is encrypted.
    #[n(3)]
    pub tls: Option<String>,
    /// Whether the client said EHLO.
    #[n(4)]
    pub esmtp: bool,
}

/// One RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recipient {
    #[n(0)]
    pub address: Address,
    /// The path exactly as the client wrote it, between `<` and `>`:
    /// a milter must delete a recipient with the same bytes.
    #[n(1)]
    pub raw: String,
}

/// RFC 5321 section 2.3.1: the envelope of one transaction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Envelope {
    #[n(0)]
    pub client: Client,
    /// Who authenticated at the MTA (milter macro `{auth_authen}`).
    #[n(1)]
    pub authenticated: Option<String>,
    #[n(2)]
    pub mail_from: ReversePath,
    /// In the order of the RCPT commands; a recipient's place is his slot.
    #[n(3)]
    pub rcpt_to: Vec<Recipient>,
    /// BODY=8BITMIME (RFC 6152).
    #[n(4)]
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    #[n(5)]
    pub smtputf8: bool,
    #[cbor(n(6), with = "crate::clock::micros")]
    pub received_at: Timestamp,
    /// The id under which the session is logged.
    #[n(7)]
    pub session_id: String,
}
