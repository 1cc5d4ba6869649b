//! Uploads on their way: spooled to disk, read, shown, registered or dropped.
//!
//! The work goes on when the page is closed; whoever opens it again sees how
//! far it is. What was not registered when the service stops is read again when
//! it starts: beside each file lies what is known of it. A file is read from
//! disk row by row, never whole, and is gone once its upload has ended.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::map;
use super::record::{self, Import, ImportState};
use super::{Preview, Refused, ServerId, Suppression, Upload};
use crate::clock::Timestamp;
use crate::store::{Batch, Fault};

/// Uploads that are remembered; the oldest that has ended goes first.
const REMEMBERED: usize = 20;
/// Bytes of one upload: some ten million addresses.
pub const MOST_BYTES: u64 = 512 << 20;

/// Where an upload stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its rows are being read for the first time.
    Reading,
    /// It was read, and waits for somebody to register it.
    Checked(Preview),
    Registering(Preview),
    Registered(Preview),
    Refused(Refused),
    Dropped,
}

impl Stage {
    /// The word in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Checked(_) => "checked",
            Self::Registering(_) => "registering",
            Self::Registered(_) => "registered",
            Self::Refused(_) => "refused",
            Self::Dropped => "dropped",
        }
    }

    pub fn preview(&self) -> Option<&Preview> {
        match self {
            Self::Checked(found) | Self::Registering(found) | Self::Registered(found) => {
                Some(found)
            }
            Self::Reading | Self::Refused(_) | Self::Dropped => None,
        }
    }

    fn is_over(&self) -> bool {
        matches!(self, Self::Registered(_) | Self::Refused(_) | Self::Dropped)
    }

    /// Whether work on it goes on by itself.
    pub fn is_moving(&self) -> bool {
        matches!(self, Self::Reading | Self::Registering(_))
    }
}

/// One upload.
#[derive(Debug)]
pub struct Job {
    pub id: Uuid,
    pub upload: Upload,
    pub at: Timestamp,
    /// Bytes of the file.
    pub bytes: u64,
    path: PathBuf,
    read: AtomicU64,
    stage: Mutex<Stage>,
}

impl Job {
    pub fn stage(&self) -> Stage {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Bytes read since the last stage began.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn enter(&self, stage: Stage) {
        if stage.is_over() {
            // What is left is removed at the next start.
            let _ = std::fs::remove_file(known_of(&self.path));
            let _ = std::fs::remove_file(&self.path);
        }
        self.read.store(0, Ordering::Relaxed);
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// From `Checked` to `Registering`; `None`: somebody else was first.
    fn take(&self) -> Option<Preview> {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let Stage::Checked(found) = &*stage else { return None };
        let found = found.clone();
        *stage = Stage::Registering(found.clone());
        Some(found)
    }
}

/// What lies beside a spooled file.
#[derive(Serialize, Deserialize)]
struct Known {
    upload: Upload,
    /// Microseconds since the epoch.
    at: i64,
}

fn known_of(file: &Path) -> PathBuf {
    file.with_extension("json")
}

impl Job {
    fn new(id: Uuid, upload: Upload, at: Timestamp, (path, bytes): (PathBuf, u64)) -> Self {
        let (read, stage) = (AtomicU64::new(0), Mutex::new(Stage::Reading));
        Self { id, upload, at, bytes, path, read, stage }
    }

    /// Makes the file and what is known of it last.
    fn keep(&self) -> io::Result<()> {
        let known = Known { upload: self.upload.clone(), at: self.at.as_microsecond() };
        let text = serde_json::to_vec(&known).map_err(io::Error::other)?;
        File::open(&self.path)?.sync_all()?;
        let (path, temporary) = (known_of(&self.path), self.path.with_extension("new"));
        std::fs::write(&temporary, text)?;
        File::open(&temporary)?.sync_all()?;
        std::fs::rename(temporary, &path)?;
        map::sync_folder(&path)
    }
}

/// All uploads of this process.
#[derive(Clone)]
pub(super) struct Uploads {
    pub folder: PathBuf,
    /// Of a process that is gone, until they are taken up again.
    left: Arc<Mutex<Vec<(Uuid, Known)>>>,
    jobs: Arc<Mutex<VecDeque<Arc<Job>>>>,
    /// One is read at a time: a million rows are work enough.
    turn: Arc<Semaphore>,
}

impl Uploads {
    pub fn new(folder: PathBuf) -> Self {
        let left = Arc::new(Mutex::new(left_in(&folder)));
        Self { folder, left, jobs: Arc::default(), turn: Arc::new(Semaphore::new(1)) }
    }

    fn all(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// [`Refused::Busy`] if enough wait already.
    fn add(&self, job: Arc<Job>) -> Result<(), Refused> {
        let mut all = self.all();
        if all.len() >= REMEMBERED {
            let over = all.iter().position(|job| job.stage().is_over());
            // Nobody registered it in all this time, nor can from now on.
            let idle = || all.iter().position(|job| job.take().is_some());
            let gone = over.or_else(idle).ok_or(Refused::Busy)?;
            if let Some(job) = all.remove(gone) {
                job.enter(Stage::Dropped);
            }
        }
        all.push_back(job);
        Ok(())
    }
}

impl Suppression {
    /// Where an upload's bytes are to be written, and under which name it is
    /// begun.
    ///
    /// # Errors
    /// [`Refused::File`] if there is no room for it.
    pub fn spool(&self) -> Result<(Uuid, File), Refused> {
        let uploads = self.uploads()?;
        let unwritable = |error: io::Error| Refused::File(error.to_string());
        std::fs::create_dir_all(&uploads.folder).map_err(unwritable)?;
        let id = Uuid::now_v7();
        let path = uploads.folder.join(id.to_string());
        let mut options = File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(path);
        let file = file.map_err(unwritable)?;
        Ok((id, file))
    }

    /// Removes what was spooled and will not be begun.
    pub fn unspool(&self, id: Uuid) {
        if let Ok(uploads) = self.uploads() {
            let _ = std::fs::remove_file(uploads.folder.join(id.to_string()));
        }
    }

    /// Begins to read a spooled file.
    ///
    /// # Errors
    /// [`Refused`]; the file is gone then.
    pub fn begin_upload(&self, id: Uuid, upload: Upload) -> Result<Arc<Job>, Refused> {
        let uploads = self.uploads()?;
        let path = uploads.folder.join(id.to_string());
        let bytes = std::fs::metadata(&path).map_err(|e| Refused::File(e.to_string()))?.len();
        let job = Arc::new(Job::new(id, upload, self.clock.now(), (path, bytes)));
        self.read_job(uploads, &job).inspect_err(|_| self.unspool(id))?;
        Ok(job)
    }

    /// Takes up what an earlier process left, but for what it had registered.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn resume_uploads(&self) -> Result<(), Fault> {
        let Ok(uploads) = self.uploads() else { return Ok(()) };
        let left =
            std::mem::take(&mut *uploads.left.lock().unwrap_or_else(PoisonError::into_inner));
        for (id, known) in left {
            let key = record::import_key(known.upload.server, id);
            let import = self.store.find::<Import>(&key).await?;
            let done = import.is_some_and(|row| row.record.state != ImportState::Staged);
            let path = uploads.folder.join(id.to_string());
            let bytes = std::fs::metadata(&path).map_or(0, |file| file.len());
            let at = Timestamp::from_microsecond(known.at).unwrap_or_default();
            let job = Arc::new(Job::new(id, known.upload, at, (path, bytes)));
            if done || self.read_job(uploads, &job).is_err() {
                job.enter(Stage::Dropped);
            }
        }
        Ok(())
    }

    fn read_job(&self, uploads: &Uploads, job: &Arc<Job>) -> Result<(), Refused> {
        uploads.add(Arc::clone(job))?;
        let (list, reading) = (self.clone(), Arc::clone(job));
        work(&uploads.turn, move |runtime| {
            let kept = reading.keep().map_err(|error| Refused::File(error.to_string()));
            let found = kept
                .and_then(|()| Counted::open(&reading))
                .and_then(|file| runtime.block_on(list.preview(&reading.upload, file)));
            reading.enter(match found {
                Ok(found) => Stage::Checked(found),
                Err(refused) => Stage::Refused(refused),
            });
        });
        Ok(())
    }

    /// Registers a checked upload: all of it or nothing, in one batch with what
    /// `also` adds. `false`: it was not waiting for that.
    ///
    /// # Errors
    /// [`Refused`] if this process keeps no uploads.
    pub fn register_upload(
        &self,
        job: &Arc<Job>,
        at_once: bool,
        also: impl Fn(&mut Batch) + Send + Sync + 'static,
    ) -> Result<bool, Refused> {
        let uploads = self.uploads()?;
        let Some(before) = job.take() else { return Ok(false) };
        let (list, job) = (self.clone(), Arc::clone(job));
        work(&uploads.turn, move |runtime| {
            let upload = Upload { at_once, ..job.upload.clone() };
            let done = Counted::open(&job)
                .and_then(|file| runtime.block_on(list.register_as(job.id, &upload, file, &also)));
            job.enter(match done {
                Ok(found) => Stage::Registered(found),
                // The file is still there: he may try again.
                Err(Refused::Store(_)) => Stage::Checked(before),
                Err(refused) => Stage::Refused(refused),
            });
        });
        Ok(true)
    }

    /// Drops an upload that waits; `false`: it does not.
    pub fn drop_upload(&self, job: &Job) -> bool {
        let waits = job.take().is_some();
        if waits {
            job.enter(Stage::Dropped);
        }
        waits
    }

    /// A server's uploads since this process began, the latest first.
    pub fn open_uploads(&self, server: ServerId) -> Vec<Arc<Job>> {
        let Ok(uploads) = self.uploads() else { return Vec::new() };
        let all = uploads.all();
        all.iter().rev().filter(|job| job.upload.server == server).cloned().collect()
    }

    pub fn upload(&self, server: ServerId, id: &str) -> Option<Arc<Job>> {
        self.open_uploads(server).into_iter().find(|job| job.id.to_string() == id)
    }

    fn uploads(&self) -> Result<&Uploads, Refused> {
        let none = || Refused::File("no folder for uploads is set".to_owned());
        self.uploads.as_ref().ok_or_else(none)
    }
}

/// Files that another process left; what nobody can register any more is
/// removed.
fn left_in(folder: &Path) -> Vec<(Uuid, Known)> {
    let mut left = Vec::new();
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let id = path.file_name().and_then(|name| Uuid::try_parse(name.to_str()?).ok());
        let known = std::fs::read(known_of(&path)).ok();
        match (id, known.and_then(|text| serde_json::from_slice::<Known>(&text).ok())) {
            (Some(id), Some(known)) => left.push((id, known)),
            // It goes with its file.
            (None, Some(_)) if path.with_extension("").exists() => {}
            _ => {
                let _ = std::fs::remove_file(&path);
            }
        }
    }
    left.sort_by_key(|(id, _)| *id);
    left
}

/// On a thread of its own: reading a million rows leaves no gap in which
/// others could be served.
fn work(turn: &Arc<Semaphore>, work: impl FnOnce(&tokio::runtime::Handle) + Send + 'static) {
    let turn = Arc::clone(turn);
    tokio::spawn(async move {
        let _turn = turn.acquire_owned().await;
        let runtime = tokio::runtime::Handle::current();
        let _ = tokio::task::spawn_blocking(move || work(&runtime)).await;
    });
}

/// A spooled file that says how far it was read.
struct Counted {
    job: Arc<Job>,
    file: File,
}

impl Counted {
    fn open(job: &Arc<Job>) -> Result<Self, Refused> {
        let file = File::open(&job.path).map_err(|error| Refused::File(error.to_string()))?;
        Ok(Self { job: Arc::clone(job), file })
    }
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.job.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::clock::Clock;
    use crate::mail::Address;
    use crate::store::Store;
    use crate::suppression::OWN;
    use crate::suppression::csv::CsvError;

    async fn ended(job: &Job) -> Stage {
        while job.stage().is_moving() {
            tokio::task::yield_now().await;
        }
        job.stage()
    }

    fn upload(list: &Suppression, text: &str) -> Arc<Job> {
        let (id, mut file) = list.spool().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let upload = Upload {
            server: OWN,
            file: "list.csv".to_owned(),
            by: "anna".to_owned(),
            column: "mail".to_owned(),
            at_once: false,
        };
        list.begin_upload(id, upload).unwrap()
    }

    #[tokio::test]
    async fn an_upload_is_checked_then_registered_and_its_file_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let list = Suppression::new(Store::in_memory(), Clock::system()).in_folder(folder.path());
        let job = upload(&list, "name,mail\nA,a@b.example\nB,nonsense\nC,a@b.example\n");
        let stage = ended(&job).await;
        let Stage::Checked(found) = &stage else { panic!("{stage:?}") };
        assert_eq!((found.records, found.duplicates, found.invalid), (3, 1, 1));
        assert_eq!(found.lines[0].0, 3);
        let address = Address::parse("a@b.example").unwrap();
        assert!(!list.covers(&address).await.unwrap());

        assert!(list.register_upload(&job, true, |_| {}).unwrap());
        assert!(matches!(ended(&job).await, Stage::Registered(_)));
        assert!(list.covers(&address).await.unwrap());
        assert!(!list.register_upload(&job, true, |_| {}).unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join("uploads")).unwrap().count(), 0);
        assert_eq!(list.upload(OWN, &job.id.to_string()).unwrap().id, job.id);
    }

    #[tokio::test]
    async fn an_upload_that_waits_survives_a_restart_and_one_that_is_done_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let list = Suppression::new(Store::in_memory(), Clock::system()).in_folder(folder.path());
        let (waits, done) =
            (upload(&list, "mail\na@b.example\n"), upload(&list, "mail\nc@d.example\n"));
        ended(&waits).await;
        ended(&done).await;
        // Killed between its batch and the removal of its file.
        let copy = std::fs::read(&done.path).unwrap();
        let known = std::fs::read(known_of(&done.path)).unwrap();
        assert!(list.register_upload(&done, true, |_| {}).unwrap());
        ended(&done).await;
        std::fs::write(&done.path, copy).unwrap();
        std::fs::write(known_of(&done.path), known).unwrap();

        let next = Suppression::new(list.store().clone(), Clock::system()).in_folder(folder.path());
        next.load_all().await.unwrap();
        assert!(next.upload(OWN, &done.id.to_string()).is_none());
        assert!(next.covers(&Address::parse("c@d.example").unwrap()).await.unwrap());
        let again = next.upload(OWN, &waits.id.to_string()).unwrap();
        assert!(matches!(ended(&again).await, Stage::Checked(found) if found.addresses == 1));
        assert_eq!(again.at.as_microsecond(), waits.at.as_microsecond());
        assert_eq!(again.upload.file, "list.csv");
        assert!(next.register_upload(&again, true, |_| {}).unwrap());
        assert!(matches!(ended(&again).await, Stage::Registered(_)));
        assert!(next.covers(&Address::parse("a@b.example").unwrap()).await.unwrap());
        assert_eq!(std::fs::read_dir(folder.path().join("uploads")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_is_no_list_says_so_and_what_is_dropped_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let list = Suppression::new(Store::in_memory(), Clock::system()).in_folder(folder.path());
        let wrong = upload(&list, "a,b\n1,2\n");
        assert!(matches!(
            ended(&wrong).await,
            Stage::Refused(Refused::NoList(CsvError::NoColumn(column, _))) if column == "mail"
        ));
        let dropped = upload(&list, "mail\na@b.example\n");
        ended(&dropped).await;
        assert!(list.drop_upload(&dropped) && !list.drop_upload(&dropped));
        assert!(!list.register_upload(&dropped, true, |_| {}).unwrap());
        assert!(!list.covers(&Address::parse("a@b.example").unwrap()).await.unwrap());
        // A process that was killed in between leaves a file; the next one does not.
        list.spool().unwrap();
        let _next = Suppression::new(Store::in_memory(), Clock::system()).in_folder(folder.path());
        assert_eq!(std::fs::read_dir(folder.path().join("uploads")).unwrap().count(), 0);
    }
}
