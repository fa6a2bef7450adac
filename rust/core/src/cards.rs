//! Cards: what runners publish about themselves, for people who want to know which runners there are.

/// The most cards that one read returns.
pub const MOST_CARDS: usize = 1000;
