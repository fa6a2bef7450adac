//! Other ways to reach a server: TLS with verification, a Unix socket, a user of the ACL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::*;
use pynenc_core::conformance::Fixture;
use pynenc_core::wait::Waiter;
use pynenc_store_redis::RedisStore;

/// A CA, and certificates of a server and a client signed by it, in `folder`.
fn certificates(folder: &Path) {
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        command.args(arguments.split_whitespace()).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().unwrap_or_else(|error| panic!("this test needs the openssl command: {error}"));
        assert!(status.success(), "{arguments}");
    };
    std::fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1,DNS:localhost").unwrap();
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca");
    for name in ["server", "client"] {
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile san"
        ));
    }
}

fn works(url: &str) {
    let store = open(url);
    let id = submit(&*store);
    let mut waiter = Waiter::new(store.clone(), &[id]);
    assert!(waiter.ready().unwrap().is_empty());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(100));
            let owner = claim(&*open_same(url, &store), 1)[0].ownership();
            succeed(&*store, owner);
        });
        assert_eq!(waiter.wait(Some(Instant::now() + PATIENCE)).unwrap().len(), 1);
    });
}

/// The same handle, because no other handle knows its app id.
fn open_same(_url: &str, store: &std::sync::Arc<RedisStore>) -> std::sync::Arc<RedisStore> {
    store.clone()
}

/// A server that speaks TLS and wants certificates, its port, and the query of a URL that reaches it.
fn secured(folder: &Path) -> (Server, u16, String) {
    certificates(folder);
    let path = |name: &str| folder.join(name).display().to_string();
    let port = free_port();
    let server = Server::with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &path("server.pem"),
        "--tls-key-file",
        &path("server.key"),
        "--tls-ca-cert-file",
        &path("ca.pem"),
        "--tls-auth-clients",
        "yes",
        "--save",
        "",
    ]);
    let query =
        format!("ca_cert={}&client_cert={}&client_key={}", path("ca.pem"), path("client.pem"), path("client.key"));
    (server, port, query)
}

mod conformance {
    use super::*;

    fn over_tls() -> Fixture {
        static SERVER: OnceLock<(Server, u16, String)> = OnceLock::new();
        let (_, port, query) = SERVER.get_or_init(|| {
            // A folder that nobody has to remove, because a static is never dropped.
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certificates");
            std::fs::create_dir_all(&folder).unwrap();
            secured(&folder)
        });
        fixture(&format!("rediss://127.0.0.1:{port}?{query}"), |_| {})
    }

    pynenc_core::store_conformance!(over_tls());
}

#[test]
fn tls_is_verified_and_works_with_client_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (_server, port, query) = secured(folder.path());
    for host in ["127.0.0.1", "localhost"] {
        works(&format!("rediss://{host}:{port}?{query}"));
    }
    let quick = |url: &str| {
        let mut options = options(url);
        options.retry_deadline = Duration::from_millis(100);
        RedisStore::open(options)
    };
    assert!(quick(&format!("rediss://127.0.0.1:{port}")).is_err(), "the CA is not known to the system");
    let without = format!("rediss://127.0.0.1:{port}?ca_cert={}", path("ca.pem"));
    assert!(quick(&without).is_err(), "the server wants a client certificate");
}

#[test]
fn a_socket_works_like_a_port() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("r.sock").display().to_string();
    let _server = Server::with(&["--unixsocket", &socket, "--save", ""]);
    works(&format!("redis+unix://{socket}"));
    works(&format!("redis+unix://{socket}?db=3"));
}
