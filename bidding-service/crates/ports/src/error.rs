//! How a store fails.

/// What a caller can do about a failed store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another unit of work was in the way: try again in a new one.
    #[error("the unit of work conflicts with another")]
    Conflict,
    /// Another unit of work has had what is needed for too long: try again later.
    #[error("another unit of work has what is needed")]
    Locked,
    /// The store cannot be reached or is overloaded: answer 503.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be understood: a person has to look.
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(String),
}
