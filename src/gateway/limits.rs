//! The process's own limits: as many open files as it is allowed.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one: each session is two
/// sockets, each page one. What is refused is only logged; the SMTP door has
/// its own bound.
pub(super) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum && setrlimit(Resource::Nofile, raised).is_err() {
        tracing::warn!(current = limit.current, "cannot raise the limit of open files");
    }
}
