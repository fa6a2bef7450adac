//! Checks and opens a database. Every error names the path, the problem, and the remedy.
//!
//! Only SQLite opens the file here: closing a descriptor of our own would drop the locks that another handle of this process
//! holds on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pynenc_core::Result;
use rusqlite::{Connection, OptionalExtension};

use crate::apps::{FIRST, Names, TABLES};
use crate::connection::{self, Db};
use crate::failpoint::{Stage, reach};
use crate::fault::{is_busy, translate, unusable};
use crate::fork::{self, OnePerProcess};
use crate::tx::sql;

/// "pync": the mark of files of this store.
const APPLICATION_ID: i32 = 0x7079_6e63;
/// Version of `schema.sql` and `app.sql`.
const SCHEMA_VERSION: i32 = 4;
/// Migrations from each version to the next. A version after 4 has to change the tables of every app of the file.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize - 1] = [
    include_str!("../migrate_1_to_2.sql"),
    include_str!("../migrate_2_to_3.sql"),
    include_str!("../migrate_3_to_4.sql"),
];
/// The failpoint at which tests kill a process that opens a file.
const FAILPOINT: &str = "open";
/// Oldest SQLite in which the reset of the write-ahead log is repaired.
const OLDEST_SQLITE: i32 = 3_051_003;
/// Files up to this size are checked page by page at each open.
const QUICK_CHECK_LIMIT: u64 = 64 << 20;
/// How long a log beside an empty database may mean that another process creates the database.
const CREATION_GRACE: Duration = Duration::from_millis(500);

/// One open at a time per process, because creating the file closes a descriptor: see above.
static OPENING: OnePerProcess = OnePerProcess::new();

/// Path of the write-ahead log of the database at `path`.
pub(crate) fn log_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

/// Open a connection of the app `app_id` to the database at `path`. Makes the file and the tables if they do not exist, checks the
/// file, and migrates its schema. Blocks.
pub(crate) fn open(path: &Path, app_id: &str, busy_timeout: Duration) -> Result<Db> {
    let _inside = fork::enter();
    let _one_at_a_time = OPENING.lock();
    check_library(path)?;
    check_directory(path)?;
    check_file(path)?;
    create(path)?;
    let started = Instant::now();
    loop {
        // Two processes that create a database can need a lock for which SQLite does not wait.
        match connect(path, app_id, busy_timeout) {
            Err(Refusal::Driver(error)) if is_busy(&error) && started.elapsed() < busy_timeout => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(Refusal::Driver(error)) => return Err(translate(path, &error)),
            Err(Refusal::Unusable(what)) => return Err(unusable(path, what)),
            Ok(db) => return Ok(db),
        }
    }
}

enum Refusal {
    Driver(rusqlite::Error),
    Unusable(String),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Refusal::Driver(error)
    }
}

fn check_library(path: &Path) -> Result<()> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(unusable(
            path,
            format!(
                "built with SQLite {}, whose write-ahead log can lose commits; 3.51.3 or newer is needed",
                rusqlite::version()
            ),
        ));
    }
    Ok(())
}

fn check_directory(path: &Path) -> Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match fs::metadata(directory) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => return Err(unusable(path, format!("{} is not a directory", directory.display()))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => create_directory(path, directory)?,
        Err(error) => return Err(unusable(path, format!("cannot look into {}: {error}", directory.display()))),
    }
    if let Some(kind) = crate::platform::shared_file_system(directory) {
        return Err(unusable(
            path,
            format!(
                "{} is on a {kind} file system, where the shared memory of SQLite does not work between machines; choose a \
                 local disk, or a store for several machines",
                directory.display()
            ),
        ));
    }
    Ok(())
}

fn create_directory(path: &Path, directory: &Path) -> Result<()> {
    crate::platform::private_directory(directory).or_else(|error| {
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            return Ok(());
        }
        Err(unusable(
            path,
            format!(
                "the directory {} does not exist and cannot be made ({error}); only its last component is made \
                 automatically: create the directory, or name another",
                directory.display()
            ),
        ))
    })
}

fn check_file(path: &Path) -> Result<()> {
    let size = match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            return Err(unusable(path, "this is a directory; name a file in it"));
        }
        Ok(metadata) if !metadata.is_file() => return Err(unusable(path, "this is not a regular file")),
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(unusable(path, format!("cannot be looked at: {error}"))),
    };
    if size == 0 { check_orphaned_log(path) } else { Ok(()) }
}

/// Refuses a log without its database: SQLite would delete the log of an empty database, and its commits.
fn check_orphaned_log(path: &Path) -> Result<()> {
    let log = log_path(path);
    let deadline = Instant::now() + CREATION_GRACE;
    let length = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    while length(path) == 0 && length(&log) > 0 {
        if Instant::now() >= deadline {
            return Err(unusable(
                path,
                format!(
                    "the database is missing or empty, but its write-ahead log {} is not: restore the database that \
                     belongs to it, or move the log away to start afresh",
                    log.display()
                ),
            ));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// Make the file before SQLite does, so that no other user can read it, whatever the umask.
fn create(path: &Path) -> Result<()> {
    match crate::platform::private_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(unusable(path, format!("the file cannot be made: {error}; choose a directory that can be written")))
        }
        _ => crate::platform::check_writable(path).map_err(|what| unusable(path, what)),
    }
}

fn connect(path: &Path, app_id: &str, busy_timeout: Duration) -> Result<Db, Refusal> {
    let db = connection::open(path, busy_timeout)?;
    // In one transaction, because another process may make the schema between two reads.
    db.execute_batch("BEGIN")?;
    let contents = identify(&db);
    let ended = end(&db, true);
    // The first error is the cause: after some errors SQLite ends the transaction by itself.
    let contents = contents.and_then(|contents| ended.map(|()| contents));
    let fresh = contents? == Contents::Nothing;
    if !fresh {
        check_pages(&db, path)?;
    }
    let mode: String = db.query_row("PRAGMA journal_mode = wal", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(Refusal::Unusable(format!(
            "SQLite cannot use a write-ahead log here (it stays with {mode}); choose a local disk that can be written"
        )));
    }
    db.execute_batch("BEGIN IMMEDIATE")?;
    reach(FAILPOINT, Stage::Begun);
    let app = prepare(&db, app_id);
    let db = Db::new(db, app.as_ref().map_or(FIRST, |app| app.number));
    let prepared = app.and_then(|app| prepare_app(&db, &app));
    reach(FAILPOINT, Stage::Written);
    let ended = end(db.file(), prepared.is_ok());
    prepared?;
    ended?;
    reach(FAILPOINT, Stage::Committed);
    Ok(db)
}

/// End the transaction. SQLite rolls back by itself after some errors.
fn end(db: &Connection, commit: bool) -> Result<(), Refusal> {
    if commit {
        db.execute_batch("COMMIT")?;
    } else if !db.is_autocommit() {
        db.execute_batch("ROLLBACK")?;
    }
    Ok(())
}

/// Contents of a database file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    Nothing,
    /// A database of this store, with this version of the schema.
    Ours(i32),
}

/// The contents of the database. Refuses a database that is neither empty nor of this store.
fn identify(db: &Connection) -> Result<Contents, Refusal> {
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, version) {
        (0, 0) if tables == 0 => Ok(Contents::Nothing),
        (APPLICATION_ID, 1..=SCHEMA_VERSION) => {
            check_tables(db, &Names::new(FIRST))?;
            Ok(Contents::Ours(version))
        }
        (APPLICATION_ID, newer) if newer > SCHEMA_VERSION => Err(Refusal::Unusable(format!(
            "the database has schema version {newer}, made by a newer release; this one knows up to \
             {SCHEMA_VERSION}: upgrade this installation, or name another file"
        ))),
        (APPLICATION_ID, other) => {
            Err(Refusal::Unusable(format!("the database says that it has schema version {other}, which never existed")))
        }
        _ => Err(Refusal::Unusable(
            "this database belongs to another application, and is left alone; name another file".into(),
        )),
    }
}

/// Fails if a table of an app is missing. The tally is made if it is missing.
fn check_tables(db: &Connection, names: &Names) -> Result<(), Refusal> {
    let known = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN (?1, ?2, ?3, ?4, ?5)";
    let [invocation, arguments, outcome, wait_edge, meta, ..] = TABLES.map(|table| names.of(table));
    match db.query_row(known, [invocation, arguments, outcome, wait_edge, meta], |row| row.get(0))? {
        5i64 => Ok(()),
        found => Err(Refusal::Unusable(format!(
            "the database is damaged: {found} of its 5 tables are left; restore a backup"
        ))),
    }
}

fn check_pages(db: &Connection, path: &Path) -> Result<(), Refusal> {
    if fs::metadata(path).map_or(0, |metadata| metadata.len()) > QUICK_CHECK_LIMIT {
        return Ok(());
    }
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict == "ok" {
        return Ok(());
    }
    Err(Refusal::Unusable(format!(
        "the database is damaged ({verdict}); stop every process that uses it, then restore a backup, or rescue what \
         is readable with `sqlite3 {} .recover`",
        path.display()
    )))
}

/// An app of the file.
struct App {
    number: i64,
    has_tables: bool,
}

/// Under the write lock: migrate the schema of the file to this version, and read the number of the app.
fn prepare(db: &Connection, app_id: &str) -> Result<App, Refusal> {
    let contents = identify(db)?;
    match contents {
        Contents::Nothing => {
            db.execute_batch(include_str!("../app.sql"))?;
            db.execute_batch(&format!("PRAGMA application_id = {APPLICATION_ID}"))?;
        }
        Contents::Ours(version) => {
            let known = "SELECT count(*) FROM pragma_table_info('invocation') WHERE name = 'cancelled'";
            if version == 1 && db.query_row(known, [], |row| row.get::<_, i64>(0))? > 0 {
                return Err(Refusal::Unusable(
                    "the database is damaged: it says that it has schema version 1, and has the columns of version 2; \
                     restore a backup"
                        .into(),
                ));
            }
            for step in MIGRATIONS.iter().skip(version.unsigned_abs() as usize - 1) {
                db.execute_batch(step)?;
            }
        }
    }
    db.execute_batch(&format!("PRAGMA user_version = {SCHEMA_VERSION}"))?;
    let known = db.query_row(sql!("open/app"), [app_id], |row| row.get(0)).optional()?;
    let number = match known {
        Some(number) => number,
        None => db.query_row(sql!("open/add_app"), [app_id], |row| row.get(0))?,
    };
    let has_tables = known.is_some() || (number == FIRST && contents != Contents::Nothing);
    Ok(App { number, has_tables })
}

/// Under the write lock: make the tables of a new app, and expire the leases of an earlier boot.
fn prepare_app(db: &Db, app: &App) -> Result<(), Refusal> {
    if app.has_tables {
        check_tables(db.file(), db.names())?;
    } else {
        db.execute_batch(include_str!("../schema.sql"))?;
    }
    db.execute_batch(include_str!("../tally.sql"))?;
    db.execute_batch(include_str!("../runners.sql"))?;
    db.execute(sql!("open/clear_several"), [])?;
    let boot = crate::platform::boot_id();
    let known: Option<String> = db.query_row(sql!("open/boot"), [], |row| row.get(0)).optional()?;
    if known.as_deref() != Some(&boot) {
        // The steady clock started again: the leases mean nothing, and their runners are gone.
        db.execute(sql!("open/expire_leases"), [])?;
        db.execute(sql!("open/forget_signs"), [])?;
        db.execute(sql!("open/set_boot"), [&boot])?;
    }
    Ok(())
}
