//! Places for live streams: so many in all, and so many of one user, so that nobody takes them all.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::http::{StatusCode, header};
use bidding_domain::ids::UserId;

use crate::problem::ApiError;

/// Most streams at once.
const MAX_STREAMS: usize = 10_000;
/// Most streams of one user at once.
const MAX_STREAMS_OF_ONE: usize = 20;
/// Whoever finds no place comes again after so many seconds.
const RETRY_AFTER_S: u32 = 5;

/// The places of an instance.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of_one: HashMap<UserId, usize>,
}

/// A place that is taken, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    user: UserId,
}

impl Places {
    /// Takes a place for `user`: 429 when the user has too many streams, 503 when there are too many in all.
    pub(super) fn take(&self, user: &UserId) -> Result<Place, ApiError> {
        let mut taken = self.taken();
        let of_one = taken.of_one.get(user).copied().unwrap_or_default();
        if of_one >= MAX_STREAMS_OF_ONE {
            let title = "There are too many streams of one user";
            let detail = format!("a user has at most {MAX_STREAMS_OF_ONE} streams at once; end one of them");
            let refused = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "too-many-streams", title, detail);
            return Err(refused.header(header::RETRY_AFTER, &RETRY_AFTER_S.to_string()));
        }
        if taken.all >= MAX_STREAMS {
            return Err(ApiError::unavailable("there are too many streams", RETRY_AFTER_S));
        }
        taken.all += 1;
        taken.of_one.insert(user.clone(), of_one + 1);
        Ok(Place { places: self.clone(), user: user.clone() })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.all -= 1;
        if let Entry::Occupied(mut of_one) = taken.of_one.entry(self.user.clone()) {
            *of_one.get_mut() -= 1;
            if *of_one.get() == 0 {
                of_one.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    fn user(name: &str) -> UserId {
        UserId(name.to_owned())
    }

    fn refusal(refused: Result<Place, ApiError>) -> (String, StatusCode, bool) {
        let refused = refused.expect_err("no place");
        let (slug, response) = (refused.slug().to_owned(), refused.into_response());
        (slug, response.status(), response.headers().contains_key(header::RETRY_AFTER))
    }

    #[test]
    fn nobody_has_more_than_twenty_streams_and_the_others_have_theirs() {
        let places = Places::default();
        let taken: Vec<_> = (0..20).map(|_| places.take(&user("ann")).expect("a place")).collect();
        let refused = refusal(places.take(&user("ann")));
        assert_eq!(refused, ("too-many-streams".to_owned(), StatusCode::TOO_MANY_REQUESTS, true));
        assert!(places.take(&user("bob")).is_ok());
        drop(taken);
        assert!(places.take(&user("ann")).is_ok());
        assert!(places.taken().of_one.is_empty(), "nothing is kept of who has no stream");
    }

    #[test]
    fn there_are_no_more_streams_than_places() {
        let places = Places::default();
        let take = |number: usize| places.take(&user(&format!("user-{}", number / MAX_STREAMS_OF_ONE)));
        let mut taken: Vec<_> = (0..MAX_STREAMS).map(|number| take(number).expect("a place")).collect();
        let refused = refusal(places.take(&user("ann")));
        assert_eq!(refused, ("unavailable".to_owned(), StatusCode::SERVICE_UNAVAILABLE, true));
        taken.pop();
        assert!(places.take(&user("ann")).is_ok());
    }
}
