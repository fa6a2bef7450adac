//! The apps of one file. Each app has tables of its own, so that no statement needs a condition on the app.
//!
//! The first app of a file has the tables of `schema.sql` under their names there, as every file before schema version 4. App
//! number `n` has the same tables and indexes under the names `app<n>_invocation` and so on. The table `app` maps names of apps to
//! numbers. The table `meta` of the first app also has what concerns the whole file: the directory of its sockets.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// The tables of one app.
pub(crate) const TABLES: [&str; 7] =
    ["invocation", "arguments", "outcome", "wait_edge", "meta", "tally", "runner_card"];
/// Every index of those tables is named so.
const INDEXES: &str = "invocation_";
/// Statements whose text is kept; filters make new ones now and then.
const KEPT: usize = 256;

/// The number of the app that has the plain names.
pub(crate) const FIRST: i64 = 1;

/// How one app's tables are named.
pub(crate) struct Names {
    number: i64,
    renamed: RefCell<HashMap<Box<str>, Arc<str>>>,
}

/// The text of a statement.
pub(crate) enum Sql<'a> {
    Plain(&'a str),
    Renamed(Arc<str>),
}

impl AsRef<str> for Sql<'_> {
    fn as_ref(&self) -> &str {
        match self {
            Sql::Plain(text) => text,
            Sql::Renamed(text) => text,
        }
    }
}

impl Names {
    pub fn new(number: i64) -> Self {
        Self { number, renamed: RefCell::default() }
    }

    pub fn number(&self) -> i64 {
        self.number
    }

    /// `sql`, which is written for the first app, for this one.
    pub fn rename<'a>(&self, sql: &'a str) -> Sql<'a> {
        if self.number == FIRST {
            return Sql::Plain(sql);
        }
        let mut renamed = self.renamed.borrow_mut();
        if let Some(text) = renamed.get(sql) {
            return Sql::Renamed(text.clone());
        }
        if renamed.len() >= KEPT {
            renamed.clear();
        }
        let text: Arc<str> = rewrite(sql, self.number).into();
        renamed.insert(sql.into(), text.clone());
        Sql::Renamed(text)
    }

    /// The name of a table or an index.
    pub fn of<'a>(&self, table: &'a str) -> Cow<'a, str> {
        match self.number {
            FIRST => table.into(),
            number => format!("app{number}_{table}").into(),
        }
    }
}

/// Put the number of the app before each name of a table or an index. Comments and texts in quotes stay as they are.
fn rewrite(sql: &str, number: i64) -> String {
    let mut text = String::with_capacity(sql.len() + 32);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => rest[1..].find('\'').map_or(rest.len(), |end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            _ if is_part_of_a_name(first) => rest.find(|sign| !is_part_of_a_name(sign)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        if TABLES.contains(&token) || token.starts_with(INDEXES) {
            text.push_str(&format!("app{number}_"));
        }
        text.push_str(token);
        rest = after;
    }
    text
}

fn is_part_of_a_name(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables_and_indexes_get_the_number_of_the_app() {
        let sql =
            "-- of an invocation\nSELECT i.seq, 'meta', arguments_of FROM invocation AS i INDEXED BY invocation_again";
        let expected = "-- of an invocation\nSELECT i.seq, 'meta', arguments_of FROM app7_invocation AS i \
                        INDEXED BY app7_invocation_again";
        assert_eq!(Names::new(7).rename(sql).as_ref(), expected);
        assert_eq!(Names::new(FIRST).rename(sql).as_ref(), sql);
    }

    #[test]
    fn no_statement_of_another_app_names_a_table_of_the_first() {
        let files = [include_str!("../schema.sql"), include_str!("../tally.sql"), include_str!("../runners.sql")];
        let schema = files.map(|sql| rewrite(sql, 2)).concat();
        let db = rusqlite::Connection::open_in_memory().unwrap();
        db.execute_batch(&schema).unwrap();
        let plain = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'app2_%' AND name NOT LIKE 'sqlite_%'";
        assert_eq!(db.query_row(plain, [], |row| row.get::<_, i64>(0)), Ok(0), "{schema}");
    }
}
