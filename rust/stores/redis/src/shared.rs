//! What the verbs of one handle share.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::checksum;
use crate::link::{Closing, Link};
use crate::options::{Durability, RedisOptions};
use crate::push::Ear;
use crate::script::Request;
use pynenc_core::Error;
use pynenc_core::Result;
use pynenc_core::clock::{Clock, SystemClock};
use pynenc_core::ids::{Fence, InvocationId, Millis, RunnerKey};
use pynenc_core::notify::Hub;
use pynenc_core::sync::Mutex;

/// One handle: its connections, and what it hears.
pub struct Shared {
    pub options: RedisOptions,
    pub hub: Arc<Hub>,
    pub closing: Arc<Closing>,
    pub links: Vec<Arc<Link>>,
    pub ear: Ear,
    /// Claims that may have been made although their answer never came, by runner and shard: the next claim of the
    /// runner delivers them. Without it they would be renewed for ever by beats and run by no one.
    pub uncertain: Mutex<HashMap<(RunnerKey, usize), Vec<Fence>>>,
    /// Where the next claim begins, so that all shards are served alike.
    pub turn: AtomicUsize,
    /// Content of the marker key of each shard, as written or found when the handle was opened.
    pub markers: Vec<Mutex<Vec<u8>>>,
    pub emptied: AtomicBool,
    /// Short ways to count that the server's ACL refused: not asked for again, each refusal is a line in the ACL log.
    pub refused: Refused,
}

/// What the user of this handle may not read.
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

    /// The time that scripts go by, for tests; 0: the server's own.
    pub fn clock(&self) -> Millis {
        self.options.clock.as_ref().map_or(0, |clock| clock.wall())
    }

    /// The arguments with which every script begins; they follow the keys.
    pub fn common(&self, request: Request, link: &Link) -> Request {
        request
            .arg(link.keys.prefix())
            .number(self.clock())
            .number(self.options.retention)
            .number((self.options.max_payload_in_push + checksum::SIZE) as i64)
    }

    /// A time of the server, as this process's wall clock would say it.
    pub fn local_wall(&self, server_now: Millis, time: Millis) -> Millis {
        self.options.clock.as_ref().map_or_else(|| SystemClock.wall(), |clock| clock.wall()) + (time - server_now)
    }

    /// The same for the steady clock.
    pub fn local_steady(&self, server_now: Millis, time: Millis) -> Millis {
        self.options.clock.as_ref().map_or_else(|| SystemClock.steady(), |clock| clock.steady()) + (time - server_now)
    }

    /// The command that makes the server wait until what was written before is as safe as asked for.
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

    /// Say so, once, if the server has lost what it had when the handle was opened.
    pub fn check_marker(&self, shard: usize, seen: &[u8]) {
        if *self.markers[shard].lock() == seen {
            return;
        }
        if !self.emptied.swap(true, Ordering::AcqRel) {
            log::error!(
                "the Redis server at {} was emptied or replaced while in use: invocations that were accepted before are \
                 gone; see that persistence is on and that the right server answers",
                self.links[shard].place_name()
            );
        }
        *self.markers[shard].lock() = seen.to_vec();
    }

    pub fn check_open(&self) -> Result<()> {
        if self.closing.is_closed() { Err(Error::Closed("store")) } else { Ok(()) }
    }
}
