//! What stands around any gateway: a bound on calls under way, the circuit breaker, and the measures of it all. What is
//! held back here never reached the gateway: it is unavailable, and the durable call comes again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::{Answer, CallKey, GatewayRef, Instruction, Movement, MovementKind};
use settlement_ports::{GatewayResult, GatewayStatement, Lookup, PaymentGateway, StatementError, StatementPage};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::breaker::{Breaker, Pass, Policy, State};
use crate::metrics::{BREAKER, CALLS, HELD_BACK};

/// A call waits so long for its turn. With the time limit of the call itself it stays well below a call's lease.
const TURN_WITHIN: Duration = Duration::from_secs(3);
/// Why a contact is not made: too many are under way, or the breaker is open.
const CONCURRENCY: &str = "concurrency";
const OPEN: &str = "breaker";

/// Any gateway, guarded.
pub struct Guarded<G> {
    gateway: G,
    turns: Semaphore,
    breaker: Mutex<Breaker>,
    began: Instant,
}

/// A call under way. Dropping it unanswered tells the breaker that nobody waits any more.
struct UnderWay<'a> {
    breaker: &'a Mutex<Breaker>,
    pass: Option<Pass>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            lock(self.breaker).abandon(pass);
        }
    }
}

fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<G> Guarded<G> {
    /// At most `at_once` calls under way.
    pub fn new(gateway: G, at_once: usize, policy: Policy) -> Self {
        BREAKER.set(0);
        // Visible from the start, at zero: what is missing cannot be alerted on.
        for reason in [CONCURRENCY, OPEN] {
            HELD_BACK.with_label_values(&[reason]);
        }
        Self {
            gateway,
            turns: Semaphore::new(at_once),
            breaker: Mutex::new(Breaker::new(policy)),
            began: Instant::now(),
        }
    }

    /// Whether the gateway is left alone for the time being.
    pub fn state(&self) -> State {
        lock(&self.breaker).state()
    }

    /// Makes a call when its turn comes and the breaker lets it pass. `outcome` names what came of it, and says whether
    /// the gateway works: a refusal is an answer like any other.
    async fn guarded<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = T>,
        outcome: impl FnOnce(&T) -> (&'static str, bool),
    ) -> Option<T> {
        let Ok(Ok(_turn)) = timeout(TURN_WITHIN, self.turns.acquire()).await else {
            HELD_BACK.with_label_values(&[CONCURRENCY]).inc();
            return None;
        };
        let Some(pass) = self.with_breaker(Breaker::pass) else {
            HELD_BACK.with_label_values(&[OPEN]).inc();
            return None;
        };
        let mut under_way = UnderWay { breaker: &self.breaker, pass: Some(pass) };
        let asked = Instant::now();
        let result = call.await;
        let (name, works) = outcome(&result);
        CALLS.with_label_values(&[operation, name]).observe(asked.elapsed().as_secs_f64());
        if let Some(pass) = under_way.pass.take() {
            self.with_breaker(|breaker, now| breaker.record(pass, works, now));
        }
        Some(result)
    }

    /// Works with the breaker, and tells when its state changed.
    fn with_breaker<T>(&self, work: impl FnOnce(&mut Breaker, Duration) -> T) -> T {
        let mut breaker = lock(&self.breaker);
        let before = breaker.state();
        let done = work(&mut breaker, self.began.elapsed());
        let after = breaker.state();
        drop(breaker);
        if before != after {
            BREAKER.set(match after {
                State::Closed => 0,
                State::HalfOpen => 1,
                State::Open => 2,
            });
            match after {
                State::Open => tracing::error!("the payment gateway fails and is left alone for a while"),
                State::HalfOpen => tracing::info!("the payment gateway is tried again"),
                State::Closed => tracing::info!("the payment gateway works again"),
            }
        }
        done
    }
}

#[async_trait]
impl<G: PaymentGateway> PaymentGateway for Guarded<G> {
    async fn execute(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        let outcome = |result: &GatewayResult| match result {
            GatewayResult::Answered(Answer::Succeeded { .. }) => ("succeeded", true),
            GatewayResult::Answered(Answer::Declined(_)) => ("declined", true),
            GatewayResult::Unknown => ("unknown", false),
            GatewayResult::Unavailable => ("unavailable", false),
        };
        let call = self.gateway.execute(key, instruction);
        self.guarded(instruction.operation().name(), call, outcome).await.unwrap_or(GatewayResult::Unavailable)
    }

    async fn lookup(&self, key: &CallKey, instruction: &Instruction) -> Lookup {
        let outcome = |found: &Lookup| match found {
            Lookup::Answered(Answer::Succeeded { .. }) => ("succeeded", true),
            Lookup::Answered(Answer::Declined(_)) => ("declined", true),
            Lookup::Absent => ("absent", true),
            Lookup::Unavailable => ("unavailable", false),
        };
        self.guarded("lookup", self.gateway.lookup(key, instruction), outcome).await.unwrap_or(Lookup::Unavailable)
    }
}

/// A list that cannot be read is an answer; one that does not come is a failure.
const fn list<T>(told: &Result<T, StatementError>) -> (&'static str, bool) {
    match told {
        Ok(_) => ("succeeded", true),
        Err(StatementError::Unreadable(_)) => ("unreadable", true),
        Err(StatementError::Unavailable(_)) => ("unavailable", false),
    }
}

fn held_back<T>() -> Result<T, StatementError> {
    Err(StatementError::Unavailable("the gateway is left alone for a while, or is busy".to_owned()))
}

#[async_trait]
impl<G: GatewayStatement> GatewayStatement for Guarded<G> {
    async fn page(
        &self,
        kind: MovementKind,
        since: DateTime<Utc>,
        after: Option<String>,
    ) -> Result<StatementPage, StatementError> {
        self.guarded("statement", self.gateway.page(kind, since, after), list).await.unwrap_or_else(held_back)
    }

    async fn movement(&self, kind: MovementKind, reference: &GatewayRef) -> Result<Option<Movement>, StatementError> {
        self.guarded("statement", self.gateway.movement(kind, reference), list).await.unwrap_or_else(held_back)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use settlement_domain::Operation;
    use tokio::sync::Notify;

    use super::*;

    /// Answers as told, when told, and counts.
    #[derive(Default)]
    struct Told {
        works: AtomicBool,
        holds: AtomicBool,
        go: Notify,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl PaymentGateway for &Told {
        async fn execute(&self, _: &CallKey, _: &Instruction) -> GatewayResult {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.holds.load(Ordering::SeqCst) {
                self.go.notified().await;
            }
            if self.works.load(Ordering::SeqCst) {
                GatewayResult::Answered(Answer::Succeeded { reference: GatewayRef::from("done".to_owned()) })
            } else {
                GatewayResult::Unknown
            }
        }

        async fn lookup(&self, _: &CallKey, _: &Instruction) -> Lookup {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if self.works.load(Ordering::SeqCst) { Lookup::Absent } else { Lookup::Unavailable }
        }
    }

    #[async_trait]
    impl GatewayStatement for &Told {
        async fn page(
            &self,
            _: MovementKind,
            _: DateTime<Utc>,
            _: Option<String>,
        ) -> Result<StatementPage, StatementError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Err(StatementError::Unavailable("it is away".to_owned()))
        }

        async fn movement(&self, _: MovementKind, _: &GatewayRef) -> Result<Option<Movement>, StatementError> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            Ok(None)
        }
    }

    const QUICK: Policy = Policy {
        window: Duration::from_secs(30),
        failures: 2,
        rest: Duration::ZERO,
        longest_rest: Duration::ZERO,
        probes: 1,
        recoveries: 1,
    };

    fn void() -> (CallKey, Instruction) {
        let hold = GatewayRef::from("hold".to_owned());
        (
            CallKey::new(settlement_domain::SettlementId::from(uuid::Uuid::nil()), Operation::Void, 1),
            Instruction::Void { hold },
        )
    }

    #[tokio::test]
    async fn a_gateway_that_fails_is_left_alone_and_is_told_as_unavailable() {
        let told = Told::default();
        let gateway = Guarded::new(&told, 8, Policy { rest: Duration::from_secs(600), ..QUICK });
        let (key, void) = void();
        assert_eq!(gateway.execute(&key, &void).await, GatewayResult::Unknown);
        assert_eq!(gateway.lookup(&key, &void).await, Lookup::Unavailable);
        assert_eq!(gateway.state(), State::Open);
        assert_eq!(gateway.execute(&key, &void).await, GatewayResult::Unavailable);
        assert_eq!(gateway.lookup(&key, &void).await, Lookup::Unavailable);
        assert_eq!(told.asked.load(Ordering::SeqCst), 2, "the gateway did not hear of the others");
    }

    #[tokio::test]
    async fn lists_go_by_the_same_breaker() {
        let told = Told::default();
        let gateway = Guarded::new(&told, 8, Policy { rest: Duration::from_secs(600), ..QUICK });
        let kind = MovementKind::Charge;
        assert_eq!(gateway.movement(kind, &GatewayRef::from("charge".to_owned())).await, Ok(None));
        for _ in 0..4 {
            let page = gateway.page(kind, DateTime::UNIX_EPOCH, None).await;
            assert!(matches!(page, Err(StatementError::Unavailable(_))));
        }
        assert_eq!((gateway.state(), told.asked.load(Ordering::SeqCst)), (State::Open, 3));
    }

    #[tokio::test]
    async fn a_gateway_that_works_again_is_found_out() {
        let told = Told::default();
        let gateway = Guarded::new(&told, 8, QUICK);
        let (key, void) = void();
        gateway.execute(&key, &void).await;
        gateway.execute(&key, &void).await;
        assert_eq!(gateway.state(), State::Open);
        told.works.store(true, Ordering::SeqCst);
        assert!(matches!(gateway.execute(&key, &void).await, GatewayResult::Answered(_)));
        assert_eq!(gateway.state(), State::Closed);
    }

    #[tokio::test]
    async fn no_more_calls_are_under_way_than_may_be() {
        let told = Told::default();
        told.works.store(true, Ordering::SeqCst);
        told.holds.store(true, Ordering::SeqCst);
        let gateway = Guarded::new(&told, 2, QUICK);
        let (key, void) = void();
        let asked = || told.asked.load(Ordering::SeqCst);
        let calls = async {
            tokio::join!(gateway.execute(&key, &void), gateway.execute(&key, &void), gateway.execute(&key, &void))
        };
        let watch = async {
            while asked() < 2 {
                tokio::task::yield_now().await;
            }
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(asked(), 2, "the third waits for its turn");
            told.holds.store(false, Ordering::SeqCst);
            told.go.notify_waiters();
        };
        tokio::join!(calls, watch);
        assert_eq!(asked(), 3);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_leaves_its_probe_to_the_next() {
        let told = Told::default();
        let gateway = Guarded::new(&told, 8, QUICK);
        let (key, void) = void();
        gateway.execute(&key, &void).await;
        gateway.execute(&key, &void).await;
        told.holds.store(true, Ordering::SeqCst);
        assert!(timeout(Duration::from_millis(1), gateway.execute(&key, &void)).await.is_err());
        assert_eq!(gateway.state(), State::HalfOpen);
        told.holds.store(false, Ordering::SeqCst);
        told.works.store(true, Ordering::SeqCst);
        assert!(matches!(gateway.execute(&key, &void).await, GatewayResult::Answered(_)));
    }
}
