//! Other programs that look at a message: a malware scanner beside the filter.
//!
//! What they say becomes findings; who is silent is logged and counted. A
//! malware scanner that is configured and silent means defer, never accept.

pub mod clamd;
mod servers;

pub use servers::{Place, Silence};

use super::catalogue::Weights;
use super::{Class, Finding, Undecided};
use crate::mail::Message;
use crate::maillog::Maillog;
use clamd::{Clamd, Scanned, Why};

/// Which engines are asked. None by default.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub clamd: Option<clamd::Settings>,
    /// Where it is written which are silent.
    pub maillog: Maillog,
}

/// The engines that are configured.
pub struct Engines {
    clamd: Option<Clamd>,
    maillog: Maillog,
}

impl Engines {
    pub fn new(settings: &Settings) -> Self {
        Self { clamd: settings.clamd.as_ref().map(Clamd::new), maillog: settings.maillog.clone() }
    }

    /// Asks the malware scanner, if there is one.
    ///
    /// # Errors
    /// [`Undecided`]: it is silent.
    pub async fn scan(
        &self,
        message: &Message,
        weights: &Weights,
    ) -> Result<Option<(Finding, Class)>, Undecided> {
        let Some(clamd) = &self.clamd else { return Ok(None) };
        let scanned = clamd.scan(message).await.map_err(|silence| {
            self.maillog.engine_silent("clamd", &silence.to_string());
            Undecided("the malware scanner gives no answer".to_owned())
        })?;
        Ok(match scanned {
            Scanned::Clean => None,
            Scanned::Infected(name) => {
                Some((weights.finding("malware").term("name", name), Class::Malware))
            }
            Scanned::Unscanned(why) => {
                let id = match why {
                    Why::Limit => "unscanned-limit",
                    Why::Encrypted => "unscanned-encrypted",
                    Why::Macro => "unscanned-macro",
                };
                Some((weights.finding(id), Class::Unscannable))
            }
        })
    }
}
