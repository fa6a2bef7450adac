//! A proxy before a server that can lose a request, or execute it and lose the answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// What happens to the next request, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lose {
    Nothing = 0,
    /// The connection ends before the server sees it.
    Request = 1,
    /// The server executes it, then the connection ends.
    Answer = 2,
}

pub struct Proxy {
    pub port: u16,
    armed: Arc<AtomicU8>,
}

impl Proxy {
    pub fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let armed = Arc::<AtomicU8>::default();
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
        self.armed.store(what as u8, Ordering::SeqCst);
    }

    /// Whether what was to be lost has been.
    pub fn has_lost(&self) -> bool {
        self.armed.load(Ordering::SeqCst) == 0
    }
}

fn serve(client: TcpStream, server: TcpStream, armed: Arc<AtomicU8>) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    let lose_answer = Arc::<AtomicBool>::default();
    let (up_from, up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let flag = lose_answer.clone();
    std::thread::spawn(move || {
        pump(up_from, up_to, || match armed.swap(0, Ordering::SeqCst) {
            1 => false,
            2 => {
                flag.store(true, Ordering::SeqCst);
                true
            }
            _ => true,
        });
    });
    std::thread::spawn(move || pump(server, client, || !lose_answer.load(Ordering::SeqCst)));
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut() -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(n) = from.read(&mut buffer) {
        if n == 0 || !may_pass() || to.write_all(&buffer[..n]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
