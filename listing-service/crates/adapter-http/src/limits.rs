//! Rate limits: of an address before it has shown a token, of a principal after; and how many
//! requests of each are under way. Told by the headers `RateLimit` and `RateLimit-Policy`
//! (draft-ietf-httpapi-ratelimit-headers-10).

use std::{
    collections::HashMap,
    hash::Hash,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};
use ipnet::IpNet;

use crate::problem::ApiError;

/// At most `burst` at once and `per_s` in the long run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second; 0 switches the limit off.
    pub per_s: u32,
    /// Requests at once.
    pub burst: u32,
}

type Governor<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// A limit for each key.
pub struct Limiter<K: Hash + Eq + Clone> {
    name: &'static str,
    rate: Rate,
    governor: Governor<K>,
    under_way: Mutex<HashMap<K, u32>>,
}

impl<K: Hash + Eq + Clone> Limiter<K> {
    /// `None` for a limit that is switched off.
    #[must_use]
    pub fn new(name: &'static str, rate: Rate) -> Option<Self> {
        let per_s = NonZeroU32::new(rate.per_s)?;
        let burst = NonZeroU32::new(rate.burst.max(1))?;
        let governor = RateLimiter::dashmap(Quota::per_second(per_s).allow_burst(burst)).with_middleware();
        Some(Self { name, rate, governor, under_way: Mutex::default() })
    }

    /// Forgets keys whose allowance is full again; call it now and then.
    pub fn forget_idle(&self) {
        self.governor.retain_recent();
        self.governor.shrink_to_fit();
    }

    fn check(&self, key: &K) -> Result<u32, u64> {
        match self.governor.check_key(key) {
            Ok(allowed) => Ok(allowed.remaining_burst_capacity()),
            Err(refused) => {
                let clock = DefaultClock::default();
                let wait = refused.wait_time_from(clock.now());
                Err(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
            }
        }
    }

    /// A place for a request, until it is answered or nobody waits for that any more. A key has as many as it may send
    /// requests in a second: who never ends a body holds those, and not the places of all.
    fn enter<'a>(&'a self, key: &'a K) -> Option<Place<'a, K>> {
        let mut under_way = self.under_way();
        let count = under_way.entry(key.clone()).or_insert(0);
        if *count >= self.rate.burst.max(self.rate.per_s) {
            return None;
        }
        *count += 1;
        Some(Place { limiter: self, key })
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn policy(&self) -> String {
        let window_s = self.rate.burst.div_ceil(self.rate.per_s).max(1);
        format!("\"{}\";q={};w={window_s}", self.name, self.rate.burst)
    }

    /// What is left, and in how many seconds all of it is back.
    fn standing(&self, remaining: u32) -> String {
        let reset_s = self.rate.burst.saturating_sub(remaining).div_ceil(self.rate.per_s);
        format!("\"{}\";r={remaining};t={reset_s}", self.name)
    }
}

/// What a request has while it is under way.
struct Place<'a, K: Hash + Eq + Clone> {
    limiter: &'a Limiter<K>,
    key: &'a K,
}

impl<K: Hash + Eq + Clone> Drop for Place<'_, K> {
    fn drop(&mut self) {
        let mut under_way = self.limiter.under_way();
        if let Some(count) = under_way.get_mut(self.key) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(self.key);
            }
        }
    }
}

/// Passes the request on, or refuses it with 429; either way the headers tell how matters stand.
pub(crate) async fn limited<K: Hash + Eq + Clone>(
    limiter: Option<&Limiter<K>>,
    key: &K,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(limiter) = limiter else { return Ok(next.run(request).await) };
    // Places come back as requests are answered: after a second another try is worth it.
    let admitted = limiter.check(key).and_then(|remaining| Ok((limiter.enter(key).ok_or(1_u64)?, remaining)));
    let (mut response, remaining) = match admitted {
        Ok((_place, remaining)) => (next.run(request).await, remaining),
        Err(wait_s) => {
            let title = "Too many requests";
            let detail = format!("the limit of this {} is reached; try again in {wait_s} s", limiter.name);
            let refused = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", title, detail)
                .header(header::RETRY_AFTER, &wait_s.to_string());
            (refused.into_response(), 0)
        }
    };
    // Appended: a request may stand under both limits, and the header is a list.
    for (name, value) in [("ratelimit-policy", limiter.policy()), ("ratelimit", limiter.standing(remaining))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// The limit of addresses, and which proxies may speak for others.
pub struct Addresses {
    /// `None` is off.
    pub limiter: Option<Limiter<IpAddr>>,
    /// Their `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// Limits an address, whatever it asks.
pub(crate) async fn by_address(
    State(addresses): State<Arc<Addresses>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let address = addresses.client(peer.ip(), request.headers());
    limited(addresses.limiter.as_ref(), &address, request, next).await
}

impl Addresses {
    /// The last address of the chain that no trusted proxy has.
    fn client(&self, peer: IpAddr, headers: &axum::http::HeaderMap) -> IpAddr {
        let trusted = |address: IpAddr| self.trusted_proxies.iter().any(|network| network.contains(&address));
        let mut client = peer;
        let chain = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let chain: Vec<_> = chain.flat_map(|value| value.split(',')).collect();
        for hop in chain.iter().rev() {
            if !trusted(client.to_canonical()) {
                break;
            }
            let Ok(address) = hop.trim().parse() else { break };
            client = address;
        }
        block(client.to_canonical())
    }
}

/// A subscriber has a whole /64 of IPv6 addresses (RFC 6177): they share one allowance.
fn block(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::{
        Router,
        body::{Body, Bytes},
        http::HeaderMap,
        middleware,
        routing::post,
    };
    use futures::{FutureExt, StreamExt, future::ready, stream};
    use tower::ServiceExt;

    use super::*;

    fn client(peer: &str, forwarded: &str) -> String {
        let addresses = Addresses { limiter: None, trusted_proxies: vec!["10.0.0.0/8".parse().expect("a network")] };
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().expect("a header value"));
        addresses.client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_may_speak_for_another() {
        assert_eq!(client("192.0.2.1", "203.0.113.9"), "192.0.2.1");
        assert_eq!(client("10.1.1.1", "203.0.113.9"), "203.0.113.9");
        assert_eq!(
            client("10.1.1.1", "198.51.100.7, 203.0.113.9, 10.2.2.2"),
            "203.0.113.9",
            "what it says may be forged"
        );
        assert_eq!(client("10.1.1.1", "nonsense"), "10.1.1.1");
    }

    #[test]
    fn neighbours_in_a_v6_network_share_an_allowance() {
        assert_eq!(client("2001:db8:1:2:3:4:5:6", ""), "2001:db8:1:2::");
        assert_eq!(client("::ffff:192.0.2.1", ""), "192.0.2.1");
    }

    #[test]
    fn a_limit_of_zero_is_off_and_a_burst_is_let_through_once() {
        assert!(Limiter::<u8>::new("principal", Rate { per_s: 0, burst: 9 }).is_none());
        let limiter = Limiter::new("principal", Rate { per_s: 1, burst: 2 }).expect("on");
        assert_eq!((limiter.check(&1), limiter.check(&1), limiter.check(&1)), (Ok(1), Ok(0), Err(1)));
        assert_eq!(limiter.check(&2), Ok(1), "another one has its own");
        assert_eq!(limiter.policy(), "\"principal\";q=2;w=2");
    }

    #[test]
    fn no_more_requests_are_under_way_than_may_come_in_a_second() {
        let limiter = Limiter::new("principal", Rate { per_s: 1, burst: 2 }).expect("on");
        let places = [limiter.enter(&1), limiter.enter(&1), limiter.enter(&1), limiter.enter(&2)];
        assert_eq!(places.each_ref().map(Option::is_some), [true, true, false, true], "another one has its own");
        drop(places);
        assert!(limiter.enter(&1).is_some(), "what is answered makes room");
        assert!(limiter.under_way().is_empty(), "nothing is kept of who is gone");
    }

    /// Answers when it has the whole body.
    async fn takes(_: Bytes) {}

    #[tokio::test]
    async fn a_body_that_does_not_end_holds_a_place_of_its_sender() {
        let sender = IpAddr::from([192, 0, 2, 1]);
        let limiter = Limiter::new("address", Rate { per_s: 1, burst: 1 });
        let addresses = Arc::new(Addresses { limiter, trusted_proxies: Vec::new() });
        let bound = middleware::from_fn_with_state(Arc::clone(&addresses), by_address);
        let router: Router = Router::new().route("/", post(takes)).layer(bound);
        let body = stream::once(ready(Ok::<_, Infallible>("{"))).chain(stream::pending());
        let request = Request::post("/").extension(ConnectInfo(SocketAddr::new(sender, 443)));
        let request = request.body(Body::from_stream(body)).expect("a request");
        let mut sent = Box::pin(router.oneshot(request));
        assert!(sent.as_mut().now_or_never().is_none(), "the rest is waited for");

        let limiter = addresses.limiter.as_ref().expect("on");
        assert!(limiter.enter(&sender).is_none(), "another one finds no place");
        drop(sent);
        assert!(limiter.enter(&sender).is_some());
    }
}
