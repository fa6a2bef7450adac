//! Counts by task, queue and status that do not read each invocation.
//!
//! An arrival or finish counts nothing, because that would write one more page. Arrivals and finishes have an order that never
//! changes. They are added up later, a piece at a time: by the heart of a runner, after a large batch, or before a count. A count
//! reads only what came after that.

use std::collections::HashMap;
use std::fmt::Write;

use pynenc_core::result::Filter;
use pynenc_core::status::Status;
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::connection::Db;
use crate::fault::Fault;
use crate::tx::{Tx, as_limit, sql};
use crate::writer::Verb;

/// Rows that one transaction adds up, which bounds how long others wait for the lock.
const CHUNK: usize = 3000;

/// Rows that may be left for each count to read.
const LEFT: i64 = 2000;

/// The last arrival and the last finish that are added up, and the last ones that exist.
#[derive(Clone, Copy)]
struct Marks {
    seq: i64,
    finished: i64,
    last_seq: i64,
    last_finished: i64,
}

impl Marks {
    fn read(db: &Db) -> Result<Self, Fault> {
        Ok(db.prepare_cached(sql!("tally/marks"))?.query_row([], |row| {
            Ok(Self { seq: row.get(0)?, finished: row.get(1)?, last_seq: row.get(2)?, last_finished: row.get(3)? })
        })?)
    }
}

/// Whether more is left than a count should read.
pub(crate) fn is_behind(db: &Db) -> Result<bool, Fault> {
    let marks = Marks::read(db)?;
    Ok(marks.last_seq - marks.seq > LEFT || marks.last_finished - marks.finished > LEFT)
}

/// A task, a queue, and a status or 0.
type Kind = (String, String, u8);

/// Add up a piece. Answers whether there is more.
pub(crate) struct Tally;

impl Verb for Tally {
    type Answer = bool;

    fn durable(&self) -> bool {
        false
    }

    fn run(&self, tx: &mut Tx<'_>) -> Result<bool, Fault> {
        let marks = Marks::read(tx.db)?;
        let arrived = add_up(tx, sql!("tally/arrived"), "tally_seq", marks.seq)?;
        let finished = add_up(tx, sql!("tally/finished"), "tally_finished", marks.finished)?;
        Ok(arrived == CHUNK || finished == CHUNK)
    }
}

fn add_up(tx: &Tx<'_>, sql: &str, mark: &str, from: i64) -> Result<usize, Fault> {
    let rows = tx.all(sql, (from, as_limit(CHUNK)), |row| Ok((row.get::<_, i64>(0)?, kind(row, 1)?)))?;
    if let Some((last, _)) = rows.last() {
        tx.write(sql!("tally/set_mark"), (mark, last))?;
    }
    let count = rows.len();
    let mut counts: HashMap<Kind, i64> = HashMap::new();
    rows.into_iter().for_each(|(_, kind)| *counts.entry(kind).or_default() += 1);
    add(tx, counts)?;
    Ok(count)
}

fn add(tx: &Tx<'_>, counts: HashMap<Kind, i64>) -> Result<(), Fault> {
    for ((task, queue, status), count) in counts {
        tx.write(sql!("tally/add"), (&task, &queue, status, count))?;
        if count < 0 {
            tx.write(sql!("tally/drop_empty"), (&task, &queue, status))?;
        }
    }
    Ok(())
}

/// Reads the columns task, queue and status. Any value in them is a name to count under.
fn kind(row: &Row<'_>, first: usize) -> rusqlite::Result<Kind> {
    let text = |column| -> rusqlite::Result<String> {
        Ok(String::from_utf8_lossy(row.get_ref(column)?.as_bytes().unwrap_or_default()).into_owned())
    };
    Ok((text(first)?, text(first + 1)?, row.get(first + 2).unwrap_or_default()))
}

/// Delete these rows, and subtract them from the counts.
pub(crate) fn delete(tx: &Tx<'_>, seqs: impl Iterator<Item = i64>) -> Result<(), Fault> {
    let marks = Marks::read(tx.db)?;
    let mut counts: HashMap<Kind, i64> = HashMap::new();
    for seq in seqs {
        let read = |row: &Row<'_>| Ok((kind(row, 0)?, row.get::<_, Option<i64>>(3)?));
        let Some(((task, queue, status), finished)) = tx.one(sql!("purge/invocation"), [seq], read)? else { continue };
        if finished.is_some_and(|number| number <= marks.finished) {
            *counts.entry((task.clone(), queue.clone(), status)).or_default() -= 1;
        }
        if seq <= marks.seq {
            *counts.entry((task, queue, 0)).or_default() -= 1;
        }
    }
    add(tx, counts)?;
    // SQLite reuses the number of the last row after its deletion.
    let left = Marks::read(tx.db)?;
    if left.last_seq < left.seq {
        tx.write(sql!("tally/set_mark"), ("tally_seq", left.last_seq))?;
    }
    Ok(())
}

/// Count the matches of a filter that names only a task, queues and statuses.
pub(crate) fn count(db: &Db, filter: &Filter) -> Result<usize, Fault> {
    let counter = Counter { db, filter, marks: Marks::read(db)? };
    let all = Status::ALL;
    let wanted: Vec<Status> = if filter.statuses.is_empty() { all.to_vec() } else { filter.statuses.clone() };
    let is_wanted = |status: &&Status| wanted.contains(status);
    let of = |keep: fn(Status) -> bool| all.iter().filter(move |status| keep(**status)).copied().collect::<Vec<_>>();
    if filter.statuses.is_empty() {
        return Ok(counter.arrived()? as usize);
    }
    let finals: Vec<_> = of(Status::is_final).iter().filter(is_wanted).copied().collect();
    let claimed: Vec<_> = of(Status::is_claimed).iter().filter(is_wanted).copied().collect();
    let mut count = counter.finished(&finals)? + counter.in_place(4, &claimed)?;
    if wanted.contains(&Status::ConcurrencyControlled) {
        count += counter.in_place(3, &[Status::ConcurrencyControlled])?;
    }
    let again: Vec<_> = [Status::Rerouted, Status::Retry].iter().filter(is_wanted).copied().collect();
    if !wanted.contains(&Status::Registered) {
        return Ok((count + counter.again(&again)?) as usize);
    }
    // Registered invocations have arrived and are in no other place.
    let elsewhere = counter.finished(&of(Status::is_final))?
        + counter.in_place(4, &of(Status::is_claimed))?
        + counter.in_place(3, &[Status::ConcurrencyControlled])?;
    count += counter.arrived()? - elsewhere;
    let others: Vec<_> = [Status::Rerouted, Status::Retry].iter().filter(|one| !is_wanted(one)).copied().collect();
    count -= counter.again(&others)?;
    Ok(count.max(0) as usize)
}

struct Counter<'a> {
    db: &'a Db,
    filter: &'a Filter,
    marks: Marks,
}

impl Counter<'_> {
    /// Arrivals up to the mark, and behind it.
    fn arrived(&self) -> Result<i64, Fault> {
        let counted = self.sum("SELECT coalesce(sum(count), 0) FROM tally WHERE status = 0")?;
        Ok(counted + self.sum(&format!("SELECT count(*) FROM invocation WHERE seq > {}", self.marks.seq))?)
    }

    fn finished(&self, statuses: &[Status]) -> Result<i64, Fault> {
        if statuses.is_empty() {
            return Ok(0);
        }
        let (codes, mark) = (codes(statuses), self.marks.finished);
        let counted = self.sum(&format!("SELECT coalesce(sum(count), 0) FROM tally WHERE status IN ({codes})"))?;
        let since = format!("SELECT count(*) FROM invocation WHERE finished_seq > {mark} AND status IN ({codes})");
        Ok(counted + self.sum(&since)?)
    }

    /// Invocations that are claimed or blocked, which have partial indexes.
    fn in_place(&self, place: i64, statuses: &[Status]) -> Result<i64, Fault> {
        if statuses.is_empty() {
            return Ok(0);
        }
        let codes = codes(statuses);
        self.sum(&format!("SELECT count(*) FROM invocation WHERE place = {place} AND status IN ({codes})"))
    }

    /// Invocations that were queued again.
    fn again(&self, statuses: &[Status]) -> Result<i64, Fault> {
        let of_one = |status: &Status| {
            let code = *status as u8;
            let index = "INDEXED BY invocation_again";
            self.sum(&format!("SELECT count(*) FROM invocation {index} WHERE status IN (3, 10) AND status = {code}"))
        };
        statuses.iter().map(of_one).sum()
    }

    fn sum(&self, sql: &str) -> Result<i64, Fault> {
        let mut sql = sql.to_owned();
        let mut values = Vec::new();
        if let Some(task) = &self.filter.task {
            // The plus sign keeps SQLite from using the index of tasks. The other conditions leave few rows.
            sql.push_str(if sql.contains("FROM tally") { " AND task = ?" } else { " AND +task = ?" });
            values.push(Value::Text(task.to_string()));
        }
        if !self.filter.queues.is_empty() {
            let column = if sql.contains("FROM tally") { "queue" } else { "+queue" };
            let marks = vec!["?"; self.filter.queues.len()].join(", ");
            let _ = write!(sql, " AND {column} IN ({marks})");
            values.extend(self.filter.queues.iter().map(|queue| Value::Text(queue.to_string())));
        }
        Ok(self.db.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?)
    }
}

fn codes(statuses: &[Status]) -> String {
    statuses.iter().map(|status| (*status as u8).to_string()).collect::<Vec<_>>().join(", ")
}
