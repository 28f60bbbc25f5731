//! What other services tell: a lot was sold, so a settlement starts for each winner, once.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::settlement::{Sale, Terms};
use settlement_domain::{Settlement, SettlementId};
use settlement_ports::{Fact, FactHandler, HandleError, Handled, Inserted, Receipt, Seen, SettlementStore, StoreError};
use uuid::{NoContext, Timestamp, Uuid};

use crate::retry::on_conflict;

/// Takes facts in.
#[derive(Clone)]
pub struct Facts {
    store: Arc<dyn SettlementStore>,
    terms: Terms,
}

impl Facts {
    /// Over a store; new settlements begin with these terms.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>, terms: Terms) -> Self {
        Self { store, terms }
    }

    async fn sold(&self, receipt: &Receipt, sales: &[Sale]) -> Result<Result<Handled, HandleError>, StoreError> {
        let mut tx = self.store.begin().await?;
        // A gap is no news here: this service takes in only some of an auction's events.
        match tx.receive(receipt).await? {
            Seen::Duplicate => return Ok(Ok(Handled::Duplicate)),
            Seen::New | Seen::Gap { .. } => {}
        }
        let now = tx.now().await?;
        let mut handled = Handled::Duplicate;
        for sale in sales {
            let (settlement, started) = match Settlement::start(new_id(now), sale.clone(), self.terms, now) {
                Ok(begun) => begun,
                Err(error) => return Ok(Err(HandleError::Poison(error.to_string()))),
            };
            if let Inserted::New = tx.insert(&settlement).await? {
                tx.record(&[started]).await?;
                handled = Handled::Applied;
            }
        }
        tx.commit().await?;
        Ok(Ok(handled))
    }
}

#[async_trait]
impl FactHandler for Facts {
    async fn handle(&self, receipt: Receipt, fact: Fact) -> Result<Handled, HandleError> {
        let Fact::AuctionSold(sales) = &fact;
        on_conflict(|| self.sold(&receipt, sales))
            .await
            .unwrap_or_else(|error| Err(HandleError::Retry(error.to_string())))
    }
}

/// A UUID of version 7 made of the database's time.
fn new_id(now: DateTime<Utc>) -> SettlementId {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    SettlementId::from(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos())))
}
