//! What a fault may do, and no more: whose users are served all the while, and how soon all agree once its cause is gone.
//! And what a fault has to tell of itself: when it was, and what shows that anything was wrong at all.

use std::time::Duration;

use testcontainers_suite::world::Service;
use tokio::time::Instant;

/// Requirement P3: what one service does, the others know within this time.
const CONVERGES_WITHIN: Duration = Duration::from_secs(5);

/// What has to hold of a round.
#[derive(Debug, Clone, Copy)]
pub struct Contract {
    /// Whose users are served, some of them at least: see [`crate::load::record::Seen::served`].
    pub serves: &'static [Service],
    /// Whose users feel nothing, none of them: see [`testcontainers_suite::served::outages`]. Of these services a row shows
    /// neither a request to come again nor one that is lost or not answered; whatever it has of them is of the others.
    pub unhurt: &'static [Service],
    /// All agree so soon after the cause is gone.
    pub agrees_within: Duration,
    /// So many messages become dead letters.
    pub letters: i64,
    /// No request fails, but for an answer to come again.
    pub smooth: bool,
    /// A whole sale begins and ends meanwhile.
    pub sells: bool,
    /// Settlement forgets what it has done since some moment, see [`Self::doing_again`].
    pub again: bool,
    /// So many movements of money the gateway has, and the books do not.
    pub unbooked: u64,
}

impl Contract {
    /// All users are served, and feel nothing: the broker is away, which users do not wait for, or nothing is wrong that
    /// they could see.
    pub const ALL_SERVE: Self = Self::serving(&Service::ALL);
    /// Every service is hurt: its users may be told to come again, all of them.
    pub const NONE_SERVES: Self = Self::serving(&[]);

    const fn serving(serves: &'static [Service]) -> Self {
        Self {
            serves,
            unhurt: serves,
            agrees_within: CONVERGES_WITHIN,
            letters: 0,
            smooth: false,
            sells: false,
            again: false,
            unbooked: 0,
        }
    }

    /// One service is hurt; users of the others are served, and feel nothing. No service asks another to answer a request,
    /// so there is nothing that one of them could lack.
    pub const fn all_serve_but(hurt: Service) -> Self {
        Self::serving(others(hurt))
    }

    /// All are hurt, and go on: some of their users may be told to come again, or lose a connection.
    pub const fn felt_by_all(self) -> Self {
        Self { unhurt: &[], ..self }
    }

    /// The same of one service only.
    pub const fn felt_by_users_of(self, hurt: Service) -> Self {
        Self { unhurt: others(hurt), ..self }
    }

    /// It takes so long to notice what has happened: all agree later by that.
    pub const fn noticed_within(self, time: Duration) -> Self {
        Self { agrees_within: CONVERGES_WITHIN.saturating_add(time), ..self }
    }

    /// So many messages become dead letters; none otherwise.
    pub const fn burying(self, letters: i64) -> Self {
        Self { letters, ..self }
    }

    /// No request fails, but for an answer to come again.
    pub const fn smoothly(self) -> Self {
        Self { smooth: true, ..self }
    }

    /// A whole sale begins and ends meanwhile.
    pub const fn selling(self) -> Self {
        Self { sells: true, ..self }
    }

    /// Settlement forgets what it has done since some moment. People do again what it asks of them, and only in the end is it
    /// certain that what was paid is in the books. What it tells anew gets the numbers of what it has forgotten, so nobody asks
    /// how its events are numbered; then it counts them on from where nobody has heard of any, so the others hear of them, and
    /// have to find that numbers are missing: what they miss was never told. So many movements of money have to be left that
    /// only the gateway knows, of what nobody does again.
    pub const fn doing_again(self, unbooked: u64) -> Self {
        Self { again: true, unbooked, ..self }
    }
}

const fn others(service: Service) -> &'static [Service] {
    match service {
        Service::Listing => &[Service::Bidding, Service::Settlement],
        Service::Bidding => &[Service::Listing, Service::Settlement],
        Service::Settlement => &[Service::Listing, Service::Bidding],
    }
}

/// A fault whose cause is gone.
#[derive(Debug)]
pub struct Mended {
    /// When it began.
    pub since: Instant,
    /// When its cause was gone, whatever had still to be noticed.
    pub gone: Instant,
    /// What shows that it was there.
    pub proof: Proof,
}

/// What shows that something was wrong.
#[derive(Debug)]
pub enum Proof {
    /// The fault itself has seen this.
    Seen(String),
    /// Users cannot but have felt it: some of them were told to come again, or lost a connection.
    Felt,
}

impl Mended {
    /// The cause is gone at this moment.
    pub fn now(since: Instant, seen: impl Into<String>) -> Self {
        Self { since, gone: Instant::now(), proof: Proof::Seen(seen.into()) }
    }
}
