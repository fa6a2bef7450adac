//! Names of keys. Every key of a shard begins with its hash tag, so that a cluster keeps them on one node.

use pynenc_core::ids::InvocationId;

/// Kinds of keys. A name is the letters of its kind, then the part that distinguishes keys of the kind. The crate's documentation
/// lists all kinds.
#[derive(Clone, Copy)]
pub enum Kind {
    Meta,
    Order,
    OrderChunk,
    Record,
    ArgumentsApart,
    ResultApart,
    Queues,
    AloneQueues,
    Ready,
    Scheduled,
    /// Processes that are idle and serve a queue, or all queues.
    IdleFor,
    Idle,
    Leases,
    Owned,
    ToCancel,
    Finished,
    FinishedApart,
    Registration,
    Runners,
    RunnerCard,
}

impl Kind {
    fn letters(self) -> &'static str {
        match self {
            Kind::Meta => "m",
            Kind::Order => "o",
            Kind::OrderChunk => "o:",
            Kind::Record => "i:",
            Kind::ArgumentsApart => "d:",
            Kind::ResultApart => "e:",
            Kind::Queues => "Q",
            Kind::AloneQueues => "A",
            Kind::Ready => "q:",
            Kind::Scheduled => "s:",
            Kind::IdleFor => "b:",
            Kind::Idle => "b",
            Kind::Leases => "l",
            Kind::Owned => "w:",
            Kind::ToCancel => "c:",
            Kind::Finished => "f",
            Kind::FinishedApart => "g",
            Kind::Registration => "r:",
            Kind::Runners => "u",
            Kind::RunnerCard => "u:",
        }
    }
}

/// The name of the queue in which invocations of `queue` wait that run alone in their process. No other queue has such a name.
pub fn alone(queue: &str) -> String {
    format!("\u{1}{queue}")
}

/// Makes the names of the keys of one shard.
#[derive(Clone)]
pub struct Keys {
    prefix: Vec<u8>,
    shard: u16,
}

impl Keys {
    pub fn new(app_id: &str, shard: u16) -> Self {
        Self { prefix: format!("{{{app_id}:{shard}}}").into_bytes(), shard }
    }

    /// Number of the shard.
    pub fn shard(&self) -> u16 {
        self.shard
    }

    /// The prefix of every key.
    pub fn prefix(&self) -> &[u8] {
        &self.prefix
    }

    /// The key of this kind that `rest` distinguishes.
    pub fn key(&self, kind: Kind, rest: &[u8]) -> Vec<u8> {
        [&self.prefix, kind.letters().as_bytes(), rest].concat()
    }

    /// The key of a record.
    pub fn record(&self, id: InvocationId) -> Vec<u8> {
        self.key(Kind::Record, &id.to_bytes())
    }

    /// The channel of the process with this tag.
    pub fn channel(&self, tag: &[u8]) -> Vec<u8> {
        [&self.prefix, &b"p:"[..], tag].concat()
    }

    /// The slot of a cluster that has all keys of the shard: CRC16 (XMODEM) of the hash tag.
    pub fn slot(&self) -> u16 {
        let tag = &self.prefix[1..self.prefix.len() - 1];
        let crc = tag.iter().fold(0u16, |crc, byte| {
            (0..8).fold(
                crc ^ u16::from(*byte) << 8,
                |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 },
            )
        });
        crc % 16384
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slot_is_that_of_the_hash_tag() {
        // CRC16 of "123456789" is 0x31c3 by the specification of Redis Cluster.
        let keys = Keys { prefix: b"{123456789}".to_vec(), shard: 0 };
        assert_eq!(keys.slot(), 0x31c3);
    }
}
