//! Large bodies in an object store, each in pieces of [`PIECE`] bytes that are never written again.
//!
//! A body's line is in the tables, among what is to be swept, before the first of its pieces is in the object store; and
//! they are removed after its line is gone. So there can be pieces without a line, and never a line without its pieces.

use std::{
    collections::HashSet,
    io::ErrorKind,
    ops::Range,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use mailwire_core::setters;
use object_store::{ObjectStore, PutOptions, path::Path};

use super::{
    Inner, PostgresStore,
    bodies::PIECE,
    sql::{full, get, query},
};
use crate::{Error, Result, kept::bodies::place};

/// An object store for large bodies: S3, or what is like it, by the crate `object_store`.
///
/// All servers over one database have the same one, which is for nothing else: a bucket, or a prefix in one by
/// `object_store::prefix::PrefixStore`. It has to keep what it has taken: of `object_store::local::LocalFileSystem` that
/// holds `with_fsync(true)`.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
/// use mailwire_store::postgres::{Config, Objects, object_store::memory::InMemory};
///
/// let objects = Objects::new(Arc::new(InMemory::new())).with_above(64 << 10);
/// let config = Config::new().with_objects(Some(objects));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone)]
pub struct Objects {
    /// Where they are.
    pub store: Arc<dyn ObjectStore>,
    /// Bodies of more bytes than this go there, and those of more than 256 KiB in any case, which is the default.
    pub above: u64,
    /// How long one call of the object store may last, with what it repeats by itself: 30 seconds by default.
    pub wait: Duration,
}

impl Objects {
    /// This object store, with what else there is by default.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, above: 256 << 10, wait: Duration::from_secs(30) }
    }

    pub(super) const fn above(&self) -> u64 {
        self.above
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| Err(Error::NotDone("the object store does not answer".to_owned()));
        tokio::time::timeout(self.wait, call).await.unwrap_or_else(late)
    }

    /// Puts a piece there.
    pub(super) async fn put(&self, object: &str, number: i64, data: Bytes) -> Result<()> {
        let name = name(object, number);
        let put = self.store.put_opts(&name, data.into(), PutOptions::default());
        self.in_time(async { put.await.map_err(failed) }).await.map(drop)
    }

    /// The begin of a range, up to the end of the piece that it is in. `None` if it is not there.
    pub(super) async fn read(&self, object: &str, range: &Range<u64>) -> Result<Option<Bytes>> {
        let (number, from, length) = place(range, PIECE);
        let (name, within) = (name(object, number), from..from.saturating_add(length));
        let read = self.store.get_ranges(&name, std::slice::from_ref(&within));
        let read = self.in_time(async { read.await.map_err(failed) }).await?;
        Ok(read.into_iter().next().filter(|data| !data.is_empty()))
    }

    /// Removes bodies of so many pieces, as far as they are there.
    pub(super) async fn delete(&self, objects: &[(String, i64)]) -> Result<()> {
        let names =
            objects.iter().flat_map(|(object, pieces)| (0..*pieces).map(|number| name(object, number)));
        self.delete_all(names.collect()).await
    }

    async fn delete_all(&self, names: Vec<Path>) -> Result<()> {
        let mut deleted = self.store.delete_stream(stream::iter(names.into_iter().map(Ok)).boxed());
        while let Some(one) = self.in_time(async { Ok(deleted.next().await) }).await? {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }
}

setters!(Objects {
    with_above(above: u64),
    with_wait(wait: Duration),
});

fn name(object: &str, number: i64) -> Path {
    Path::from(format!("{object}.{number}"))
}

/// Of what body something is a piece, by its name.
fn object_of(name: &Path) -> Option<String> {
    let (object, number) = name.as_ref().rsplit_once('.')?;
    let is_ours = object.len() == 36 && number.parse::<u32>().is_ok();
    is_ours.then(|| object.to_owned())
}

fn failed(error: object_store::Error) -> Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(below) = source {
        let kind = below.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if matches!(kind, Some(ErrorKind::StorageFull | ErrorKind::QuotaExceeded)) {
            return Error::Full;
        }
        source = below.source();
    }
    Error::NotDone(format!("the object store: {}", full(&error)))
}

impl Inner {
    pub(super) fn objects(&self) -> Option<&Objects> {
        self.config.objects.as_ref()
    }
}

impl PostgresStore {
    /// Removes from the object store what is of no body in the database, and older than
    /// [`Config::kept_for`](super::Config::kept_for). Gives how many pieces that were. All that is there is listed for it.
    ///
    /// What a server that died has left is removed without it. It is for what the database does not know any more: to be
    /// called once after it was restored from a backup.
    ///
    /// # Errors
    ///
    /// The database cannot be asked, or the object store not listed or written.
    pub async fn sweep_objects(&self) -> Result<u64> {
        /// So many are asked for at once.
        const SOME: usize = 1000;
        let Some(objects) = self.inner.objects() else { return Ok(0) };
        let late = SystemTime::now().checked_sub(self.inner.config.kept_for);
        let (mut listed, mut removed) = (objects.store.list(None), 0);
        let mut some = Vec::new();
        loop {
            let next = objects.in_time(async { listed.next().await.transpose().map_err(failed) }).await?;
            let is_over = next.is_none();
            if let Some(found) = next
                && late.is_some_and(|late| SystemTime::from(found.last_modified) <= late)
                && let Some(object) = object_of(&found.location)
            {
                some.push((object, found.location));
            }
            if some.len() >= SOME || is_over {
                removed += self.remove_unknown(objects, std::mem::take(&mut some)).await?;
            }
            if is_over {
                return Ok(removed);
            }
        }
    }

    async fn remove_unknown(&self, objects: &Objects, pieces: Vec<(String, Path)>) -> Result<u64> {
        let names: Vec<String> = pieces.iter().map(|(object, _)| object.clone()).collect();
        let known = "SELECT object FROM blob WHERE object=ANY($1) UNION ALL
            SELECT object FROM doomed WHERE object=ANY($1)";
        let mut kept = HashSet::new();
        for line in self.inner.ask(vec![query!(known, names)]).await?.iter().flatten() {
            kept.insert(get::<String>(line, 0)?);
        }
        let unknown = pieces.into_iter().filter(|(object, _)| !kept.contains(object));
        let unknown: Vec<Path> = unknown.map(|(_, name)| name).collect();
        let count = unknown.len() as u64;
        objects.delete_all(unknown).await?;
        Ok(count)
    }
}
