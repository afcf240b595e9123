//! Statements, with what becomes of their errors.

pub(super) use rusqlite::{Connection as Sql, Row as Line, params};
use rusqlite::{ErrorCode, Params, types::FromSql};

use crate::kept::tables::broken;
pub(super) use crate::kept::tables::{int, nat};
use crate::{Error, Result};

/// What SQLite says, as the services tell it.
pub(super) fn failed(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Error::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::NotDone("another process has locked the file".to_owned())
        }
        _ => Error::NotDone(error.to_string()),
    }
}

/// A column of a line.
pub(super) fn get<T: FromSql>(line: &Line<'_>, column: usize) -> Result<T> {
    line.get(column).map_err(failed)
}

/// A column of a line, where it stands.
pub(super) fn bytes<'a>(line: &'a Line<'_>, column: usize) -> Result<&'a [u8]> {
    let value = line.get_ref(column).map_err(failed)?;
    value.as_blob().map_err(|_| broken("no bytes are where they belong"))
}

/// Runs a statement that gives nothing, and tells how many lines it changed.
pub(super) fn run(sql: &Sql, text: &str, params: impl Params) -> Result<usize> {
    sql.prepare_cached(text).map_err(failed)?.execute(params).map_err(failed)
}

/// Reads the first line, if there is one.
pub(super) fn one<T>(
    sql: &Sql,
    text: &str,
    params: impl Params,
    read: impl FnOnce(&Line<'_>) -> Result<T>,
) -> Result<Option<T>> {
    let mut statement = sql.prepare_cached(text).map_err(failed)?;
    let mut lines = statement.query(params).map_err(failed)?;
    lines.next().map_err(failed)?.map(read).transpose()
}

/// Reads all lines.
pub(super) fn all<T>(
    sql: &Sql,
    text: &str,
    params: impl Params,
    mut read: impl FnMut(&Line<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut statement = sql.prepare_cached(text).map_err(failed)?;
    let mut lines = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(line) = lines.next().map_err(failed)? {
        found.push(read(line)?);
    }
    Ok(found)
}
