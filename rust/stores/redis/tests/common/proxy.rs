//! A proxy in front of a server that can lose a request, or pass it on and lose the answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pynenc_core::sync::Mutex;

/// Fault of the next matching request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lose {
    /// The connection ends before the server sees it.
    Request,
    /// The server executes it, then the connection ends.
    Answer,
}

/// The next request to lose: the first one that contains this word.
type Armed = Mutex<Option<(Lose, String)>>;

pub struct Proxy {
    pub port: u16,
    armed: Arc<Armed>,
}

impl Proxy {
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::<Armed>::default();
        let theirs = armed.clone();
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) else { continue };
                serve(client, server, theirs.clone());
            }
        });
        Self { port, armed }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn lose(&self, what: Lose) {
        self.lose_with(what, "");
    }

    /// Lose the next request that contains this word, such as the hash of a script that the server knows.
    pub fn lose_with(&self, what: Lose, word: &str) {
        *self.armed.lock() = Some((what, word.to_owned()));
    }

    /// Whether the request was lost.
    pub fn has_lost(&self) -> bool {
        self.armed.lock().is_none()
    }
}

/// Decide about a request.
fn strike(armed: &Armed, request: &[u8]) -> Option<Lose> {
    let mut armed = armed.lock();
    let (_, word) = armed.as_ref()?;
    let hit = word.is_empty() || request.windows(word.len()).any(|part| part == word.as_bytes());
    if hit { armed.take().map(|(lose, _)| lose) } else { None }
}

fn serve(client: TcpStream, server: TcpStream, armed: Arc<Armed>) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let lose_answer = Arc::<AtomicBool>::default();
    let (up_from, up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let flag = lose_answer.clone();
    std::thread::spawn(move || {
        pump(up_from, up_to, |request| {
            let lost = strike(&armed, request);
            if lost == Some(Lose::Answer) {
                flag.store(true, Ordering::SeqCst);
            }
            lost != Some(Lose::Request)
        });
    });
    std::thread::spawn(move || pump(server, client, |_| !lose_answer.load(Ordering::SeqCst)));
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || !may_pass(&buffer[..n]) || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
