//! An error says that a URL leads to another kind of port.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use common::*;
use pynenc_store_redis::{RedisOptions, RedisStore};

fn refusal(url: &str) -> String {
    let short = Duration::from_millis(400);
    let options =
        RedisOptions { retry_deadline: short, connect_timeout: short, command_timeout: short, ..options(url) };
    RedisStore::open(options).err().expect("it cannot be opened").to_string()
}

/// The port of a server that answers like a web server.
fn web_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    port
}

#[test]
fn an_error_says_that_a_web_server_is_no_redis_server() {
    let message = refusal(&format!("redis://127.0.0.1:{}/0", web_server()));
    assert!(message.contains("no Redis server, but perhaps a web server"), "{message}");
    assert!(message.contains("check host and port of the URL") && !message.contains('\n'), "{message}");
}

#[test]
fn an_error_of_tls_to_a_plain_port_names_the_scheme_to_use() {
    let server = Server::start();
    for port in [server.port, web_server()] {
        let message = refusal(&format!("rediss://127.0.0.1:{port}/0"));
        assert!(message.contains("no answer to the TLS handshake") && message.contains("use redis://"), "{message}");
    }
}

#[test]
fn a_closed_port_is_not_reported_as_a_wrong_port() {
    for scheme in ["redis", "rediss"] {
        let message = refusal(&format!("{scheme}://127.0.0.1:{}/0", free_port()));
        assert!(message.contains("refused") && !message.contains("TLS"), "{message}");
    }
}
