//! What the verbs of one handle share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::checksum;
use crate::link::Link;
use crate::options::{Durability, RedisOptions};
use crate::pauses::Closing;
use crate::script::Request;
use crate::subscriber::Subscriber;
use pynenc_core::Result;
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::error::{Error, Part};
use pynenc_core::ids::{Fence, InvocationId, Millis, RunnerKey};
use pynenc_core::notify::Hub;
use pynenc_core::sync::Mutex;

/// One handle: its connections and its subscriptions.
pub struct Shared {
    pub options: RedisOptions,
    pub hub: Arc<Hub>,
    pub closing: Arc<Closing>,
    pub links: Vec<Arc<Link>>,
    pub subscriber: Subscriber,
    /// Fences of claims whose answers were lost, by runner and shard. The next claim of the runner delivers the claims that were
    /// made. Otherwise beats would renew them for ever, and nobody would run them.
    pub uncertain: Mutex<HashMap<(RunnerKey, usize), Vec<Fence>>>,
    /// Shard that the next claim asks first, so that all shards are served equally.
    pub turn: AtomicUsize,
    /// Marker of each shard, as found when the handle was opened.
    pub markers: Vec<Mutex<Vec<u8>>>,
    /// Whether the loss of data was logged.
    pub emptied: AtomicBool,
    /// Short ways to count that the server's ACL has refused. They are not tried again, because each refusal is a line in the
    /// ACL log.
    pub refused: Refused,
}

/// Keys that the user of this handle may not read.
#[derive(Default)]
pub struct Refused {
    pub queues: AtomicBool,
    pub leases: AtomicBool,
}

impl Shared {
    pub fn link(&self, id: InvocationId) -> &Arc<Link> {
        &self.links[self.shard(id)]
    }

    pub fn shard(&self, id: InvocationId) -> usize {
        usize::from(id.shard()) % self.links.len()
    }

    /// Time for scripts, which tests set; 0: the server's clock.
    pub fn clock(&self) -> Millis {
        self.options.clock.as_ref().map_or(0, |clock| clock.wall())
    }

    /// Add the arguments that every script takes first, behind the keys.
    pub fn common(&self, request: Request, link: &Link) -> Request {
        request
            .arg(link.keys.prefix())
            .number(self.clock())
            .number(self.options.retention)
            .number((self.options.max_payload_in_push + checksum::SIZE) as i64)
    }

    /// Converts a time of the server into the wall clock of this process.
    pub fn local_wall(&self, server_now: Millis, time: Millis) -> Millis {
        self.options.clock.as_ref().map_or_else(|| SystemClock.wall(), |clock| clock.wall()) + (time - server_now)
    }

    /// Converts a time of the server into the steady clock of this process.
    pub fn local_steady(&self, server_now: Millis, time: Millis) -> Millis {
        self.options.clock.as_ref().map_or_else(|| SystemClock.steady(), |clock| clock.steady()) + (time - server_now)
    }

    /// The command that waits until earlier writes are as durable as the options ask; `None` if there is nothing to wait for.
    pub fn confirmation(&self) -> Option<Request> {
        let timeout = (self.options.command_timeout.as_millis() / 2).to_string();
        let mut request = match self.options.durability {
            Durability::Fast => return None,
            Durability::Fsync => Request::command(&[b"WAITAOF", b"1", b"0", timeout.as_bytes()]),
            Durability::Replicated(replicas) => {
                Request::command(&[b"WAIT", replicas.to_string().as_bytes(), timeout.as_bytes()])
            }
        };
        request.confirms = Some(self.options.durability);
        Some(request)
    }

    /// Log an error, once, if the server has lost the data that it had when the handle was opened.
    pub fn check_marker(&self, shard: usize, seen: &[u8]) {
        if *self.markers[shard].lock() == seen {
            return;
        }
        if !self.emptied.swap(true, Ordering::AcqRel) {
            log::error!(
                "the Redis server at {} was emptied or replaced while in use: invocations accepted before are gone. Check that \
                 persistence is on and that the URL leads to the right server",
                self.links[shard].place_name()
            );
        }
        *self.markers[shard].lock() = seen.to_vec();
    }

    /// Fails if the handle is closed.
    pub fn check_open(&self) -> Result<()> {
        if self.closing.is_closed() { Err(Error::Closed(Part::Store)) } else { Ok(()) }
    }
}
