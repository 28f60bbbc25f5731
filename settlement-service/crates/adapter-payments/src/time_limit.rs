//! No call without a time limit.

use std::time::Duration;

use async_trait::async_trait;
use settlement_domain::{CallKey, Instruction};
use settlement_ports::{GatewayResult, Lookup, PaymentGateway};
use tokio::time::timeout;

/// A third of a call's lease: a worker that waited this long still has time to store what came of it.
pub const DEFAULT_LIMIT: Duration = Duration::from_secs(10);

/// Any gateway, given up on after a time: what it did until then is unknown.
pub struct TimeLimited<G> {
    gateway: G,
    limit: Duration,
}

impl<G> TimeLimited<G> {
    /// The limit MUST be well below [`settlement_domain::call::LEASE_S`].
    pub const fn new(gateway: G, limit: Duration) -> Self {
        Self { gateway, limit }
    }
}

#[async_trait]
impl<G: PaymentGateway> PaymentGateway for TimeLimited<G> {
    async fn execute(&self, key: &CallKey, instruction: &Instruction) -> GatewayResult {
        timeout(self.limit, self.gateway.execute(key, instruction)).await.unwrap_or(GatewayResult::Unknown)
    }

    async fn lookup(&self, key: &CallKey, instruction: &Instruction) -> Lookup {
        timeout(self.limit, self.gateway.lookup(key, instruction)).await.unwrap_or(Lookup::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use settlement_domain::{GatewayRef, Operation};

    use super::*;

    struct Silent;

    #[async_trait]
    impl PaymentGateway for Silent {
        async fn execute(&self, _: &CallKey, _: &Instruction) -> GatewayResult {
            pending().await
        }

        async fn lookup(&self, _: &CallKey, _: &Instruction) -> Lookup {
            pending().await
        }
    }

    #[tokio::test]
    async fn a_gateway_that_says_nothing_leaves_the_result_unknown() {
        let gateway = TimeLimited::new(Silent, Duration::ZERO);
        let key = CallKey::new(settlement_domain::SettlementId::from(uuid::Uuid::nil()), Operation::Void, 1);
        let void = Instruction::Void { hold: GatewayRef::from("hold".to_owned()) };
        assert_eq!(gateway.execute(&key, &void).await, GatewayResult::Unknown);
        assert_eq!(gateway.lookup(&key, &void).await, Lookup::Unavailable);
    }

    #[test]
    fn the_default_limit_is_well_below_a_calls_lease() {
        assert!(DEFAULT_LIMIT.as_secs() * 2 < settlement_domain::call::LEASE_S.unsigned_abs());
    }
}
