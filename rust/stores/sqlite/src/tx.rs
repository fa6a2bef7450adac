//! The view of a verb that runs inside a transaction of the writer.

use std::sync::Arc;

use pynenc_core::ids::{InvocationId, Millis};
use rusqlite::{OptionalExtension, Params, Row};

use crate::aside::{is_about_the_row, set_aside};
use crate::connection::Db;
use crate::fault::Fault;

/// The text of one SQL file below `queries/`.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/queries/", $name, ".sql"))
    };
}
pub(crate) use sql;

/// Changes to announce after the commit.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Invocations that have finished, in this order.
    pub finished: Vec<InvocationId>,
    /// Number of the first finish.
    pub first_finish: Option<i64>,
    /// Invocations that were removed.
    pub vanished: Vec<InvocationId>,
    /// Whether a claim may find something that it would not have found before, or learn of a due time.
    pub work: bool,
    /// Whether anything else has changed, such as an owner.
    pub changed: bool,
    /// Whether everything may have changed.
    pub look_again: bool,
    /// Runners that must cancel one of their claims.
    pub cancellations: Vec<Arc<str>>,
}

impl Effects {
    /// Number of the last finish of this transaction.
    pub fn last_finish(&self) -> Option<i64> {
        self.first_finish.map(|first| first + self.finished.len() as i64 - 1)
    }

    /// Whether other processes need to know.
    pub fn concerns_others(&self) -> bool {
        self.work || self.look_again || !self.finished.is_empty() || !self.cancellations.is_empty()
    }
}

/// The view of one verb.
pub(crate) struct Tx<'a> {
    pub db: &'a Db,
    /// Wall clock.
    pub now: Millis,
    /// Steady clock.
    pub steady: Millis,
    /// How long finished invocations are kept.
    pub retention: Millis,
    pub effects: &'a mut Effects,
}

impl Tx<'_> {
    /// Run a statement that writes; returns how many rows it changed.
    pub fn write(&self, sql: &str, params: impl Params) -> Result<usize, Fault> {
        Ok(self.db.prepare_cached(sql)?.execute(params)?)
    }

    /// The only row of a query, if there is one.
    pub fn one<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Fault> {
        Ok(self.db.prepare_cached(sql)?.query_row(params, read).optional()?)
    }

    /// All rows of a query.
    pub fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, Fault> {
        all(self.db, sql, params, read)
    }

    /// All readable rows of a query, and the ids of the others, which are set aside. The first column is `seq`.
    pub fn sound<T>(
        &mut self,
        sql: &str,
        params: impl Params,
        mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<(Vec<T>, Vec<InvocationId>), Fault> {
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            match read(row) {
                Ok(one) => found.push(one),
                Err(error) if is_about_the_row(&error) => broken.push(row.get(0)?),
                Err(error) => return Err(error.into()),
            }
        }
        drop(rows);
        drop(statement);
        let ids = broken.into_iter().map(|seq| set_aside(self, seq)).collect::<Result<_, _>>()?;
        Ok((found, ids))
    }

    /// The number of the next finish. Numbers grow in the order of commits, over all processes.
    pub fn number_finish(&mut self, id: InvocationId) -> Result<i64, Fault> {
        let number = match self.effects.last_finish() {
            Some(last) => last + 1,
            None => last_finish(self.db)? + 1,
        };
        self.effects.first_finish.get_or_insert(number);
        self.effects.finished.push(id);
        Ok(number)
    }
}

/// Converts a number of rows for SQLite.
pub(crate) fn as_limit(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// All rows of a query.
pub(crate) fn all<T>(
    db: &Db,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Fault> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params, read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The highest number of a finish so far.
pub(crate) fn last_finish(db: &Db) -> rusqlite::Result<i64> {
    db.prepare_cached(sql!("steps/last_finish"))?.query_row([], |row| row.get(0))
}
