//! What other services tell: a lot was sold, so a settlement starts for each winner, once.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use settlement_domain::settlement::{Sale, Terms};
use settlement_domain::{Schedules, Settlement, SettlementId};
use settlement_ports::{Fact, FactHandler, HandleError, Handled, Inserted, Receipt, Seen, SettlementStore, StoreError};
use uuid::{NoContext, Timestamp, Uuid};

use crate::retry::on_conflict;

/// Takes facts in.
#[derive(Clone)]
pub struct Facts {
    store: Arc<dyn SettlementStore>,
    terms: Terms,
    fees: Arc<Schedules>,
}

impl Facts {
    /// Over a store; new settlements begin with these terms, and with the fees that hold at that moment.
    #[must_use]
    pub fn new(store: Arc<dyn SettlementStore>, terms: Terms, fees: Schedules) -> Self {
        Self { store, terms, fees: Arc::new(fees) }
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
            let begun = Settlement::start(new_id(now), sale.clone(), self.terms, &self.fees, now);
            let (settlement, started) = match begun {
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
