//! The gateway: builds every room with its settings and runs them.
//!
//! It alone knows all types and alone reads the configuration. Nothing is
//! decided here.

pub use crate::config::{Config, ConfigError};

use std::path::Path;

/// Reads a configuration for the commands.
///
/// # Errors
/// [`ConfigError`], which says what to change.
pub fn read(path: &Path, overrides: &[String]) -> Result<Config, ConfigError> {
    Config::read(path, overrides)
}
