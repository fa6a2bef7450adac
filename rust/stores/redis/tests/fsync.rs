//! `durability = fsync`: no write is acknowledged before the server confirms that it is on its disk.
//!
//! Debian's Redis is older than the command for it. A stand-in in front of the server claims to be newer, and answers the command as
//! the test says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use common::*;
use pynenc_core::settle::Settled;
use pynenc_core::store::Store;
use pynenc_store_redis::{Durability, RedisOptions, RedisStore};

const CONFIRM: &str = "WAITAOF\r\n$1\r\n1\r\n";
/// Counts the requests, and keeps the arguments of the command.
const ANSWER: &str = "redis.call('INCR', 'asked') return { tonumber(redis.call('GET', 'confirms')), 0 }";

fn stand_in(server: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) else { continue };
            let (up, down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let asks = format!("$4\r\nEVAL\r\n${}\r\n{ANSWER}\r\n", ANSWER.len());
            std::thread::spawn(move || pass(up, down, &format!("$7\r\n{CONFIRM}"), &asks));
            std::thread::spawn(move || pass(server, client, "redis_version:7.0.", "redis_version:7.2."));
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream, what: &str, instead: &str) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(n) = from.read(&mut buffer) {
        // Bytes as characters, so that bytes that are no text pass unchanged.
        let text: String = buffer[..n].iter().map(|&byte| char::from(byte)).collect();
        let bytes: Vec<u8> = text.replace(what, instead).chars().map(|one| one as u8).collect();
        if n == 0 || to.write_all(&bytes).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn a_write_that_the_disk_does_not_confirm_is_not_acknowledged() {
    let server = Server::with(&["--appendonly", "yes"]);
    let version: String = server.run(&["INFO", "server"]);
    if !version.contains("redis_version:7.0.") {
        return a_server_that_can_confirms_by_itself(&server);
    }
    let confirms = |count: &str| server.run::<()>(&["SET", "confirms", count]);
    let asked = || server.run::<Option<u32>>(&["GET", "asked"]).unwrap_or_default();
    confirms("1");
    let mut options = RedisOptions { durability: Durability::Fsync, ..options(&server.url()) };
    assert!(RedisStore::open(options.clone()).is_err(), "the server itself cannot confirm");
    options.url = pynenc_store_redis::parse_url(&format!("redis://127.0.0.1:{}", stand_in(server.port))).unwrap();
    options.retry_deadline = Duration::from_millis(300);
    let store = RedisStore::open(options).unwrap();

    // Scripts that the server does not know are sent again, and confirmed again.
    succeed(&*store, {
        submit(&*store);
        claim(&*store, 1)[0].ownership()
    });
    let before = asked();
    let known = submit(&*store);
    assert_eq!(asked(), before + 1, "one for the submission");
    let owner = claim(&*store, 1)[0].ownership();
    assert_eq!((owner.id, asked()), (known, before + 1), "a claim waits for no disk: a lease protects it");

    confirms("0");
    let one = call();
    let refused = store.submit(std::slice::from_ref(&one)).unwrap_err().to_string();
    assert!(refused.contains("not confirmed"), "{refused}");
    let refused = store.settle(&[success(owner)]).unwrap_err().to_string();
    assert!(refused.contains("not confirmed"), "{refused}");

    confirms("1");
    store.submit(std::slice::from_ref(&one)).unwrap();
    assert_eq!(store.settle(&[success(owner)]).unwrap(), [Settled::Replayed], "it had been written, and counts once");
    assert_eq!(claim(&*store, 5).iter().map(|claim| claim.id).collect::<Vec<_>>(), [one.id]);
}

/// A server with the command needs no stand-in. The test cannot make it refuse.
fn a_server_that_can_confirms_by_itself(server: &Server) {
    let store = RedisStore::open(RedisOptions { durability: Durability::Fsync, ..options(&server.url()) }).unwrap();
    let asked = || {
        let calls: String = server.run(&["INFO", "commandstats"]);
        let calls = calls.split_once("cmdstat_waitaof:calls=").and_then(|(_, rest)| rest.split_once(','));
        calls.map_or(0, |(count, _)| count.parse::<u32>().unwrap())
    };
    submit(&*store);
    let before = asked();
    let known = submit(&*store);
    assert_eq!(asked(), before + 1, "one for the submission");
    let claims = claim(&*store, 2);
    assert_eq!((claims[1].id, asked()), (known, before + 1), "a claim waits for no disk: a lease protects it");
    assert_eq!(store.settle(&[success(claims[0].ownership())]).unwrap(), [Settled::Done]);
    assert!(asked() > before + 1, "and one for the outcome");
}
