//! How a store fails, by what a caller can do about it.

/// A failed contact with the store. The unit of work it happened in is lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another unit of work came first: do it again from the beginning, a bounded number of times.
    #[error("another unit of work came first")]
    Conflict,
    /// Another unit of work has had what is needed for too long: to be tried again later.
    #[error("another unit of work has had what is needed for too long")]
    Locked,
    /// The store cannot be reached or took too long. Whether a commit took place is not known.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is stored cannot be understood: a defect.
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(String),
}
