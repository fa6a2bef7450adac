//! Finds the primary of a shard, and connects to it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pynenc_core::sync::Mutex;
use pynenc_core::{Error, Result};
use redis::io::tcp::TcpSettings;
use redis::{
    Client, ClientTlsConfig, Connection, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, TlsCertificates, Value,
};

use crate::advice::about_the_port;
use crate::faults::{Class, classify, failed, translate, unusable};
use crate::place::Place;
use crate::url::{Credentials, Mode, RedisUrl};

/// An error, and what to do about it.
pub struct Failure {
    pub class: Class,
    pub error: Error,
}

impl Failure {
    pub fn new(class: Class, error: Error) -> Self {
        Self { class, error }
    }

    /// Converts an error of the driver: a network error, or an error of the server during the setup of a connection.
    pub fn driver(place: &str, error: &RedisError) -> Self {
        match error.code() {
            Some(code) => {
                let detail = error.detail().unwrap_or_default();
                Self::new(classify(code, detail), translate(place, code, detail))
            }
            None if matches!(error.kind(), redis::ErrorKind::InvalidClientConfig) => {
                Self::new(Class::Fatal, unusable(place, error))
            }
            // The text of the system, "resource temporarily unavailable", names no timeout.
            None if error.is_timeout() => Self::new(Class::Resolve, failed(place, "the server did not answer in time")),
            None => Self::new(Class::Resolve, failed(place, error)),
        }
    }
}

/// Finds primaries and connects to them.
pub struct Topology {
    url: RedisUrl,
    connect_timeout: Duration,
    command_timeout: Duration,
    certificates: Option<TlsCertificates>,
    /// Nodes of a cluster as last seen. They are asked before those of the URL.
    nodes: Mutex<Vec<Place>>,
}

impl Topology {
    pub fn new(url: RedisUrl, connect_timeout: Duration, command_timeout: Duration) -> Result<Self> {
        let certificates = if url.tls { Some(certificates(&url)?) } else { None };
        Ok(Self { url, connect_timeout, command_timeout, certificates, nodes: Mutex::default() })
    }

    /// The primary that has the keys of this slot, as sentinels or nodes name it.
    pub fn primary(&self, slot: u16) -> Result<Place, Failure> {
        match self.url.mode {
            Mode::Single => Ok(self.url.places[0].clone()),
            Mode::Sentinel => {
                self.ask_each(&self.url.places, &self.url.sentinel_credentials, |c, _| self.ask_sentinel(c))
            }
            Mode::Cluster => {
                let mut nodes = self.nodes.lock().clone();
                nodes.extend(self.url.places.iter().cloned());
                self.ask_each(&nodes, &self.url.credentials, |c, asked| self.ask_node(c, asked, slot))
            }
        }
    }

    /// The first answer of these servers.
    fn ask_each(
        &self,
        places: &[Place],
        credentials: &Credentials,
        ask: impl Fn(&mut Connection, &Place) -> Result<Place, Failure>,
    ) -> Result<Place, Failure> {
        let mut last = None;
        for place in places {
            match self.open(place, credentials, 0).and_then(|mut connection| ask(&mut connection, place)) {
                Ok(primary) => return Ok(primary),
                Err(failure) => last = Some(failure),
            }
        }
        let unreachable = || Failure::new(Class::Resolve, failed(&self.url.to_string(), "the URL names no server"));
        Err(last.map_or_else(unreachable, |failure| Failure {
            class: if failure.class == Class::Fatal { Class::Fatal } else { Class::Resolve },
            ..failure
        }))
    }

    fn ask_sentinel(&self, sentinel: &mut Connection) -> Result<Place, Failure> {
        let service = &self.url.service;
        let place = self.url.to_string();
        let answer: Option<(String, u16)> = redis::cmd("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(service)
            .query(sentinel)
            .map_err(|error| Failure::driver(&place, &error))?;
        let unknown =
            || Failure::new(Class::Resolve, failed(&place, format!("no sentinel knows a service {service:?}")));
        answer.map(|(host, port)| Place::Tcp(host, port)).ok_or_else(unknown)
    }

    fn ask_node(&self, node: &mut Connection, asked: &Place, slot: u16) -> Result<Place, Failure> {
        let place = asked.to_string();
        let answer: Value =
            redis::cmd("CLUSTER").arg("SLOTS").query(node).map_err(|error| Failure::driver(&place, &error))?;
        let ranges = slot_ranges(&answer, asked);
        if ranges.is_empty() {
            return Err(Failure::new(Class::Resolve, failed(&place, "this node knows no slots of a cluster")));
        }
        let mut nodes: Vec<Place> = ranges.iter().map(|(_, _, place)| place.clone()).collect();
        nodes.dedup();
        *self.nodes.lock() = nodes;
        let found = ranges.into_iter().find(|(from, to, _)| (*from..=*to).contains(&slot));
        let missing = || Failure::new(Class::Resolve, failed(&place, format!("no node serves slot {slot}")));
        found.map(|(_, _, place)| place).ok_or_else(missing)
    }

    /// Whether slots may move between servers.
    pub fn is_cluster(&self) -> bool {
        self.url.mode == Mode::Cluster
    }

    /// A connection to `place`, with timeouts. Behind sentinels, fails unless the server says that it is the primary.
    pub fn connect(&self, place: &Place) -> Result<Connection, Failure> {
        let mut connection = self.open(place, &self.url.credentials, self.url.database)?;
        if self.url.mode == Mode::Sentinel {
            let name = place.to_string();
            let role: Value =
                redis::cmd("ROLE").query(&mut connection).map_err(|error| Failure::driver(&name, &error))?;
            let is_primary = matches!(&role, Value::Array(parts)
                if matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master"));
            if !is_primary {
                return Err(Failure::new(Class::Resolve, failed(&name, "this server is not the primary any more")));
            }
        }
        Ok(connection)
    }

    fn open(&self, place: &Place, credentials: &Credentials, database: i64) -> Result<Connection, Failure> {
        let name = place.to_string();
        let wrap = |error: RedisError| Failure::driver(&name, &error);
        let client = self.client(place, credentials, database).map_err(wrap)?;
        let connection =
            client.get_connection_with_timeout(self.connect_timeout).map_err(|error| {
                match about_the_port(&error, self.url.tls && matches!(place, Place::Tcp(..))) {
                    Some(advice) => Failure::new(Class::Resolve, failed(&name, advice)),
                    None => wrap(error),
                }
            })?;
        connection.set_read_timeout(Some(self.command_timeout)).map_err(wrap)?;
        connection.set_write_timeout(Some(self.command_timeout)).map_err(wrap)?;
        Ok(connection)
    }

    fn client(&self, place: &Place, credentials: &Credentials, database: i64) -> redis::RedisResult<Client> {
        let address = match place {
            Place::Unix(path) => ConnectionAddr::Unix(path.clone()),
            Place::Tcp(host, port) if self.url.tls => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
            }
            Place::Tcp(host, port) => ConnectionAddr::Tcp(host.clone(), *port),
        };
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name()
            .set_db(database);
        if let Some(password) = &credentials.password {
            settings = settings.set_password(password);
        }
        if let Some(user) = &credentials.user {
            settings = settings.set_username(user);
        }
        let info: ConnectionInfo = address
            .into_connection_info()?
            .set_redis_settings(settings)
            .set_tcp_settings(TcpSettings::default().set_nodelay(true));
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }
}

fn certificates(url: &RedisUrl) -> Result<TlsCertificates> {
    let read = |path: &Path| {
        fs::read(path)
            .map_err(|error| unusable(&url.to_string(), format!("{} cannot be read: {error}", path.display())))
    };
    let client_tls = match (&url.client_cert, &url.client_key) {
        (Some(certificate), Some(key)) => {
            Some(ClientTlsConfig { client_cert: read(certificate)?, client_key: read(key)? })
        }
        _ => None,
    };
    let root_cert = url.ca_cert.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

/// First slot, last slot, and primary of each range. A node that does not know its own name leaves it empty: then the primary is
/// `asked`.
fn slot_ranges(answer: &Value, asked: &Place) -> Vec<(u16, u16, Place)> {
    let Value::Array(ranges) = answer else { return Vec::new() };
    let read = |range: &Value| {
        let Value::Array(parts) = range else { return None };
        let [Value::Int(from), Value::Int(to), Value::Array(node), ..] = &parts[..] else { return None };
        let [host, Value::Int(port), ..] = &node[..] else { return None };
        let place = match (host, asked) {
            (Value::BulkString(host), _) if !host.is_empty() && host != b"?" => {
                Place::Tcp(String::from_utf8_lossy(host).into_owned(), *port as u16)
            }
            (_, Place::Tcp(host, _)) => Place::Tcp(host.clone(), *port as u16),
            (_, Place::Unix(_)) => asked.clone(),
        };
        Some((*from as u16, *to as u16, place))
    };
    ranges.iter().filter_map(read).collect()
}
