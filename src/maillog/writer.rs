//! Where lines of the log go: gathered in memory, written by one thread.
//!
//! Who logs only copies his line; under load many lines leave in one write.
//! A line waits for the thread to wake, no longer, and none is lost but by a
//! kill: [`Writer`] writes what is left when it is dropped. When the other end
//! does not read, whoever logs waits once there is a megabyte to write.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Bytes that may wait to be written.
const MOST: usize = 1 << 20;

/// Takes lines; clones are the same log.
#[derive(Clone)]
pub struct Lines {
    shared: Arc<Shared>,
}

/// Writes the lines until it is dropped.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something waits, or the end has come.
    filled: Condvar,
    /// There is room again.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    ended: bool,
}

/// Begins to write lines to `to`.
///
/// # Errors
/// There is no thread for it.
pub fn begin(to: impl Write + Send + 'static) -> io::Result<(Lines, Writer)> {
    let shared = Arc::new(Shared::default());
    let theirs = Arc::clone(&shared);
    let thread = std::thread::Builder::new().name("log".into());
    let thread = thread.spawn(move || theirs.write_all(to))?;
    Ok((Lines { shared: Arc::clone(&shared) }, Writer { shared, thread: Some(thread) }))
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut to: impl Write) {
        let mut lines = Vec::new();
        loop {
            let idle = |state: &mut State| state.waiting.is_empty() && !state.ended;
            let mut state =
                self.filled.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut lines, &mut state.waiting);
            drop(state);
            if lines.is_empty() {
                return;
            }
            self.emptied.notify_all();
            // Nobody could be told that the log cannot be written.
            let _ = to.write_all(&lines).and_then(|()| to.flush());
            lines.clear();
        }
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let shared = &self.shared;
        let full = |state: &mut State| state.waiting.len() > MOST && !state.ended;
        let mut state =
            shared.emptied.wait_while(shared.state(), full).unwrap_or_else(PoisonError::into_inner);
        if state.ended {
            // What is logged while the program ends.
            drop(state);
            return io::stderr().write(line);
        }
        let first = state.waiting.is_empty();
        state.waiting.extend_from_slice(line);
        drop(state);
        if first {
            shared.filled.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.filled.notify_all();
        self.shared.emptied.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Every write that arrives; it waits until somebody takes it.
    struct Slow(Sender<Vec<u8>>, std::sync::mpsc::Receiver<()>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            let _ = self.1.recv();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_come_during_a_write_leave_together_and_none_is_lost() {
        let ((writes, written), (go, wait)) = (channel(), channel());
        let (mut lines, writer) = begin(Slow(writes, wait)).unwrap();
        lines.write_all(b"one\n").unwrap();
        assert_eq!(written.recv().unwrap(), b"one\n");
        let mut others = lines.clone();
        lines.write_all(b"two\n").unwrap();
        others.write_all(b"three\n").unwrap();
        drop(go);
        drop(writer);
        assert_eq!(written.iter().collect::<Vec<_>>(), [b"two\nthree\n"]);
    }
}
