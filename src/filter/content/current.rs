//! The model in force: every thread judges by it, and it may be replaced
//! while they do.
//!
//! Each thread keeps the one that it used last and looks at a number whether
//! that is still in force; only after a replacement does it take a lock, once.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Model;

/// Numbers every model that was ever in force in this process, so that a
/// thread which serves several filters does not mix them up.
static NEXT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static USED: RefCell<Option<(u64, Arc<Model>)>> = const { RefCell::new(None) };
}

/// The model in force. Clones share it.
#[derive(Clone, Debug)]
pub struct Current {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    number: AtomicU64,
    model: Mutex<(u64, Arc<Model>)>,
}

impl From<Arc<Model>> for Current {
    fn from(model: Arc<Model>) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let inner = Inner { number: AtomicU64::new(number), model: Mutex::new((number, model)) };
        Self { inner: Arc::new(inner) }
    }
}

impl Current {
    /// The model to judge by now.
    pub fn model(&self) -> Arc<Model> {
        let number = self.inner.number.load(Ordering::Acquire);
        USED.with_borrow_mut(|used| match used {
            Some((known, model)) if *known == number => Arc::clone(model),
            _ => {
                let fresh = self.locked(|held| held.clone());
                Arc::clone(&used.insert(fresh).1)
            }
        })
    }

    /// From now on everybody judges by this one; what is being judged is
    /// finished with the one before.
    pub fn replace(&self, model: Arc<Model>) {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        self.locked(|held| {
            *held = (number, model);
            self.inner.number.store(number, Ordering::Release);
        });
    }

    fn locked<T>(&self, with: impl FnOnce(&mut (u64, Arc<Model>)) -> T) -> T {
        with(&mut self.inner.model.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_is_seen_by_threads_that_have_judged_before() {
        let first = Arc::new(Model::empty());
        let current = Current::from(Arc::clone(&first));
        let other = Current::from(Model::starter());
        let (ask, asked) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel::<Arc<Model>>();
        let shared = current.clone();
        let thread = std::thread::spawn(move || {
            while asked.recv().is_ok() {
                tell.send(shared.model()).unwrap();
            }
        });
        ask.send(()).unwrap();
        assert!(Arc::ptr_eq(&told.recv().unwrap(), &first));
        let second = Arc::new(Model::empty());
        current.replace(Arc::clone(&second));
        ask.send(()).unwrap();
        assert!(Arc::ptr_eq(&told.recv().unwrap(), &second));
        assert!(Arc::ptr_eq(&other.model(), &Model::starter()), "another filter keeps its own");
        assert!(Arc::ptr_eq(&current.model(), &second), "on a thread that asked both");
        drop(ask);
        thread.join().unwrap();
    }
}
