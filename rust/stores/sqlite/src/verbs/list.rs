//! List and count the invocations that match a filter.

use std::fmt::Write;
use std::sync::Arc;

use pynenc_core::ids::{InvocationId, Millis};
use pynenc_core::result::{Filter, Page};
use pynenc_core::status::Status;
use rusqlite::params_from_iter;
use rusqlite::types::Value;

use crate::connection::Db;
use crate::fault::Fault;
use crate::row::read_some_id;
use crate::tx::{all, as_limit, sql};

pub(crate) fn list(db: &Db, filter: &Filter, page: Page) -> Result<Vec<InvocationId>, Fault> {
    let (condition, mut values) = condition(filter);
    values.extend([Value::Integer(as_limit(page.limit)), Value::Integer(as_limit(page.offset))]);
    let sql = format!("{}{condition} ORDER BY seq LIMIT ? OFFSET ?", sql!("list/ids"));
    let ids = all(db, &sql, params_from_iter(values), |row| read_some_id(row, 0))?;
    Ok(ids.into_iter().flatten().collect())
}

pub(crate) fn count(db: &Db, filter: &Filter) -> Result<usize, Fault> {
    if filter.parent.is_none() && filter.args_id.is_none() && filter.runner.is_none() {
        return super::tally::count(db, filter);
    }
    let (condition, values) = condition(filter);
    let sql = format!("{}{condition}", sql!("list/count"));
    Ok(db.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get::<_, i64>(0))? as usize)
}

pub(crate) fn backlog(db: &Db, queues: &[Arc<str>], now: Millis, limit: usize) -> Result<usize, Fault> {
    let limit = as_limit(limit);
    let mut count: i64 = 0;
    if queues.is_empty() {
        count += db.prepare_cached(sql!("list/backlog"))?.query_row((now, limit), |row| row.get::<_, i64>(0))?;
    }
    for queue in queues {
        let mut statement = db.prepare_cached(sql!("list/backlog_in"))?;
        count += statement.query_row((now, limit, &**queue), |row| row.get::<_, i64>(0))?;
    }
    Ok(count.min(limit) as usize)
}

/// The filter as SQL that names only the given conditions, so that an index can serve it.
fn condition(filter: &Filter) -> (String, Vec<Value>) {
    let mut sql = String::new();
    let mut values = Vec::new();
    let mut equal = |column: &str, value: Value| {
        let _ = write!(sql, " AND {column} = ?");
        values.push(value);
    };
    if let Some(task) = &filter.task {
        equal("task", Value::Text(task.to_string()));
    }
    if let Some(parent) = filter.parent {
        equal("parent", Value::Blob(parent.to_bytes().to_vec()));
    }
    if let Some(args_id) = &filter.args_id {
        equal("args_id", Value::Text(args_id.to_string()));
    }
    if let Some(runner) = &filter.runner {
        equal("runner", Value::Text(runner.to_string()));
    }
    if !filter.queues.is_empty() {
        let _ = write!(sql, " AND queue IN ({})", vec!["?"; filter.queues.len()].join(", "));
        values.extend(filter.queues.iter().map(|queue| Value::Text(queue.to_string())));
    }
    if !filter.statuses.is_empty() {
        let codes: Vec<_> = filter.statuses.iter().map(|status| (*status as u8).to_string()).collect();
        let _ = write!(sql, " AND status IN ({})", codes.join(", "));
    }
    // A redundant condition, for the partial indexes of claimed invocations.
    if filter.runner.is_some()
        || (!filter.statuses.is_empty() && filter.statuses.iter().all(|s| Status::is_claimed(*s)))
    {
        sql.push_str(" AND place = 4");
    }
    (sql, values)
}
