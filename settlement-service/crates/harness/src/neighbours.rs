//! Bidding and listing, as settlement hears them: who is the next contender, that a lot was listed again.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use futures::executor::block_on;
use serde_json::Value;
use settlement_domain::settlement::{Lot, OfferDays};
use settlement_domain::{Money, SettlementId, UserId};
use settlement_ports::{Fact, FactHandler, HandleError, Handled, Receipt};
use uuid::Uuid;

use crate::Scene;
use crate::scene::user;

/// What they know.
#[derive(Default)]
pub(crate) struct Neighbours {
    contenders: Vec<(UserId, Money)>,
    /// Events they have answered.
    answered: BTreeSet<Uuid>,
    /// Events bidding has sent after the sale.
    said: u64,
}

impl Scene {
    /// A lot sold for 120.50 dollars to `buyer`, whose seller opted in to second chances of three days, and those who
    /// bid less, the highest first.
    #[must_use]
    pub fn with_contenders(contenders: &[(&str, i64)]) -> Self {
        let mut scene = Self::new(12_050, "USD");
        let currency = scene.sale.price.currency();
        let contender = |(name, amount): &(&str, i64)| (user(name), Money::new(*amount, currency).unwrap());
        scene.neighbours.contenders = contenders.iter().map(contender).collect();
        scene.of_whole_lot(Some(OfferDays::default()))
    }

    /// The same, of a seller who did not opt in.
    #[must_use]
    pub fn without_contenders() -> Self {
        Self::new(12_050, "USD").of_whole_lot(None)
    }

    fn of_whole_lot(mut self, second_chance: Option<OfferDays>) -> Self {
        self.sale.lot = Lot::Whole { second_chance };
        self
    }

    /// Bidding and listing answer what they have not answered yet, until nobody asks any more.
    pub fn neighbours_answer(&mut self) {
        loop {
            let events = self.store.events();
            let Some(event) = events.into_iter().find(|event| !self.neighbours.answered.contains(&event.event_id))
            else {
                return;
            };
            self.neighbours.answered.insert(event.event_id);
            match event.event_type.as_str() {
                "outcry.settlement.second_chance.requested.v1" => {
                    let fact = self.next_contender(&event.data);
                    self.bidding_says(fact);
                }
                "outcry.settlement.relist.requested.v1" => self.seller_relists(),
                _ => {}
            }
        }
    }

    fn next_contender(&self, asked: &Value) -> Fact {
        let auction_id = self.sale.auction_id;
        let settlement_id: SettlementId = serde_json::from_value(asked["settlement_id"].clone()).unwrap();
        let excluded: Vec<UserId> = serde_json::from_value(asked["what"]["excluded"].clone()).unwrap();
        match self.neighbours.contenders.iter().find(|(name, _)| !excluded.contains(name)) {
            Some((contender, price)) => {
                Fact::ContenderNominated { auction_id, settlement_id, contender: contender.clone(), price: *price }
            }
            None => Fact::ContendersExhausted { auction_id, settlement_id },
        }
    }

    /// Bidding tells something after the sale.
    pub fn bidding_says(&mut self, fact: Fact) {
        self.neighbours.said += 1;
        let sequence = self.receipt.sequence + self.neighbours.said;
        let receipt = Receipt { event_id: Uuid::now_v7(), sequence, ..self.receipt.clone() };
        self.hear(&receipt, &fact);
    }

    /// The buyer gives the award up.
    pub fn award_is_declined(&mut self) {
        let fact = self.declined_award();
        self.bidding_says(fact);
    }

    /// The buyer has given the award up, and that is heard of before the sale is.
    pub fn award_was_declined_before(&self) {
        let sequence = self.receipt.sequence - 1;
        let receipt = Receipt { event_id: Uuid::now_v7(), sequence, ..self.receipt.clone() };
        self.hear(&receipt, &self.declined_award());
    }

    fn declined_award(&self) -> Fact {
        Fact::AwardDeclined { auction_id: self.sale.auction_id, buyer_id: self.sale.buyer_id.clone() }
    }

    /// The seller lists the lot again.
    pub fn seller_relists(&self) {
        self.hear(&Self::relisting(), &Fact::Relisted { auction_id: self.sale.auction_id });
    }

    /// The event by which listing tells of a relisting.
    fn relisting() -> Receipt {
        Receipt {
            event_id: Uuid::now_v7(),
            source: "/outcry/listing-service".to_owned(),
            key: Uuid::now_v7().to_string(),
            sequence: 2,
        }
    }

    /// The consumer hands an event over until it is handled.
    fn hear(&self, receipt: &Receipt, fact: &Fact) {
        let _: Handled = self.insist(|| match block_on(self.facts.handle(receipt.clone(), fact.clone())) {
            Err(HandleError::Retry(_)) => None,
            told => Some(told.unwrap()),
        });
    }

    /// Time passes, the worker works, the neighbours answer, until nothing is left to do at that moment.
    pub fn days_change_the_world(&mut self, days: i64) {
        self.clock.advance(TimeDelta::days(days));
        self.world_settles();
    }

    /// The worker works and the neighbours answer until nothing is left to do at this moment.
    pub fn world_settles(&mut self) {
        loop {
            self.worker_works();
            let known = self.store.events().len();
            self.neighbours_answer();
            if self.store.events().len() == known {
                return;
            }
        }
    }
}
