//! The memory store passes the suite of which it is the specification.

use pynenc_core::conformance::{Fixture, RETENTION};
use pynenc_core::memory::MemoryStore;

pynenc_core::store_conformance!(Fixture::open(|clock| (MemoryStore::new(clock, RETENTION), ())));
