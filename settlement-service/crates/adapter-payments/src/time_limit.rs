//! No call without a time limit.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::{CallKey, GatewayRef, Instruction, Movement, MovementKind};
use settlement_ports::{GatewayResult, GatewayStatement, Lookup, PaymentGateway, StatementError, StatementPage};
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

#[async_trait]
impl<G: GatewayStatement> GatewayStatement for TimeLimited<G> {
    async fn page(
        &self,
        kind: MovementKind,
        since: DateTime<Utc>,
        after: Option<String>,
    ) -> Result<StatementPage, StatementError> {
        timeout(self.limit, self.gateway.page(kind, since, after)).await.unwrap_or_else(|_| Err(too_late()))
    }

    async fn movement(&self, kind: MovementKind, reference: &GatewayRef) -> Result<Option<Movement>, StatementError> {
        timeout(self.limit, self.gateway.movement(kind, reference)).await.unwrap_or_else(|_| Err(too_late()))
    }
}

fn too_late() -> StatementError {
    StatementError::Unavailable("no answer in time".to_owned())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use settlement_domain::Operation;

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

    #[async_trait]
    impl GatewayStatement for Silent {
        async fn page(
            &self,
            _: MovementKind,
            _: DateTime<Utc>,
            _: Option<String>,
        ) -> Result<StatementPage, StatementError> {
            pending().await
        }

        async fn movement(&self, _: MovementKind, _: &GatewayRef) -> Result<Option<Movement>, StatementError> {
            pending().await
        }
    }

    #[tokio::test]
    async fn a_list_that_does_not_come_is_unavailable() {
        let gateway = TimeLimited::new(Silent, Duration::ZERO);
        let (kind, reference) = (MovementKind::Charge, GatewayRef::from("charge".to_owned()));
        assert!(matches!(gateway.page(kind, DateTime::UNIX_EPOCH, None).await, Err(StatementError::Unavailable(_))));
        assert!(matches!(gateway.movement(kind, &reference).await, Err(StatementError::Unavailable(_))));
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
