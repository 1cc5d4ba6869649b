//! What `reprieve key …` tells of its acts.
//!
//! Keys are files, which take part in no batch: the audit hears of an act
//! before it is done, and then what came of it. Who tells may read the keys;
//! nothing else is known of him.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Admins;
use crate::account::{Entry, Step};

/// An act, by its word in the audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDeed {
    NewKey,
    PromoteKey,
    RetireKey,
    NewDkimKey,
}

/// What is told of one act.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyErrand {
    pub deed: KeyDeed,
    /// Its number, or its selector; empty while it is not made yet.
    pub key: String,
    pub step: Step,
}

impl KeyDeed {
    fn as_str(self) -> &'static str {
        match self {
            Self::NewKey => "new-key",
            Self::PromoteKey => "promote-key",
            Self::RetireKey => "retire-key",
            Self::NewDkimKey => "new-dkim-key",
        }
    }
}

impl Admins {
    /// Records it. Before a key goes, nothing that must be read again may hang
    /// on it.
    ///
    /// # Errors
    /// A sentence for the operator; then the act must not happen.
    pub async fn hear(&self, told: KeyErrand) -> Result<Value, String> {
        let KeyErrand { deed, key, step } = told;
        if (deed, step) == (KeyDeed::RetireKey, Step::Asked) {
            let ring = self.links.ring().clone();
            // Another may have been promoted since the ring was read.
            let read = tokio::task::spawn_blocking(move || ring.reload()).await;
            read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            // Whose secret is lost already hears of it when he logs in.
            self.accounts.encrypt_again().await.map_err(|fault| fault.to_string())?;
        }
        let entry = Entry::new("console", deed.as_str()).about("key", &key).step(step);
        self.accounts.audit().note(entry).await.map_err(|fault| fault.to_string())?;
        Ok(json!({ "recorded": deed.as_str() }))
    }
}
