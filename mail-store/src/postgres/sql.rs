//! Statements, sent together, with what becomes of their errors.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Waker},
};

use deadpool_postgres::Object;
use futures_util::future::join_all;
use tokio_postgres::{
    Row as Line,
    error::{Severity, SqlState},
    types::{FromSql, FromSqlOwned, IsNull, ToSql, Type, private::BytesMut, to_sql_checked},
};

pub(super) use crate::kept::tables::{broken, int, nat};
use crate::{Error, Result};

/// A statement with its arguments.
pub(super) struct Query {
    pub(super) text: &'static str,
    pub(super) params: Vec<Box<dyn ToSql + Send + Sync>>,
}

/// A statement with its arguments, in the order of their numbers.
macro_rules! query {
    ($text:expr $(, $param:expr)* $(,)?) => {
        $crate::postgres::sql::Query { text: $text, params: vec![$(Box::new($param)),*] }
    };
}
pub(super) use query;

/// Why a statement failed.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The connection is gone, or the server does not take any now: nobody knows what came of what was under way.
    Lost(String),
    /// Others were in the way: it can be tried again. Nothing was done.
    Again(String),
    /// The server is the primary no more: another connection may lead to who is. Nothing was done.
    ReadOnly(String),
    /// Nothing was done.
    Refused(Error),
}

impl Failure {
    /// As it is told once it is certain that nothing was done.
    pub(super) fn not_done(self) -> Error {
        match self {
            Self::Lost(text) | Self::Again(text) | Self::ReadOnly(text) => Error::NotDone(text),
            Self::Refused(error) => error,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(told) = error.as_db_error() else { return Self::Lost(full(&error)) };
        let is_over = matches!(told.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        Self::of(told.code(), is_over, told.to_string())
    }
}

impl Failure {
    /// What the server's code means. `is_over`: it has ended the connection.
    fn of(code: &SqlState, is_over: bool, text: String) -> Self {
        if is_over || code.code().starts_with("57P") || code.code().starts_with("08") {
            return Self::Lost(text);
        }
        match *code {
            SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::LOCK_NOT_AVAILABLE => Self::Again(text),
            SqlState::READ_ONLY_SQL_TRANSACTION => Self::ReadOnly(text),
            SqlState::DISK_FULL => Self::Refused(Error::Full),
            _ => Self::Refused(Error::NotDone(text)),
        }
    }
}

/// With what lies below it.
pub(super) fn full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// A connection of the pool. It goes back there only if nothing is left open on it.
pub(super) struct Conn {
    object: Option<Object>,
    in_transaction: bool,
    /// The server can only be read.
    is_read_only: AtomicBool,
}

impl Conn {
    pub(super) const fn new(object: Object) -> Self {
        Self { object: Some(object), in_transaction: false, is_read_only: AtomicBool::new(false) }
    }

    /// Where there is none, nothing can be sent.
    pub(super) const fn none() -> Self {
        Self { object: None, in_transaction: false, is_read_only: AtomicBool::new(false) }
    }

    /// Sends statements at once, in their order, and gives what each of them gave.
    pub(super) async fn send(&self, queries: &[Query]) -> Result<Vec<Vec<Line>>, Failure> {
        self.send_all(&queries.iter().collect::<Vec<_>>()).await
    }

    async fn send_all(&self, queries: &[&Query]) -> Result<Vec<Vec<Line>>, Failure> {
        let Some(object) = &self.object else { return Err(Failure::Lost("it was given up".to_owned())) };
        let mut statements = Vec::with_capacity(queries.len());
        for query in queries {
            statements.push(object.prepare_cached(query.text).await?);
        }
        let params: Vec<Vec<&(dyn ToSql + Sync)>> = queries
            .iter()
            .map(|query| query.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect())
            .collect();
        let answers =
            statements.iter().zip(&params).map(|(statement, params)| object.query(statement, params));
        let mut given = Vec::with_capacity(queries.len());
        for answer in in_order(answers.collect()).await {
            given.push(answer.map_err(|error| self.failure(error))?);
        }
        Ok(given)
    }

    fn failure(&self, error: tokio_postgres::Error) -> Failure {
        let failure = Failure::from(error);
        if matches!(failure, Failure::ReadOnly(_)) {
            self.is_read_only.store(true, Ordering::Relaxed);
        }
        failure
    }

    /// Looks, with all statements in one snapshot.
    pub(super) async fn look(&mut self, queries: &[Query]) -> Result<Vec<Vec<Line>>, Failure> {
        match queries {
            [_] => self.send(queries).await,
            _ => self.whole("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", queries).await,
        }
    }

    /// Does all, in one transaction.
    pub(super) async fn apply(&mut self, queries: &[Query]) -> Result<Vec<Vec<Line>>, Failure> {
        match queries {
            [_] => self.send(queries).await,
            _ => self.whole("BEGIN", queries).await,
        }
    }

    /// Sends a transaction with its begin and its end.
    async fn whole(&mut self, begin: &'static str, queries: &[Query]) -> Result<Vec<Vec<Line>>, Failure> {
        let (begin, end) = (query!(begin), query!("COMMIT"));
        let all: Vec<&Query> = std::iter::once(&begin).chain(queries).chain([&end]).collect();
        self.in_transaction = true;
        let sent = self.send_all(&all).await;
        if sent.is_err() {
            self.roll_back().await;
            return sent;
        }
        self.in_transaction = false;
        sent.map(|mut given| {
            given.pop();
            given.remove(0);
            given
        })
    }

    /// Begins a transaction and sends the first of its statements.
    pub(super) async fn begin(&mut self, mut queries: Vec<Query>) -> Result<Vec<Vec<Line>>, Failure> {
        self.in_transaction = true;
        queries.insert(0, query!("BEGIN"));
        let mut given = self.send(&queries).await?;
        given.remove(0);
        Ok(given)
    }

    /// Sends the last statements of a transaction, and ends it.
    pub(super) async fn commit(&mut self, mut queries: Vec<Query>) -> Result<(), Failure> {
        queries.push(query!("COMMIT"));
        self.send(&queries).await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Gives the transaction up.
    pub(super) async fn roll_back(&mut self) {
        if self.in_transaction && self.send(&[query!("ROLLBACK")]).await.is_ok() {
            self.in_transaction = false;
        }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let is_over = self.in_transaction || self.is_read_only.load(Ordering::Relaxed);
        if let Some(object) = self.object.take().filter(|_| is_over) {
            drop(Object::take(object));
        }
    }
}

/// Begins all futures in their order, and waits for all of them.
async fn in_order<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let begun: Vec<Begun<F>> = futures.into_iter().map(begin).collect();
    join_all(begun.into_iter().map(|mut begun| {
        poll_fn(move |context| match &mut begun {
            Begun::Waits(future) => future.as_mut().poll(context),
            // It is asked once.
            Begun::Done(output) => output.take().map_or(Poll::Pending, Poll::Ready),
        })
    }))
    .await
}

fn begin<F: Future>(future: F) -> Begun<F> {
    let mut future = Box::pin(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Begun::Done(Some(output)),
        Poll::Pending => Begun::Waits(future),
    }
}

/// A future that has begun.
enum Begun<F: Future> {
    Waits(Pin<Box<F>>),
    Done(Option<F::Output>),
}

/// A column of a line.
pub(super) fn get<T: FromSqlOwned>(line: &Line, column: usize) -> Result<T> {
    line.try_get(column).map_err(|error| Error::NotDone(full(&error)))
}

/// A column that is never below zero.
pub(super) fn number(line: &Line, column: usize) -> Result<u64> {
    get(line, column).map(nat)
}

/// A column with a number of 32 bits.
pub(super) fn small(line: &Line, column: usize) -> Result<u32> {
    u32::try_from(get::<i64>(line, column)?).map_err(|_| broken("a number is too large"))
}

/// The lines of one of the statements that were sent together.
pub(super) fn lines(given: &[Vec<Line>], place: usize) -> &[Line] {
    given.get(place).map(Vec::as_slice).unwrap_or_default()
}

/// Bits as PostgreSQL has them (`bit(n)`): their number, and the first is the highest of its byte. In memory, the first is
/// the lowest.
#[derive(Debug, Clone)]
pub(super) struct Bitmap(pub(super) Vec<u8>);

impl ToSql for Bitmap {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let bits = i32::try_from(self.0.len() * 8)?;
        out.extend_from_slice(&bits.to_be_bytes());
        out.extend(self.0.iter().map(|byte| byte.reverse_bits()));
        Ok(IsNull::No)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::BIT || *of == Type::VARBIT
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Bitmap {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let (_, bits) = raw.split_at_checked(4).ok_or("no bits")?;
        Ok(Self(bits.iter().map(|byte| byte.reverse_bits()).collect()))
    }

    fn accepts(of: &Type) -> bool {
        <Self as ToSql>::accepts(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_is_told_as_it_is() {
        use std::mem::discriminant;
        let text = || "x".to_owned();
        let refused = |error| Failure::Refused(error);
        for (code, is_over, expected) in [
            // No room, for data or for the log.
            ("53100", false, refused(Error::Full)),
            // Memory, and what nobody thought of.
            ("53200", false, refused(Error::NotDone(text()))),
            ("58030", false, refused(Error::NotDone(text()))),
            ("XX001", false, refused(Error::NotDone(text()))),
            // It shuts down, crashed, starts, or has too many connections.
            ("57P01", true, Failure::Lost(text())),
            ("57P02", true, Failure::Lost(text())),
            ("57P03", true, Failure::Lost(text())),
            ("57P05", true, Failure::Lost(text())),
            ("53300", true, Failure::Lost(text())),
            ("25P03", true, Failure::Lost(text())),
            ("08006", false, Failure::Lost(text())),
            // Even the log has no room: the whole server ends.
            ("53100", true, Failure::Lost(text())),
            // A replica.
            ("25006", false, Failure::ReadOnly(text())),
            // Others are in the way.
            ("40P01", false, Failure::Again(text())),
            ("40001", false, Failure::Again(text())),
            ("55P03", false, Failure::Again(text())),
        ] {
            let found = Failure::of(&SqlState::from_code(code), is_over, text());
            assert_eq!(discriminant(&found), discriminant(&expected), "{code}: {found:?}");
            assert_eq!(found.not_done(), expected.not_done(), "{code}");
        }
    }

    #[tokio::test]
    async fn they_begin_in_their_order() {
        let (begun, order) = (&std::cell::RefCell::new(Vec::new()), 0..100);
        let each = order.clone().map(|n| async move {
            begun.borrow_mut().push(n);
            if n % 3 > 0 {
                tokio::task::yield_now().await;
            }
            n
        });
        assert_eq!(in_order(each.collect()).await, order.clone().collect::<Vec<_>>());
        assert_eq!(*begun.borrow(), order.collect::<Vec<_>>());
    }
}
