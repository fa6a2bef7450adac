//! The URL of a store: where its servers are, and how to log in.

use std::fmt;
use std::path::PathBuf;

use pynenc_core::{Error, Result};

use crate::place::Place;

/// How the primary is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The URL names it.
    Single,
    /// Sentinels name it.
    Sentinel,
    /// Each shard has its own; any node of the cluster names it.
    Cluster,
}

/// A user and a password. No message shows them.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub user: Option<String>,
    pub password: Option<String>,
}

/// A URL of this store, read by [`parse_url`]. Its text shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    pub(crate) mode: Mode,
    pub(crate) tls: bool,
    pub(crate) places: Vec<Place>,
    pub(crate) service: String,
    pub(crate) database: i64,
    pub(crate) credentials: Credentials,
    pub(crate) sentinel_credentials: Credentials,
    pub(crate) ca_cert: Option<PathBuf>,
    pub(crate) client_cert: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

impl RedisUrl {
    /// Replaces the credentials, for a user and a password from a setting or the environment.
    #[must_use]
    pub fn with_credentials(mut self, user: Option<String>, password: Option<String>) -> Self {
        self.credentials = Credentials { user, password };
        self
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.tls { "s" } else { "" };
        let mode = match self.mode {
            Mode::Sentinel => "+sentinel",
            Mode::Cluster => "+cluster",
            Mode::Single if matches!(self.places[..], [Place::Unix(_)]) => "+unix",
            Mode::Single => "",
        };
        let user = self.credentials.user.as_deref().unwrap_or_default();
        let secret = match (&self.credentials.password, user) {
            (Some(_), user) => format!("{user}:***@"),
            (None, "") => String::new(),
            (None, user) => format!("{user}@"),
        };
        let places = self.places.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        write!(f, "redis{tls}{mode}://{secret}{places}")?;
        if self.mode == Mode::Sentinel {
            write!(f, "/{}", self.service)?;
        }
        match (&self.places[..], self.database) {
            (_, 0) => Ok(()),
            ([Place::Unix(_)], database) => write!(f, "?db={database}"),
            (_, database) => write!(f, "/{database}"),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

const FORMS: &str = "redis://[user:password@]host[:port][/db], rediss://… for TLS, redis+unix:///path.sock[?db=0], \
    redis+sentinel://[user:password@]host1:port,host2:port/service[/db], redis+cluster://host1:port,host2:port";

/// Read a URL of this store. `rediss`, `rediss+sentinel` and `rediss+cluster` use TLS, with verification.
///
/// Query parameters: `db`, `ca_cert`, `client_cert`, `client_key` (paths of PEM files), `sentinel_user`,
/// `sentinel_password`. Fails with [`Error::Invalid`]. The error names the problem and quotes nothing behind the scheme, because an
/// unreadable part may belong to a password.
pub fn parse_url(url: &str) -> Result<RedisUrl> {
    read(url).map_err(|what| Error::Invalid(format!("store URL {}: {what}; forms are {FORMS}", begin_of(url))))
}

/// The scheme, if this store knows it.
fn begin_of(url: &str) -> String {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| SCHEMES.contains(scheme));
    scheme.map_or_else(|| "(not shown)".into(), |scheme| format!("{scheme}://… (the rest is not shown)"))
}

const SCHEMES: [&str; 7] =
    ["redis", "rediss", "redis+unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster"];

const ESCAPES: &str = "in a password write / as %2F, ? as %3F, # as %23, @ as %40, & as %26";

fn read(url: &str) -> Result<RedisUrl, String> {
    let (scheme, rest) = url.split_once("://").ok_or("has no scheme")?;
    let (tls, mode) = match scheme {
        "redis" => (false, Mode::Single),
        "rediss" => (true, Mode::Single),
        "redis+unix" => (false, Mode::Single),
        "redis+sentinel" => (false, Mode::Sentinel),
        "rediss+sentinel" => (true, Mode::Sentinel),
        "redis+cluster" => (false, Mode::Cluster),
        "rediss+cluster" => (true, Mode::Cluster),
        _ => return Err("the scheme is not one of this store".into()),
    };
    if rest.contains('#') {
        return Err(format!("has a fragment, which this store does not use; {ESCAPES}"));
    }
    let whole = rest;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match scheme {
        "redis+unix" => rest.split_at(rest.find('/').ok_or("names no socket")?),
        _ => rest.split_once('/').unwrap_or((rest, "")),
    };
    // The path of a socket may contain an @ if no credentials can stand in front of it.
    let is_plain_path = scheme == "redis+unix" && authority.is_empty() && !query.contains('@');
    if whole[authority.len()..].contains('@') && !is_plain_path {
        return Err(format!("has an @ behind the host; {ESCAPES}"));
    }
    let (secret, hosts) = authority.rsplit_once('@').map_or((None, authority), |(secret, hosts)| (Some(secret), hosts));
    let mut made = RedisUrl {
        mode,
        tls,
        places: Vec::new(),
        service: String::new(),
        database: 0,
        credentials: secret.map(credentials).transpose()?.unwrap_or_default(),
        sentinel_credentials: Credentials::default(),
        ca_cert: None,
        client_cert: None,
        client_key: None,
    };
    if scheme == "redis+unix" {
        if !hosts.is_empty() {
            return Err("a socket has no host: the path starts with /, behind the @ if there is one".into());
        }
        made.places.push(Place::Unix(decoded(path)?.into()));
    } else {
        let port = if mode == Mode::Sentinel { 26379 } else { 6379 };
        made.places = hosts.split(',').map(|host| place(host, port)).collect::<Result<_, _>>()?;
        read_path(&mut made, path)?;
    }
    read_query(&mut made, query)?;
    check(made)
}

fn check(made: RedisUrl) -> Result<RedisUrl, String> {
    if made.mode == Mode::Single && made.places.len() > 1 {
        return Err("names several hosts; use redis+cluster or redis+sentinel".into());
    }
    if made.mode == Mode::Cluster && made.database != 0 {
        return Err("a cluster has only database 0".into());
    }
    if made.client_cert.is_some() != made.client_key.is_some() {
        return Err("client_cert and client_key belong together".into());
    }
    if !made.tls && (made.ca_cert.is_some() || made.client_cert.is_some()) {
        return Err("has certificates but no TLS; start it with rediss".into());
    }
    Ok(made)
}

fn credentials(text: &str) -> Result<Credentials, String> {
    let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    Ok(Credentials { user, password: password.map(decoded).transpose()?.filter(|password| !password.is_empty()) })
}

fn place(text: &str, default_port: u16) -> Result<Place, String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or("a colon must follow the bracket")?)),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("names no host".into());
    }
    if host.contains(['[', ']']) {
        return Err("has a bracket outside an IPv6 address".into());
    }
    let port = port.map_or(Ok(default_port), |port| {
        port.parse().map_err(|_| format!("has no port from 0 to 65535 behind a host and a colon; {ESCAPES}"))
    })?;
    Ok(Place::Tcp(decoded(host)?, port))
}

fn read_path(made: &mut RedisUrl, path: &str) -> Result<(), String> {
    let database = if made.mode == Mode::Sentinel {
        let (service, database) = path.split_once('/').unwrap_or((path, ""));
        if service.is_empty() {
            return Err("names no service for the sentinels to watch".into());
        }
        made.service = decoded(service)?;
        database
    } else {
        path
    };
    if !database.is_empty() {
        made.database = number(database)?;
    }
    Ok(())
}

fn number(text: &str) -> Result<i64, String> {
    text.parse()
        .ok()
        .filter(|number| *number >= 0)
        .ok_or_else(|| format!("has no number of a database in its place; {ESCAPES}"))
}

fn read_query(made: &mut RedisUrl, query: &str) -> Result<(), String> {
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let value = decoded(value)?;
        match name {
            "db" => made.database = number(&value)?,
            "ca_cert" => made.ca_cert = Some(value.into()),
            "client_cert" => made.client_cert = Some(value.into()),
            "client_key" => made.client_key = Some(value.into()),
            "sentinel_user" => made.sentinel_credentials.user = Some(value),
            "sentinel_password" => made.sentinel_credentials.password = Some(value),
            _ => {
                return Err(format!(
                    "a query parameter is not known; known parameters are db, ca_cert, client_cert, client_key, sentinel_user \
                     and sentinel_password; {ESCAPES}"
                ));
            }
        }
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String, String> {
    let wrong = || "has a % without two hexadecimal digits of UTF-8 behind it".to_owned();
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong())?);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Place {
        Place::Tcp(host.into(), port)
    }

    #[test]
    fn every_form_of_a_url_can_be_read() {
        let url = parse_url("redis://me:p%40ss@db.example:7000/3").unwrap();
        assert_eq!((url.mode, url.tls, url.database), (Mode::Single, false, 3));
        assert_eq!(url.places, [tcp("db.example", 7000)]);
        assert_eq!(url.credentials.password.as_deref(), Some("p@ss"));
        let url = parse_url("rediss://[::1]?ca_cert=/ca.pem&db=2").unwrap();
        assert_eq!((url.tls, url.database, url.ca_cert), (true, 2, Some("/ca.pem".into())));
        assert_eq!(url.places, [tcp("::1", 6379)]);
        let url = parse_url("redis+unix:///run/r.sock?db=1").unwrap();
        assert_eq!((url.places, url.database), (vec![Place::Unix("/run/r.sock".into())], 1));
        let url = parse_url("redis+sentinel://:s@a:1,b/main/4").unwrap();
        assert_eq!((url.mode, url.service.as_str(), url.database), (Mode::Sentinel, "main", 4));
        assert_eq!(url.places, [tcp("a", 1), tcp("b", 26379)]);
        assert_eq!(parse_url("rediss+cluster://a,b:2").unwrap().places, [tcp("a", 6379), tcp("b", 2)]);
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "redis://me:s3cr3t@host/0",
            "redis://me:s3cr3t@host/x",
            "http://me:s3cr3t@host",
            "redis://host?password=s3cr3t",
            "redis+sentinel://:s3cr3t@a/s?sentinel_password=s3cr3t",
            "redis+sentinel://a/s3cr3t/s3cr3t?sentinel_password=x",
            "s3cr3t",
            "s3cr3t://host",
            "me:s3cr3t@redis://host",
            "redis://s3cr3t:s3cr3t",
            "redis://host?s3cr3t",
            "redis://host?db=s3cr3t",
            "redis://host/s3cr3t",
            "redis+unix://:s3cr3t/s3cr3t@/run/r.sock",
            "redis://[s3cr3t",
            "redis://[::1]s3cr3t",
            "redis+sentinel://a/s?sentinel_password=x&s3cr3t",
        ] {
            let shown = match parse_url(text) {
                Ok(url) => format!("{url} {url:?}"),
                Err(error) => error.to_string(),
            };
            assert!(!shown.contains("s3cr3t"), "{shown}");
        }
    }

    #[test]
    fn a_password_that_is_not_escaped_is_refused_or_understood_and_no_part_of_it_is_shown() {
        for sign in ['/', '?', '#', '@', '&', ':', '%', ',', '[', ']', '='] {
            for user in ["", "me"] {
                for form in [
                    "redis://{}@host:6379/0",
                    "rediss://{}@host",
                    "redis+unix://{}@/run/r.sock?db=1",
                    "redis+sentinel://{}@a:1,b/main/4?sentinel_user=x",
                    "redis+cluster://{}@a,b:2",
                ] {
                    for password in
                        [format!("s3cr3t{sign}s3cr3t"), format!("12{sign}s3cr3t"), format!("s3cr3t{sign}12")]
                    {
                        let text = form.replace("{}", &format!("{user}:{password}"));
                        let shown = match parse_url(&text) {
                            Ok(url) => {
                                // `%12` is an escape.
                                let found = url.credentials.password.as_ref();
                                assert!(sign == '%' || found == Some(&password), "{text}");
                                format!("{url} {url:?}")
                            }
                            Err(error) => error.to_string(),
                        };
                        assert!(!shown.contains("s3cr3t"), "{text}: {shown}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_path_of_a_socket_may_contain_an_at() {
        let url = parse_url("redis+unix:///run/user@1000/r.sock").unwrap();
        assert_eq!(url.places, [Place::Unix("/run/user@1000/r.sock".into())]);
        assert!(parse_url("redis+unix://me:pa/ss@/run/r.sock").is_err());
    }

    #[test]
    fn an_error_names_the_problem_of_the_url() {
        for (text, part) in [
            ("sqlite:///x", "scheme"),
            ("redis://", "no host"),
            ("redis://a,b", "several hosts"),
            ("redis://a:x", "no port"),
            ("redis://a/-1", "no number"),
            ("redis+cluster://a/1", "database 0"),
            ("redis+sentinel://a", "no service"),
            ("redis://a?ca_cert=x", "no TLS"),
            ("rediss://a?client_cert=x", "belong together"),
            ("redis://a?x=1", "parameter is not known"),
            ("redis://a%zz", "hexadecimal"),
            ("redis://me:pa/ss@a", "%2F"),
            ("redis://me:pa?ss@a", "%3F"),
            ("redis://me:pa#ss@a", "%23"),
        ] {
            let error = parse_url(text).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("redis+sentinel://"), "{error}");
        }
    }
}
